//! Webhooks; the sources are those of the table in `webhooks/mod.rs`.

use std::time::Duration;

use super::*;
use crate::Unanswered;

const URL: &str = "http://127.0.0.1:9/hooks/hubspot";

/// An account whose app is told of everything.
fn told_desk(form: &str) -> Desk {
    let mut desk = Desk::new();
    let target = json!({"url": URL, "secret": "s3cret", "form": form});
    desk.control("webhooks/target", target);
    desk
}

impl Desk {
    fn due(&mut self) -> Vec<OutgoingRequest> {
        self.twin.due_deliveries(Timestamp::from_millis(self.ms))
    }

    fn settle(&mut self, id: u64, outcome: Outcome) {
        let now = Timestamp::from_millis(self.ms);
        assert_eq!(self.twin.delivered(id, now, outcome), None);
    }

    /// The events that leave now, all of them taken.
    fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let due = self.due();
            if due.is_empty() {
                return events;
            }
            for request in due {
                events.extend(batch(&request));
                self.settle(request.id, Ok(204));
            }
        }
    }

    /// These events in few words: type, record, property and source.
    fn words(&mut self) -> Vec<String> {
        let text = |event: &Value, name: &str| match &event[name] {
            Value::Null => String::new(),
            Value::String(text) => format!(" {text}"),
            other => format!(" {other}"),
        };
        let words = |event: Value| {
            let names = ["objectId", "propertyName", "propertyValue", "changeSource"];
            let rest: String = names.iter().map(|name| text(&event, name)).collect();
            event["subscriptionType"].as_str().unwrap().to_owned() + &rest
        };
        self.events().into_iter().map(words).collect()
    }
}

fn batch(request: &OutgoingRequest) -> Vec<Value> {
    serde_json::from_slice(&request.body).unwrap()
}

fn header<'a>(request: &'a OutgoingRequest, name: &str) -> &'a str {
    let found = request.headers.iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value.as_str()).unwrap()
}

#[test]
fn an_event_has_the_documented_fields() {
    let mut desk = told_desk("generic");
    let id: u64 = desk.contact(json!({"firstname": "Ann"})).parse().unwrap();
    let events = desk.events();
    let creation = json!({
        "eventId": 1, "subscriptionId": 900_001, "portalId": ACCOUNT_ID, "appId": 1_160_452,
        "occurredAt": NOW, "subscriptionType": "object.creation", "objectTypeId": "0-1",
        "attemptNumber": 0, "objectId": id, "changeSource": "INTEGRATION",
        "sourceId": "1160452", "changeFlag": "CREATED",
    });
    let change = json!({
        "eventId": 2, "subscriptionId": 900_002, "portalId": ACCOUNT_ID, "appId": 1_160_452,
        "occurredAt": NOW, "subscriptionType": "object.propertyChange", "objectTypeId": "0-1",
        "attemptNumber": 0, "objectId": id, "changeSource": "INTEGRATION",
        "sourceId": "1160452", "propertyName": "firstname", "propertyValue": "Ann",
    });
    assert_eq!(events, [creation, change]);
}

#[test]
fn every_way_to_change_a_record_is_told() {
    let mut desk = told_desk("legacy");
    let a = desk.contact(json!({"email": "a@b.test"}));
    assert_eq!(
        desk.words(),
        [
            format!("contact.creation {a} INTEGRATION"),
            format!("contact.propertyChange {a} email a@b.test INTEGRATION")
        ]
    );
    let changes = [
        // A client's update, and one that changes nothing.
        (
            "PATCH",
            format!("{CONTACTS}/{a}"),
            json!({"properties": {"city": "Bath"}}),
            vec![format!("contact.propertyChange {a} city Bath INTEGRATION")],
        ),
        (
            "PATCH",
            format!("{CONTACTS}/{a}"),
            json!({"properties": {"city": "Bath"}}),
            vec![],
        ),
        // A cleared value.
        (
            "PATCH",
            format!("{CONTACTS}/{a}"),
            json!({"properties": {"city": ""}}),
            vec![format!("contact.propertyChange {a} city  INTEGRATION")],
        ),
        // Batches.
        (
            "POST",
            format!("{CONTACTS}/batch/update"),
            json!({"inputs": [{"id": a, "properties": {"phone": "5"}}]}),
            vec![format!("contact.propertyChange {a} phone 5 INTEGRATION")],
        ),
        (
            "POST",
            format!("{CONTACTS}/batch/upsert"),
            json!({"inputs": [{"id": "a@b.test", "idProperty": "email", "properties": {"phone": "6"}}]}),
            vec![format!("contact.propertyChange {a} phone 6 INTEGRATION")],
        ),
        (
            "POST",
            format!("{COMPANIES}/batch/create"),
            json!({"inputs": [{"properties": {"name": "Acme"}}]}),
            vec![
                "company.creation 951 INTEGRATION".to_owned(),
                "company.propertyChange 951 name Acme INTEGRATION".to_owned(),
            ],
        ),
        // A person.
        (
            "POST",
            "/_twin/edit".to_owned(),
            json!({"id": a, "properties": {"city": "York"}}),
            vec![format!("contact.propertyChange {a} city York CRM_UI")],
        ),
        (
            "POST",
            "/_twin/create".to_owned(),
            json!({"type": "companies", "properties": {"name": "Bolt"}}),
            vec![
                "company.creation 952 CRM_UI".to_owned(),
                "company.propertyChange 952 name Bolt CRM_UI".to_owned(),
            ],
        ),
        // The archive and the way back.
        (
            "DELETE",
            format!("{CONTACTS}/{a}"),
            Value::Null,
            vec![format!("contact.deletion {a} INTEGRATION")],
        ),
        ("DELETE", format!("{CONTACTS}/{a}"), Value::Null, vec![]),
        (
            "POST",
            "/_twin/restore".to_owned(),
            json!({"id": a}),
            vec![format!("contact.restore {a} CRM_UI")],
        ),
        (
            "POST",
            format!("{CONTACTS}/batch/archive"),
            json!({"inputs": [{"id": a}]}),
            vec![format!("contact.deletion {a} INTEGRATION")],
        ),
        (
            "POST",
            "/_twin/delete".to_owned(),
            json!({"id": a, "permanent": true}),
            vec![format!("contact.privacyDeletion {a} CRM_UI")],
        ),
        (
            "POST",
            "/_twin/delete".to_owned(),
            json!({"type": "companies", "id": "952"}),
            vec!["company.deletion 952 CRM_UI".to_owned()],
        ),
        // Letting people in is nobody's change.
        (
            "POST",
            "/_twin/people".to_owned(),
            json!({"seed": 1, "count": 20}),
            vec![],
        ),
    ];
    for (method, path, body, expect) in changes {
        let (status, answer) = desk.call(method, &path, body);
        assert!(status < 300, "{method} {path}: {answer}");
        assert_eq!(desk.words(), expect, "{method} {path}");
    }
}

#[test]
fn a_person_deletes_a_contact_for_good_with_two_events() {
    let mut desk = told_desk("generic");
    let id = desk.contact(json!({"firstname": "Ann"}));
    desk.events();
    desk.control("delete", json!({"id": id, "permanent": true}));
    let mut words = desk.words();
    words.sort();
    assert_eq!(
        words,
        [
            format!("contact.privacyDeletion {id} CRM_UI"),
            format!("object.deletion {id} CRM_UI")
        ]
    );
}

#[test]
fn a_merge_names_all_three_records() {
    let mut desk = told_desk("generic");
    let first = desk.contact(json!({"email": "a@b.test", "city": "Leeds"}));
    let second = desk.contact(json!({"email": "c@d.test", "city": "Bath", "phone": "5"}));
    desk.events();
    let body = json!({"primaryObjectId": first, "objectIdToMerge": second});
    let (_, merged) = desk.post(&format!("{CONTACTS}/merge"), body);
    let events = desk.events();
    assert_eq!(events.len(), 1);
    for (name, expect) in [
        ("subscriptionType", json!("object.merge")),
        ("primaryObjectId", json!(first.parse::<u64>().unwrap())),
        ("mergedObjectIds", json!([second.parse::<u64>().unwrap()])),
        (
            "newObjectId",
            json!(merged["id"].as_str().unwrap().parse::<u64>().unwrap()),
        ),
        ("numberOfPropertiesMoved", json!(1)),
        ("changeSource", json!("INTEGRATION")),
    ] {
        assert_eq!(events[0][name], expect, "{name}");
    }
}

#[test]
fn people_of_a_deleted_company_change_with_it() {
    let mut desk = told_desk("legacy");
    let company = desk.company("Acme");
    let target = json!([{"to": {"id": company}, "types": [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]}]);
    let body = json!({"properties": {"firstname": "Ann"}, "associations": target});
    let (status, made) = desk.post(CONTACTS, body);
    assert_eq!(status, 201, "{made}");
    desk.events();
    desk.control("delete", json!({"type": "companies", "id": company}));
    assert_eq!(
        desk.words(),
        [
            format!("company.deletion {company} CRM_UI"),
            format!(
                "contact.propertyChange {} associatedcompanyid  CRM_UI",
                made["id"].as_str().unwrap()
            )
        ]
    );
}

#[test]
fn requests_hold_a_hundred_events_and_are_signed_when_they_leave() {
    let mut desk = told_desk("generic");
    let rows: Vec<Value> = (0..100)
        .map(|n| json!({"properties": {"firstname": format!("P{n}")}}))
        .collect();
    let (status, _) = desk.post(&format!("{CONTACTS}/batch/create"), json!({"inputs": rows}));
    assert_eq!(status, 201);
    desk.ms += 70;
    let due = desk.due();
    assert_eq!(
        due.iter().map(|r| batch(r).len()).collect::<Vec<_>>(),
        [100, 100]
    );
    let request = &due[0];
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", URL)
    );
    assert_eq!(request.timeout, Duration::from_secs(5));
    let moment = header(request, "x-hubspot-request-timestamp");
    assert_eq!(moment, (NOW + 70).to_string());
    let parts: [&[u8]; 4] = [b"POST", URL.as_bytes(), &request.body, moment.as_bytes()];
    let code = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        crate::digest::hmac_sha256("s3cret", &parts),
    );
    assert_eq!(header(request, "x-hubspot-signature-v3"), code);
    assert_eq!(header(request, "x-hubspot-signature-version"), "v1");
    // Forged ones are not.
    desk.control("webhooks", json!({"forge": 1}));
    desk.contact(json!({"firstname": "Ann"}));
    let forged = desk.due();
    let parts: [&[u8]; 4] = [b"POST", URL.as_bytes(), &forged[0].body, moment.as_bytes()];
    let code = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        crate::digest::hmac_sha256("s3cret", &parts),
    );
    assert_ne!(header(&forged[0], "x-hubspot-signature-v3"), code);
}

#[test]
fn a_refused_event_is_tried_ten_times_more_within_a_day() {
    let mut desk = told_desk("generic");
    let id = desk.contact(json!({"firstname": "Ann"}));
    desk.events();
    desk.control("edit", json!({"id": id, "properties": {"city": "Bath"}}));
    let mut attempts = Vec::new();
    let start = desk.ms;
    while let Some(due) = desk.twin.next_delivery() {
        desk.ms = desk.ms.max(due.millis() + 1);
        for request in desk.due() {
            let events = batch(&request);
            assert_eq!(events[0]["occurredAt"], start);
            attempts.push(events[0]["attemptNumber"].as_u64().unwrap());
            desk.settle(request.id, Err(Unanswered));
        }
    }
    assert_eq!(attempts, (0..=10).collect::<Vec<u64>>());
    let passed = Duration::from_millis((desk.ms - start).unsigned_abs());
    assert!((20..24).contains(&(passed.as_secs() / 3600)), "{passed:?}");
    let books = desk.control("webhooks", json!({}));
    assert_eq!((&books["lost"], &books["queued"]), (&json!(1), &json!(0)));
}

#[test]
fn without_an_app_nothing_is_queued() {
    let mut desk = Desk::new();
    desk.contact(json!({"firstname": "Ann"}));
    assert_eq!(desk.twin.next_delivery(), None);
    assert_eq!(desk.due(), []);
}

#[test]
fn a_record_whose_address_was_taken_meanwhile_stays_archived() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test"}));
    desk.control("delete", json!({"id": id}));
    desk.contact(json!({"email": "a@b.test"}));
    let (status, _) = desk.post("/_twin/restore", json!({"id": id}));
    assert_eq!(status, 409);
}
