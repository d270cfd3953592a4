//! Accounts of one sign-in, as Xero lists them.

use concord_core::ports::SecretHeader;

use super::sign_in::{back, sign_in};
use super::*;

const ALL: &str = "https://api.example/connections";

fn app_with_tenants() -> App {
    let mut app = app();
    let wish = json!({
        "url": ALL, "id": "tenantId", "name": "tenantName", "config": "tenant_id",
    });
    app.manifest.tenants = Some(serde_json::from_value(wish).unwrap());
    app.endpoints.tenants = Some(ALL.into());
    app
}

async fn listed(status: u16, body: Value) -> Result<Vec<Tenant>, TenantsError> {
    let bench = Bench::new(app_with_tenants(), None);
    bench.answers(status, body);
    let transport = Transport {
        http: Arc::clone(&bench.server) as Arc<dyn Http>,
        timeout: Duration::from_secs(20),
    };
    let auth = SecretHeader {
        name: "authorization".into(),
        value: Secret::new("Bearer a1"),
    };
    let all = tenants(&app_with_tenants(), &transport, auth).await;
    assert_eq!(*bench.server.urls.lock().unwrap(), [ALL]);
    all
}

fn tenant(id: &str, name: &str) -> Tenant {
    Tenant {
        id: id.into(),
        name: name.into(),
    }
}

#[tokio::test]
async fn a_list_is_read_as_the_manifest_says_and_what_is_none_is_told() {
    let all = listed(
        200,
        json!([
            { "tenantId": "t1", "tenantName": "Maple", "tenantType": "ORGANISATION" },
            { "tenantId": 2, "tenantName": null },
        ]),
    );
    assert_eq!(all.await.unwrap(), [tenant("t1", "Maple"), tenant("2", "")]);
    assert!(listed(200, json!([])).await.unwrap().is_empty());
    let refused = listed(403, json!({})).await;
    assert!(matches!(
        refused,
        Err(TenantsError::Refused { status: 403 })
    ));
    let busy = listed(503, json!({})).await.unwrap_err().to_string();
    assert!(busy.contains("503") && busy.contains("is kept"), "{busy}");
    for body in [
        json!({ "data": [] }),
        json!([{ "id": "t1" }]),
        json!(["t1"]),
    ] {
        let unreadable = listed(200, body).await;
        assert!(matches!(unreadable, Err(TenantsError::Unreadable)));
    }
}

#[test]
fn one_is_chosen_by_word_by_what_was_before_or_since_it_is_the_only_one() {
    let all = [
        tenant("t1", "Maple"),
        tenant("t2", "Oak"),
        tenant("t3", "Oak"),
    ];
    let chosen = |all: &[Tenant], word, before| {
        choose("books", all, word, before)
            .map(|one| one.id.clone())
            .map_err(|error| error.to_string())
    };
    assert_eq!(chosen(&all[..1], None, None).as_deref(), Ok("t1"));
    assert_eq!(chosen(&all, Some("t3"), Some("t1")).as_deref(), Ok("t3"));
    assert_eq!(chosen(&all, Some("Maple"), None).as_deref(), Ok("t1"));
    assert_eq!(chosen(&all, None, Some("t2")).as_deref(), Ok("t2"));
    let cases = [
        (chosen(&all, None, None), "reaches 3 accounts"),
        (
            chosen(&all, Some("Oak"), None),
            "several accounts are called 'Oak'",
        ),
        (chosen(&all, Some("Elm"), None), "no account 'Elm'"),
        // The only one that is left is another company's.
        (
            chosen(&all[..1], None, Some("t9")),
            "'t9', is not reached any more",
        ),
    ];
    for (error, part) in cases {
        let error = error.unwrap_err();
        assert!(error.contains(part), "{error}");
        assert!(error.contains("login books --tenant ID"), "{error}");
        assert!(error.contains("\n  t1  Maple"), "{error}");
    }
    let nothing = chosen(&[], Some("t1"), None).unwrap_err();
    assert!(nothing.contains("reaches no account"), "{nothing}");
}

#[tokio::test]
async fn a_sign_in_waits_for_the_choice_and_keeps_it_through_renewals_and_the_next_one() {
    let bench = Bench::new(app_with_tenants(), None);
    let sign_in = sign_in(&bench, app_with_tenants());
    let signed_in = async || {
        let begun = sign_in.begin().unwrap();
        bench.gives("a1", "r1");
        let query = back(&begun, "code=c1");
        sign_in.finish(begun, &query).await.unwrap()
    };
    let kept = |grant: &Grant| {
        bench
            .row
            .put(&serde_json::from_str(grant.text().expose()).unwrap())
    };
    let now = || Grant::parse(&Secret::new(bench.row.value().to_string())).unwrap();
    let grant = signed_in().await;
    assert!(grant.is_undecided());
    assert!(
        matches!(grant.standing(), Standing::NeedsSignIn { reason } if reason.contains("not chosen"))
    );
    kept(&grant);
    bench.when(1000);
    bench.gives("a2", "r2");
    assert_eq!(bench.header().await.unwrap(), "Bearer a2");
    assert!(now().is_undecided());

    kept(&now().of_tenant("tenant_id", &tenant("t1", "Maple")));
    assert!(matches!(now().standing(), Standing::SignedIn { .. }));
    bench.when(2000);
    bench.gives("a3", "r3");
    assert_eq!(bench.header().await.unwrap(), "Bearer a3");
    assert!(!now().is_undecided());
    assert_eq!(now().values["tenant_id"], "t1");

    let next = signed_in().await.in_place_of(&now(), "tenant_id");
    assert!(next.is_undecided());
    assert_eq!(next.values["tenant_id"], "t1");
}
