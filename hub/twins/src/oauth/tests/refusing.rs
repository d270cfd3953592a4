use super::*;
use crate::oauth::Refusal;

/// The names of all codes, and their statuses, by section.
#[test]
fn every_refusal_has_the_code_that_an_rfc_gives_it() {
    let table = [
        // RFC 6749 section 5.2.
        (Refusal::NotAForm, "invalid_request", 400),
        (Refusal::Missing("code"), "invalid_request", 400),
        (Refusal::Repeated("code".into()), "invalid_request", 400),
        (Refusal::TwoAuthentications, "invalid_request", 400),
        (Refusal::UnknownClient, "invalid_client", 401),
        (Refusal::WrongSecret, "invalid_client", 401),
        (Refusal::UnknownCode, "invalid_grant", 400),
        (Refusal::ExpiredCode, "invalid_grant", 400),
        (Refusal::UsedCode, "invalid_grant", 400),
        (Refusal::OtherRedirect, "invalid_grant", 400),
        (Refusal::DeadRefreshToken, "invalid_grant", 400),
        (Refusal::OtherClient, "invalid_grant", 400),
        (Refusal::NotForThisClient, "unauthorized_client", 400),
        (
            Refusal::UnsupportedGrant("password".into()),
            "unsupported_grant_type",
            400,
        ),
        (Refusal::Scope, "invalid_scope", 400),
        // Section 4.1.2.1.
        (
            Refusal::UnsupportedResponse,
            "unsupported_response_type",
            400,
        ),
        (Refusal::Denied, "access_denied", 400),
        // RFC 7636 sections 4.4.1 and 4.6.
        (Refusal::ChallengeMissing, "invalid_request", 400),
        (Refusal::ChallengeMethod, "invalid_request", 400),
        (Refusal::WrongVerifier, "invalid_grant", 400),
        // RFC 8628 section 3.5.
        (Refusal::Pending, "authorization_pending", 400),
        (Refusal::TooFast, "slow_down", 400),
        (Refusal::ExpiredDevice, "expired_token", 400),
    ];
    for (refusal, error, status) in table {
        assert_eq!((refusal.error(), refusal.status()), (error, status));
        let answer = refusal.answer();
        assert_eq!(answer.status, status);
        assert_eq!(answer.value()["error"], error);
    }
}

#[test]
fn token_requests_are_refused_with_their_reason() {
    let client = [
        ("client_id", "concord"),
        ("client_secret", "concord-secret"),
    ];
    let grant = ("grant_type", "client_credentials");
    let table: &[(Fields<'_>, (u16, &str))] = &[
        (&[client[0], client[1], grant], (200, "")),
        (&[grant], (401, "invalid_client")),
        (&[("client_id", "nobody"), grant], (401, "invalid_client")),
        (&[client[0], grant], (401, "invalid_client")),
        (
            &[client[0], ("client_secret", "wrong"), grant],
            (401, "invalid_client"),
        ),
        (
            &[("client_id", "concord-public"), grant],
            (400, "unauthorized_client"),
        ),
        (&[client[0], client[1]], (400, "invalid_request")),
        (
            &[client[0], client[1], grant, grant],
            (400, "invalid_request"),
        ),
        (
            &[client[0], client[1], ("grant_type", "password")],
            (400, "unsupported_grant_type"),
        ),
        (
            &[client[0], client[1], ("grant_type", "refresh_token")],
            (400, "invalid_request"),
        ),
        (
            &[
                client[0],
                client[1],
                ("grant_type", "authorization_code"),
                ("code", "x"),
            ],
            (400, "invalid_grant"),
        ),
        (
            &[client[0], client[1], grant, ("scope", "a  b")],
            (400, "invalid_scope"),
        ),
    ];
    for (fields, expected) in table {
        let answer = Desk::new().post_as_is("/token", fields);
        assert_eq!(error(&answer), *expected, "{fields:?}");
    }
}

#[test]
fn clients_authenticate_by_basic_and_in_one_way() {
    // RFC 6749 sections 2.3 and 2.3.1; 5.2 for the header of a 401.
    let table = [
        ("concord:concord-secret", &[][..], 200),
        ("concord:concord-secret", &[("client_id", "concord")], 200),
        ("concord:wrong", &[], 401),
        ("nobody:concord-secret", &[], 401),
        (
            "concord:concord-secret",
            &[("client_secret", "concord-secret")],
            400,
        ),
        ("concord:concord-secret", &[("client_id", "other")], 400),
    ];
    for (pair, more, expected) in table {
        let fields = [&[("grant_type", "client_credentials")], more].concat();
        let request = Request::form("POST", "/token", &fields);
        let answer = Desk::new().send(request.with_header("authorization", &basic(pair)));
        assert_eq!(answer.status, expected, "{pair} {more:?}");
        let challenge = answer.headers.iter().any(|(n, _)| n == "www-authenticate");
        assert_eq!(challenge, expected == 401);
    }
}

#[test]
fn a_code_is_worth_nothing_to_others_or_elsewhere() {
    // RFC 6749 section 4.1.3.
    let mut desk = Desk::new();
    desk.control(
        "clients",
        json!({"client_id": "b", "client_secret": "s", "redirect_uris": [CALLBACK]}),
    );
    let code = desk.code();
    let of_code = [("grant_type", "authorization_code"), ("code", &code)];
    let others = [
        of_code[0],
        of_code[1],
        ("redirect_uri", CALLBACK),
        ("client_id", "b"),
        ("client_secret", "s"),
    ];
    let answer = desk.post_as_is("/token", &others);
    assert_eq!(error(&answer), (400, "invalid_grant"));
    // Elsewhere is also the same place on another port.
    for redirect in ["", "http://127.0.0.1:9/callback"] {
        let fields = [of_code[0], of_code[1], ("redirect_uri", redirect)];
        let answer = desk.post("/token", &fields);
        assert_eq!(error(&answer), (400, "invalid_grant"), "{redirect}");
    }
    assert_eq!(desk.redeem(&code).0, 200);
}

#[test]
fn a_body_that_is_no_form_is_refused() {
    // RFC 6749 appendix B.
    let body = json!({"grant_type": "client_credentials"});
    let answer = Desk::new().send(Request::json("POST", "/token", &body));
    assert_eq!(
        (answer.status, &answer.value()["error"]),
        (400, &json!("invalid_request"))
    );
}
