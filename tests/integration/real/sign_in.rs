//! The real OAuth server and the person at a browser, without a hub: what a hub
//! meets there.

use serde_json::{Value, json};
use url::Url;

use super::browser::{Browser, PERSON};
use super::oidc::{Client, Counts, DESK, HUB, Oidc, SERVICE, SYSTEM};

/// A verifier and its challenge (RFC 7636, appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Nobody listens there: the browser does not go.  The port is none that the
/// clients are registered with.
const CALLBACK: &str = "http://127.0.0.1:4321/callback";
const STATE: &str = "a-state-of-the-test";
const SCOPE: &str = "openid offline_access contacts.read";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SECONDS: u32 = 300;

/// What an authorization request says besides who asks.  Without the prompt this
/// server takes `offline_access` out of the scopes, and gives no refresh token.
const REQUEST: &[(&str, &str)] = &[
    ("response_type", "code"),
    ("redirect_uri", CALLBACK),
    ("scope", SCOPE),
    ("prompt", "consent"),
    ("state", STATE),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

#[test]
#[ignore = "installs and starts oidc-provider: cargo xtask test --real"]
fn people_sign_in_at_a_browser_and_on_a_device() {
    let mut oidc = Oidc::start(SECONDS).unwrap_or_else(|why| panic!("{why}"));
    let browser = Browser::new();
    a_second_use_of_a_refresh_token_ends_its_grant(&oidc, &browser);
    a_denial_comes_back_as_one(&oidc, &browser);
    a_device_is_approved_and_another_denied(&oidc, &browser);
    let counts = Counts {
        refreshed: 2,
        refused: 3,
        reused: 1,
        revoked: 2,
    };
    assert_eq!(oidc.counts().unwrap(), counts);
    a_restart_forgets_every_token(&mut oidc);
}

fn a_second_use_of_a_refresh_token_ends_its_grant(oidc: &Oidc, browser: &Browser) {
    let request: Vec<_> = REQUEST.iter().chain([&("client_id", HUB.id)]).collect();
    let url = Url::parse_with_params(oidc.address("authorization_endpoint"), request).unwrap();
    let back = parameters(&browser.sign_in(url.as_str()));
    assert_eq!(back["state"], STATE);
    assert_eq!(back["iss"], oidc.address("issuer"));

    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", text(&back, "code")),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let first = tokens(oidc.ask("token_endpoint", &HUB, &exchange));
    assert_eq!(first["expires_in"], SECONDS);
    let second = tokens(refresh(oidc, &HUB, &first));
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let known = introspect(oidc, &second);
    assert_eq!(known["active"], true, "{known}");
    assert_eq!(
        (&known["sub"], &known["client_id"], &known["scope"]),
        (&json!(PERSON), &json!(HUB.id), &json!(SCOPE))
    );

    // The second use of the first takes the second with it, and what came of it.
    for used in [&first, &second] {
        let (status, answer) = refresh(oidc, &HUB, used);
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    }
    assert_eq!(introspect(oidc, &second), json!({"active": false}));
    let counts = Counts {
        refreshed: 1,
        refused: 2,
        reused: 1,
        revoked: 1,
    };
    assert_eq!(oidc.counts().unwrap(), counts);
}

/// The client is a public one, and pushes its request before (RFC 9126).
fn a_denial_comes_back_as_one(oidc: &Oidc, browser: &Browser) {
    let (status, pushed) = oidc.ask("pushed_authorization_request_endpoint", &DESK, REQUEST);
    assert_eq!(status, 201, "{pushed}");
    let request = [
        ("client_id", DESK.id),
        ("request_uri", text(&pushed, "request_uri")),
    ];
    let url = Url::parse_with_params(oidc.address("authorization_endpoint"), request).unwrap();
    let back = parameters(&browser.deny(url.as_str()));
    assert_eq!(back["error"], "access_denied");
    assert_eq!(back["state"], STATE);
}

fn a_device_is_approved_and_another_denied(oidc: &Oidc, browser: &Browser) {
    let begin = || tokens(oidc.ask("device_authorization_endpoint", &DESK, &[("scope", SCOPE)]));
    let poll = |device: &Value| {
        let poll = [
            ("grant_type", DEVICE),
            ("device_code", text(device, "device_code")),
        ];
        oidc.ask("token_endpoint", &DESK, &poll)
    };
    let device = begin();
    assert_eq!(poll(&device).1["error"], "authorization_pending");
    let code = text(&device, "user_code");
    browser.approve_device(text(&device, "verification_uri"), code);
    let first = tokens(poll(&device));
    let second = tokens(refresh(oidc, &DESK, &first));
    assert_eq!(introspect(oidc, &second)["sub"], PERSON);

    let revocation = [("token", text(&second, "refresh_token"))];
    let revoked = oidc.ask("revocation_endpoint", &DESK, &revocation);
    assert_eq!(revoked, (200, Value::Null));
    assert_eq!(refresh(oidc, &DESK, &second).0, 400);

    // Somebody else has scanned the address that holds the code.
    let device = begin();
    let address = text(&device, "verification_uri_complete");
    Browser::new().deny_device(address, "");
    assert_eq!(poll(&device).1["error"], "access_denied");
    let device = begin();
    let address = text(&device, "verification_uri_complete");
    Browser::new().approve_device(address, "");
    assert_eq!(poll(&device).0, 200);
}

/// The token is of a service that acts for itself.
fn a_restart_forgets_every_token(oidc: &mut Oidc) {
    let request = [
        ("grant_type", "client_credentials"),
        ("scope", "contacts.read"),
    ];
    let token = tokens(oidc.ask("token_endpoint", &SERVICE, &request));
    assert_eq!(introspect(oidc, &token)["client_id"], SERVICE.id);
    oidc.server.restart().unwrap();
    assert_eq!(introspect(oidc, &token), json!({"active": false}));
}

fn refresh(oidc: &Oidc, client: &Client, tokens: &Value) -> (u16, Value) {
    let request = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(tokens, "refresh_token")),
    ];
    oidc.ask("token_endpoint", client, &request)
}

/// What a system is told about an access token.
fn introspect(oidc: &Oidc, tokens: &Value) -> Value {
    let request = [("token", text(tokens, "access_token"))];
    oidc.ask("introspection_endpoint", &SYSTEM, &request).1
}

/// The answer, which has to be a good one.
fn tokens((status, answer): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{answer}");
    answer
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {answer}"))
}

/// What comes back to the client.
fn parameters(address: &str) -> Value {
    assert!(
        address.starts_with(&format!("{CALLBACK}?")),
        "came back to {address}"
    );
    let url = Url::parse(address).unwrap();
    url.query_pairs()
        .map(|(name, value)| (name.into_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
