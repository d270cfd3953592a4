//! What is right comes from RFC 6749 §4.1, RFC 7636 §4 and RFC 8628 §3.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::*;

pub(super) fn sign_in(bench: &Bench, app: App) -> SignIn {
    let transport = Transport {
        http: Arc::clone(&bench.server) as Arc<dyn Http>,
        timeout: Duration::from_secs(20),
    };
    SignIn::new(app, transport, Arc::clone(&bench.clock) as Arc<dyn Clock>).unwrap()
}

fn query(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

/// The query that a browser comes back with.
pub(super) fn back(begun: &Begun, more: &str) -> BTreeMap<String, String> {
    let asked = Url::parse(&begun.url).unwrap();
    let state = query(asked.query().unwrap())["state"].clone();
    let mut back = query(more);
    back.insert("state".into(), state);
    back
}

#[tokio::test]
async fn a_browser_is_sent_with_everything_and_its_code_is_exchanged() {
    let bench = Bench::new(app(), None);
    let mut app = app();
    app.manifest.values = serde_json::from_value(json!([
        { "from": "token", "name": "instance_url", "config": "base_url" },
        { "from": "redirect", "name": "realmId", "config": "company" },
    ]))
    .unwrap();
    let params = [("access_type".to_owned(), "offline".to_owned())];
    app.manifest.authorize_params = params.into();
    let sign_in = sign_in(&bench, app);
    let begun = sign_in.begin().unwrap();
    let asked = query(Url::parse(&begun.url).unwrap().query().unwrap());
    let expected = [
        ("response_type", "code"),
        ("client_id", "id"),
        ("redirect_uri", "http://127.0.0.1:8497/callback"),
        ("scope", "contacts"),
        ("access_type", "offline"),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in expected {
        assert_eq!(asked[name], value);
    }
    assert!(asked["state"].len() >= 16 && asked["code_challenge"].len() == 43);
    assert!(!begun.url.contains("app-secret"));
    let mut answer = token("a1", "r1");
    answer["instance_url"] = json!("https://na1.example");
    bench.answers(200, answer);
    let back = back(&begun, "code=c%2F1&realmId=123");
    let grant = sign_in.finish(begun, &back).await.unwrap();
    assert_eq!(grant.access(), "a1");
    assert_eq!(grant.values["base_url"], "https://na1.example");
    assert_eq!(grant.values["company"], "123");
    let forms = bench.server.forms.lock().unwrap();
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "c/1"),
        ("redirect_uri", "http://127.0.0.1:8497/callback"),
    ];
    for (name, value) in expected {
        assert_eq!(forms[0][name], value);
    }
    assert!(forms[0]["code_verifier"].len() >= 43);
}

#[tokio::test]
async fn what_a_browser_brings_that_is_no_code_is_told() {
    let bench = Bench::new(app(), None);
    let sign_in = sign_in(&bench, app());
    let begun = sign_in.begin().unwrap();
    let error = sign_in.finish(begun, &query("code=c&state=other")).await;
    assert!(matches!(error, Err(SignInError::OtherState)));
    let begun = sign_in.begin().unwrap();
    let error = sign_in.finish(begun, &query("code=c")).await;
    assert!(matches!(error, Err(SignInError::OtherState)));
    let begun = sign_in.begin().unwrap();
    let denied = back(&begun, "error=access_denied&error_description=not+now");
    let error = sign_in.finish(begun, &denied).await.err().unwrap();
    assert!(
        error.to_string().contains("access_denied (not now)"),
        "{error}"
    );
    let begun = sign_in.begin().unwrap();
    let empty = back(&begun, "code=");
    let error = sign_in.finish(begun, &empty).await;
    assert!(matches!(error, Err(SignInError::NoCode)));
    // None of them was worth a request.
    assert!(bench.server.forms.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_code_and_a_refused_app_have_next_steps_of_their_own() {
    let cases: [(u16, Value, &str); 4] = [
        (400, json!({ "error": "invalid_grant" }), "redirect-uri"),
        (
            400,
            json!({ "status": "BAD_AUTH_CODE", "message": "used" }),
            "BAD_AUTH_CODE (used)",
        ),
        (401, json!({ "error": "invalid_client" }), "client_secret"),
        (200, json!("<html>"), "RFC 6749"),
    ];
    for (status, body, part) in cases {
        let bench = Bench::new(app(), None);
        let sign_in = sign_in(&bench, app());
        let begun = sign_in.begin().unwrap();
        let back = back(&begun, "code=c");
        bench.answers(status, body);
        let error = sign_in
            .finish(begun, &back)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(part), "{error}");
        assert!(!error.contains("app-secret"), "{error}");
    }
}

fn with_device() -> App {
    let mut app = app();
    app.endpoints.device = Some("https://login.example/device".into());
    app
}

fn code() -> Value {
    json!({
        "device_code": "d1", "user_code": "WDJB-MJHT", "expires_in": 60, "interval": 5,
        "verification_uri": "https://login.example/enter",
        "verification_uri_complete": "https://login.example/enter?user_code=WDJB-MJHT",
    })
}

#[tokio::test]
async fn a_code_is_waited_for_as_patiently_as_the_server_asks() {
    let bench = Bench::new(with_device(), None);
    let sign_in = sign_in(&bench, with_device());
    bench.answers(200, code());
    let code = sign_in.device().await.unwrap();
    assert_eq!(code.user_code(), "WDJB-MJHT");
    assert_eq!(code.page(), "https://login.example/enter");
    let start = bench.clock.monotonic();
    bench.answers(400, json!({ "error": "authorization_pending" }));
    bench.answers(400, json!({ "error": "slow_down" }));
    bench.answers(200, token("a1", "r1"));
    let grant = sign_in.entered(&code).await.unwrap();
    assert_eq!(grant.access(), "a1");
    // Five seconds, and five more after `slow_down`.
    assert_eq!(bench.clock.monotonic() - start, Duration::from_secs(15));
}

#[tokio::test]
async fn a_code_that_is_turned_down_or_too_old_ends_the_wait() {
    let bench = Bench::new(with_device(), None);
    let sign_in = sign_in(&bench, with_device());
    bench.answers(200, code());
    let code = sign_in.device().await.unwrap();
    bench.answers(400, json!({ "error": "access_denied" }));
    let error = sign_in.entered(&code).await;
    assert!(matches!(error, Err(SignInError::TurnedDown(_))));
    bench.answers(400, json!({ "error": "expired_token" }));
    let error = sign_in.entered(&code).await;
    assert!(matches!(error, Err(SignInError::TooLate)));
    // And where the server never says so.
    for _ in 0..13 {
        bench.answers(400, json!({ "error": "authorization_pending" }));
    }
    let error = sign_in.entered(&code).await;
    assert!(matches!(error, Err(SignInError::TooLate)));
}

#[tokio::test]
async fn a_way_that_the_system_does_not_have_is_named() {
    let bench = Bench::new(app(), None);
    let error = sign_in(&bench, app()).device().await;
    assert!(matches!(error, Err(SignInError::NoDevice)));
    let mut codes_only = with_device();
    codes_only.endpoints.authorize = None;
    let error = sign_in(&bench, codes_only).begin();
    assert!(matches!(error, Err(SignInError::NoBrowser)));
}
