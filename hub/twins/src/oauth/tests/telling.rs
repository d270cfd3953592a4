//! Introspection, revocation and metadata.

use super::*;

#[test]
fn a_live_token_is_told_of_and_a_dead_one_is_not() {
    // RFC 7662 section 2.2.
    let mut desk = Desk::new();
    let tokens = desk.tokens();
    let access = text(&tokens, "access_token");
    let issued = desk.now.millis() / 1000;
    let expected = json!({
        "active": true,
        "client_id": "concord",
        "scope": "contacts.read contacts.write",
        "token_type": "Bearer",
        "iat": issued,
        "exp": issued + 3600,
    });
    assert_eq!(desk.introspect(access), expected);
    desk.pass(3600);
    assert_eq!(desk.introspect(access), json!({"active": false}));
    assert_eq!(desk.introspect("somebody-else's"), json!({"active": false}));
    assert_eq!(desk.counts()["introspected"], 3);
}

#[test]
fn only_a_client_with_a_secret_may_ask() {
    // RFC 7662 section 2.1.
    let mut desk = Desk::new();
    let table = [
        (&[("token", "x")][..], (401, "invalid_client")),
        (
            &[("token", "x"), ("client_id", "concord-public")],
            (401, "invalid_client"),
        ),
        (
            &[
                ("client_id", "concord"),
                ("client_secret", "concord-secret"),
            ],
            (400, "invalid_request"),
        ),
    ];
    for (fields, expected) in table {
        let answer = desk.post_as_is("/introspect", fields);
        assert_eq!(error(&answer), expected, "{fields:?}");
    }
    assert_eq!(desk.counts()["introspected"], 0);
}

#[test]
fn a_token_that_is_given_back_is_dead() {
    // RFC 7009 sections 2.1 and 2.2.
    for (given, access_lives, refresh_lives) in [
        ("access_token", false, true),
        ("refresh_token", false, false),
    ] {
        let mut desk = Desk::new();
        let tokens = desk.tokens();
        let answer = desk.post("/revoke", &[("token", text(&tokens, given))]);
        assert_eq!(answer.0, 200);
        let alive = |desk: &mut Desk, kind| desk.is_active(text(&tokens, kind));
        assert_eq!(alive(&mut desk, "access_token"), access_lives, "{given}");
        assert_eq!(alive(&mut desk, "refresh_token"), refresh_lives, "{given}");
    }
    let mut desk = Desk::new();
    assert_eq!(desk.post("/revoke", &[("token", "unknown")]).0, 200);
    let tokens = desk.tokens();
    let others = [
        ("client_id", "concord-public"),
        ("token", text(&tokens, "refresh_token")),
    ];
    let answer = desk.post_as_is("/revoke", &others);
    assert_eq!(error(&answer), (400, "invalid_grant"));
    assert!(desk.is_active(text(&tokens, "refresh_token")));
}

#[test]
fn the_metadata_names_what_is_there() {
    // RFC 8414 section 2; the issuer is where it was asked, section 3.3.
    let mut desk = Desk::new();
    let request = Request::plain("GET", "/.well-known/oauth-authorization-server")
        .with_header("host", "127.0.0.1:7103");
    let told = desk.send(request).value();
    assert_eq!(told["issuer"], "http://127.0.0.1:7103");
    assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
    for (name, method, path) in [
        ("authorization_endpoint", "GET", "/authorize"),
        ("token_endpoint", "POST", "/token"),
        ("device_authorization_endpoint", "POST", "/device"),
        ("revocation_endpoint", "POST", "/revoke"),
        ("introspection_endpoint", "POST", "/introspect"),
    ] {
        assert_eq!(told[name], format!("http://127.0.0.1:7103{path}"));
        assert_ne!(
            desk.send(Request::plain(method, path)).status,
            404,
            "{path}"
        );
    }
    assert_eq!(desk.send(Request::plain("GET", "/verify")).status, 200);
    assert_eq!(desk.send(Request::plain("GET", "/token")).status, 404);
}
