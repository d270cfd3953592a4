//! The connector against scripted answers in Mailchimp's documented shapes.

mod faults;
mod pull;
mod push;
mod read;
mod webhooks;

use concord_connector_mailchimp::Mailchimp;
use concord_sdk::prelude::*;
use concord_sdk::testing::{Answer, Expected, FakeHost, answer, get, post, request};
use serde_json::json;

const MEMBERS: &str = "https://us21.test/3.0/lists/c0ffee1234/members";

/// 2026-11-21T10:00:00Z, by `date -u -d 2026-11-21T10:00:00Z +%s`.
const NOW_S: i64 = 1_795_255_200;
const NOW: i64 = NOW_S * 1_000_000;

/// By `printf ines.almeida@example.pt | md5sum`, and so on.
const INES: &str = "d660c9d2c1ea4e4ded30a08d2c21de05";
const NEW: &str = "b681d72feaf8bf6a93d9a8ab86679ec3";
const OLD: &str = "bf25d950bde50b8e13f413bb4eb0b1dd";

const FIELDS: [&str; 10] = [
    "id",
    "email_address",
    "status",
    "merge_fields",
    "language",
    "vip",
    "tags",
    "timestamp_signup",
    "timestamp_opt",
    "last_changed",
];

fn host() -> FakeHost {
    FakeHost::new()
        .at(NOW)
        .with_config("base_url", "https://us21.test/")
        .with_config("list_id", "c0ffee1234")
}

/// A body out of `fixtures/`.
fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    serde_json::from_str(&text).expect(&path)
}

/// A member as a single read or a write answers it.
fn member(id: &str, address: &str, status: &str, tags: &[&str]) -> Value {
    let tags: Vec<Value> = tags
        .iter()
        .map(|name| json!({"id": 1, "name": name}))
        .collect();
    json!({
        "id": id, "email_address": address, "status": status,
        "merge_fields": {"FNAME": "Someone", "ADDRESS": ""}, "language": "", "vip": false,
        "tags": tags, "timestamp_signup": "", "timestamp_opt": "2026-03-01T08:00:00+00:00",
        "last_changed": "2026-11-20T07:30:00+00:00",
    })
}

/// The read of one member.
fn look(id: &str) -> Expected {
    get(format!("{MEMBERS}/{id}?fields={}", FIELDS.join("%2C")))
}

fn missing() -> Answer {
    answer(404).json(&json!({
        "type": "https://mailchimp.com/developer/marketing/docs/errors/",
        "title": "Resource Not Found", "status": 404,
        "detail": "The requested resource could not be found.", "instance": "9d74",
    }))
}

fn refused(status: u16, title: &str, detail: &str) -> Answer {
    answer(status).json(&json!({
        "type": "https://mailchimp.com/developer/marketing/docs/errors/",
        "title": title, "status": status, "detail": detail, "instance": "10ce",
    }))
}

fn op(action: Action, fields: Value) -> Op {
    Op {
        intent: "intent".into(),
        action,
        base_version: None,
        fields: fields.to_string(),
    }
}

#[test]
fn check_reads_the_audience() {
    let host = host();
    let ping = || get("https://us21.test/3.0/ping");
    let audience = || get("https://us21.test/3.0/lists/c0ffee1234?fields=id%2Cname");
    host.expect(
        ping(),
        answer(200).json(&json!({"health_status": "Everything's Chimpy!"})),
    );
    host.expect(
        audience(),
        answer(200).json(&json!({"id": "c0ffee1234", "name": "Newsletter"})),
    );
    let description = Mailchimp::check(&host).unwrap();
    assert_eq!(description.account_id, "c0ffee1234");
    assert!(description.account_name.contains("Newsletter"));

    host.expect(
        ping(),
        answer(200).json(&json!({"health_status": "Everything's Chimpy!"})),
    );
    host.expect(audience(), missing());
    let Err(Fault::Forbidden(message)) = Mailchimp::check(&host) else {
        panic!("an audience that is not there was found");
    };
    assert!(message.contains("list_id"), "{message}");
}

#[test]
fn a_connection_without_its_audience_says_what_to_set() {
    let host = FakeHost::new().with_config("base_url", "https://us21.test");
    let Err(Fault::Forbidden(message)) = Mailchimp::check(&host) else {
        panic!("checked without an audience");
    };
    assert!(message.contains("'list_id'"), "{message}");
}

#[test]
fn discover_lists_the_audiences_merge_fields_beside_the_fixed_ones() {
    let host = host();
    let fields = ["tag", "name", "type", "required", "options"]
        .map(|field| format!("merge_fields.{field}"))
        .join("%2C");
    let url = "https://us21.test/3.0/lists/c0ffee1234/merge-fields";
    host.expect(
        get(format!("{url}?count=1000&fields={fields}")),
        answer(200).json(&fixture("merge_fields")),
    );
    let streams = Mailchimp::discover(&host).unwrap();
    let row = |name: &str| {
        let field = streams[0].fields.iter().find(|f| f.name == name).unwrap();
        (field.kind, field.read_only, field.required)
    };
    assert_eq!(row("email_address"), (FieldType::Text, false, true));
    assert_eq!(row("last_changed"), (FieldType::Timestamp, true, false));
    assert_eq!(row("ADDRESS"), (FieldType::Object, false, false));
    assert_eq!(row("SIZE"), (FieldType::Enum, false, true));
    assert!(streams[1].fields.iter().all(|field| field.read_only));
}

#[test]
fn audiences_are_read_whole_and_never_written() {
    let host = host();
    let fields = [
        "id",
        "name",
        "permission_reminder",
        "campaign_defaults",
        "date_created",
        "visibility",
    ]
    .map(|field| format!("lists.{field}"))
    .join("%2C");
    host.expect(
        get(format!(
            "https://us21.test/3.0/lists?count=1000&offset=0&sort_field=date_created&sort_dir=ASC\
             &fields={fields}%2Ctotal_items"
        )),
        answer(200).json(&fixture("lists")),
    );
    let page = Mailchimp::pull(
        &host,
        "lists",
        &pull::selection(PullMode::Changes, 10),
        None,
    );
    let page = page.unwrap();
    assert!(page.complete && !page.more && page.next.is_none());
    let Change::Upsert(record) = &page.changes[0] else {
        panic!("{page:?}");
    };
    let fields: Value = serde_json::from_str(&record.fields).unwrap();
    assert_eq!(fields["campaign_defaults"]["language"], "pt");

    let pushed = Mailchimp::push(&host, "lists", &[op(Action::Create, json!({"name": "x"}))]);
    assert!(matches!(pushed, Err(Fault::Forbidden(_))), "{pushed:?}");
}
