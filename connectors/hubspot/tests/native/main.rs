//! The connector against scripted answers in HubSpot's documented shapes.

mod faults;
mod pull;
mod push;
mod read;
mod webhooks;

use concord_connector_hubspot::HubSpot;
use concord_sdk::prelude::*;
use concord_sdk::testing::{Answer, FakeHost, answer, get, post};
use serde_json::json;

const BASE: &str = "https://hubspot.test";
const CONTACTS: &str = "https://hubspot.test/crm/objects/2026-03/contacts";

/// 2026-11-21T10:00:00Z, by `date -u -d 2026-11-21T10:00:00Z +%s`.
const NOW_S: i64 = 1_795_255_200;
const NOW: i64 = NOW_S * 1_000_000;

fn host() -> FakeHost {
    FakeHost::new().at(NOW).with_config("base_url", BASE)
}

/// An answer whose body stands in `fixtures/`.
fn fixture(status: u16, name: &str) -> Answer {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    answer(status).body(std::fs::read(&path).expect(&path))
}

fn selection(mode: PullMode, page_size: u32) -> Selection {
    Selection {
        mode,
        fields: vec!["email".into(), "firstname".into()],
        page_size,
        window: None,
    }
}

fn op(intent: &str, action: Action, fields: Value) -> Op {
    Op {
        intent: intent.into(),
        action,
        base_version: None,
        fields: fields.to_string(),
    }
}

#[test]
fn check_names_the_account_and_the_streams_that_lack_a_scope() {
    let host = host();
    host.expect(
        get(format!("{BASE}/account-info/2026-03/details")),
        answer(200).json(&json!({
            "portalId": 62515, "accountType": "STANDARD", "timeZone": "Europe/Lisbon",
            "companyCurrency": "EUR", "additionalCurrencies": [], "utcOffset": "+00:00",
            "utcOffsetMilliseconds": 0, "uiDomain": "app.hubspot.com", "dataHostingLocation": "eu1",
        })),
    );
    host.expect(
        get(format!("{CONTACTS}?limit=1")),
        answer(200).json(&json!({"results": []})),
    );
    host.expect(
        get(format!("{BASE}/crm/objects/2026-03/companies?limit=1")),
        answer(403).json(&json!({
            "status": "error",
            "message": "This app hasn't been granted all required scopes to make this call.",
            "category": "MISSING_SCOPES",
            "errors": [{
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": ["crm.objects.companies.read"]},
            }],
        })),
    );
    let description = HubSpot::check(&host).unwrap();
    assert_eq!(description.account_id, "62515");
    let [(stream, reason)] = &description.unavailable[..] else {
        panic!("{:?}", description.unavailable);
    };
    assert_eq!(stream, "companies");
    assert!(reason.contains("crm.objects.companies.read"), "{reason}");
}

#[test]
fn discover_lists_the_accounts_own_properties_and_what_cannot_be_written() {
    let host = host();
    let properties = format!("{BASE}/crm/properties/2026-03");
    host.expect(
        get(format!("{properties}/contacts?archived=false")),
        fixture(200, "properties"),
    );
    host.expect(
        get(format!("{properties}/companies?archived=false")),
        answer(200).json(&json!({"results": []})),
    );
    let streams = HubSpot::discover(&host).unwrap();
    let row = |name: &str| {
        let field = streams[0].fields.iter().find(|f| f.name == name).unwrap();
        (
            field.kind,
            field.read_only,
            field.unique,
            field.values.join(","),
        )
    };
    assert_eq!(row("email"), (FieldType::Text, false, true, String::new()));
    assert_eq!(
        row("lifecyclestage"),
        (FieldType::Enum, false, false, "lead,customer".into())
    );
    assert_eq!(
        row("hs_email_optout"),
        (FieldType::Boolean, true, false, String::new())
    );
    assert_eq!(
        row("membership_number"),
        (FieldType::Text, false, true, String::new())
    );
    assert_eq!(streams[1].name, "companies");
}

#[test]
fn an_unknown_stream_is_said_to_be_unknown() {
    let result = HubSpot::pull(&host(), "deals", &selection(PullMode::Full, 10), None);
    assert!(matches!(result, Err(Fault::NotFound(_))), "{result:?}");
}

#[test]
fn without_a_configured_address_the_vendors_own_is_used() {
    let host = FakeHost::new().at(NOW);
    host.expect(
        post("https://api.hubapi.com/crm/objects/2026-03/contacts/batch/archive")
            .json(&json!({"inputs": [{"id": "101"}]})),
        answer(204),
    );
    let outcomes = HubSpot::push(
        &host,
        "contacts",
        &[op("i", Action::Delete("101".into()), json!({}))],
    );
    assert_eq!(outcomes, Ok(vec![Outcome::applied("101", None)]));
}
