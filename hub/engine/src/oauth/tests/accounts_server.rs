//! An account that lives at a server of its own, which the redirect names.

use concord_core::ports::TokenError;

use super::sign_in::{back, sign_in};
use super::*;

const HOME: &str = "https://accounts.eu.example";

fn app_with_homes() -> App {
    let mut app = app();
    let named = json!({ "parameter": "accounts-server", "hosts": ["accounts.eu.example"] });
    app.manifest.accounts_server = Some(serde_json::from_value(named).unwrap());
    app
}

fn redirect(begun: &Begun, server: &str) -> BTreeMap<String, String> {
    let mut query = back(begun, "code=c1&location=eu");
    query.insert("accounts-server".into(), server.into());
    query
}

fn urls(bench: &Bench) -> Vec<String> {
    bench.server.urls.lock().unwrap().clone()
}

#[tokio::test]
async fn its_server_is_asked_for_the_token_its_renewal_and_its_end() {
    let bench = Bench::new(app_with_homes(), None);
    let sign_in = sign_in(&bench, app_with_homes());
    let begun = sign_in.begin().unwrap();
    bench.gives("a1", "r1");
    let query = redirect(&begun, &format!("{HOME}/"));
    let grant = sign_in.finish(begun, &query).await.unwrap();
    let kept: Value = serde_json::from_str(grant.text().expose()).unwrap();
    bench.row.put(&kept);
    // The token ends twice: what the first renewal gave lives there as well.
    for (second, access) in [(1000, "a2"), (2000, "a3")] {
        bench.when(second);
        bench.gives(access, "");
        assert_eq!(bench.header().await.unwrap(), format!("Bearer {access}"));
    }
    let grant = Grant::parse(&Secret::new(bench.row.value().to_string())).unwrap();
    bench.answers(200, json!({}));
    let transport = Transport {
        http: Arc::clone(&bench.server) as Arc<dyn Http>,
        timeout: Duration::from_secs(20),
    };
    let given_back = app_with_homes().revoke(&transport, &grant).await;
    assert_eq!(given_back, Ok(true));
    let token = format!("{HOME}/token");
    let expected = [&token, &token, &token, &format!("{HOME}/revoke")];
    assert_eq!(urls(&bench).iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn one_that_the_way_out_does_not_know_is_refused_by_its_name() {
    let bench = Bench::new(app_with_homes(), None);
    let sign_in = sign_in(&bench, app_with_homes());
    let begun = sign_in.begin().unwrap();
    bench.will(|_| Err(HttpError::Denied("not among the hosts".into())));
    let query = redirect(&begun, "https://thief.example");
    let error = sign_in.finish(begun, &query).await.err().unwrap();
    assert!(matches!(error, SignInError::Astray { .. }));
    let text = error.to_string();
    for part in [
        "https://thief.example",
        "not among the hosts",
        "nothing was sent",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(
        !text.contains("c1") && !text.contains("app-secret"),
        "{text}"
    );
}

#[tokio::test]
async fn one_that_is_no_bare_address_is_not_asked_at_all() {
    let texts = [
        "accounts.eu.example",
        "mailto:a@accounts.eu.example",
        "https://accounts.eu.example@thief.example",
        "https://accounts.eu.example/elsewhere",
        "https://accounts.eu.example?next=",
        "",
    ];
    for text in texts {
        let bench = Bench::new(app_with_homes(), None);
        let sign_in = sign_in(&bench, app_with_homes());
        let begun = sign_in.begin().unwrap();
        let query = redirect(&begun, text);
        let error = sign_in.finish(begun, &query).await.err().unwrap();
        assert!(
            error.to_string().contains("nothing was sent"),
            "{text}: {error}"
        );
        assert!(urls(&bench).is_empty(), "{text}");
    }
}

#[tokio::test]
async fn the_manifest_s_server_is_asked_where_none_is_named_or_none_may_be() {
    // A redirect without the parameter, and a system that has none of them.
    for (app, more) in [
        (app_with_homes(), "code=c1"),
        (app(), "code=c1&accounts-server=https%3A%2F%2Fthief.example"),
    ] {
        let bench = Bench::new(app.clone(), None);
        let sign_in = sign_in(&bench, app);
        let begun = sign_in.begin().unwrap();
        bench.gives("a1", "r1");
        let query = back(&begun, more);
        sign_in.finish(begun, &query).await.unwrap();
        assert_eq!(urls(&bench), ["https://login.example/token"]);
    }
}

#[tokio::test]
async fn a_renewal_that_may_not_go_there_any_more_ends_nothing() {
    let mut kept = grant();
    kept["accounts_server"] = json!(HOME);
    let bench = Bench::new(app_with_homes(), Some(kept));
    bench.when(1000);
    bench.will(|_| Err(HttpError::Denied("not among the hosts".into())));
    let why = bench.passing().await;
    assert!(why.contains("not among the hosts"), "{why}");
    assert_eq!(bench.row.value()["state"], "ready");
    assert_eq!(bench.row.value()["accounts_server"], HOME);
    assert!(matches!(bench.header().await, Err(TokenError::Passing(_))));
}
