//! What a person does, and what a test may ask for.

use super::*;

#[test]
fn a_person_edits_creates_and_deletes() {
    let mut desk = Desk::new();
    let made = desk.control("create", json!({"properties": {"firstname": "Ann"}}));
    let id = made["id"].as_str().unwrap().to_owned();
    // At the screen a stage may go back and an opt-out be set.
    let edit = |stage: &str| {
        json!({"id": id, "properties":
        {"lifecyclestage": stage, "hs_email_optout": "true"}})
    };
    desk.control("edit", edit("customer"));
    desk.control("edit", edit("lead"));
    assert_eq!(desk.property(&id, "lifecyclestage"), "lead");
    assert_eq!(desk.property(&id, "hs_email_optout"), "true");
    desk.control("delete", json!({"id": id}));
    assert_eq!(
        ids(&desk.get(&format!("{CONTACTS}?archived=true")).1),
        [id.as_str()]
    );
    desk.control("delete", json!({"id": id, "permanent": true}));
    assert_eq!(
        ids(&desk.get(&format!("{CONTACTS}?archived=true")).1).len(),
        0
    );
    assert_eq!(desk.post("/_twin/edit", edit("lead")).0, 404);
}

#[test]
fn writes_of_clients_are_counted_and_a_persons_are_not() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test"}));
    desk.control("edit", json!({"id": id, "properties": {"city": "Leeds"}}));
    desk.get(CONTACTS);
    desk.search(json!({}));
    desk.post(
        &format!("{CONTACTS}/batch/read"),
        json!({"inputs": [{"id": id}]}),
    );
    let inputs =
        json!([{"properties": {"email": "b@b.test"}}, {"properties": {"email": "c@b.test"}}]);
    desk.post(
        &format!("{CONTACTS}/batch/create"),
        json!({"inputs": inputs}),
    );
    desk.post(CONTACTS, json!({"properties": {"email": "nonsense"}}));
    let (_, writes) = desk.get("/_twin/writes");
    assert_eq!(writes, json!({"requests": 3, "records": 3}));
    desk.control("writes", json!({"reset": true}));
    assert_eq!(
        desk.get("/_twin/writes").1,
        json!({"requests": 0, "records": 0})
    );
}

#[test]
fn failures_come_before_and_after_the_deed() {
    let mut desk = Desk::new();
    let body = json!({"properties": {"email": "a@b.test"}});
    desk.control(
        "fail",
        json!({"count": 1, "status": 502, "body": {"oh": "no"}}),
    );
    assert_eq!(
        desk.post(CONTACTS, body.clone()),
        (502, json!({"oh": "no"}))
    );
    desk.control("fail", json!({"count": 1, "status": "drop"}));
    assert!(desk.send(Request::json("POST", CONTACTS, &body)).is_lost());
    // The refused create did nothing; the one without an answer did it all.
    assert_eq!(desk.post(CONTACTS, body).0, 409);
}

#[test]
fn the_data_set_can_be_let_in() {
    let mut desk = Desk::new();
    desk.control("people", json!({"seed": 3, "count": 400}));
    let (_, dump) = desk.get("/_twin/dump/contacts");
    let contacts = dump["results"].as_array().unwrap();
    assert_eq!(contacts.len(), 400);
    let mut addresses: Vec<&str> = contacts
        .iter()
        .filter_map(|c| c["properties"]["email"].as_str())
        .collect();
    assert!(addresses.len() > 300);
    addresses.sort_unstable();
    let before = addresses.len();
    addresses.dedup();
    assert_eq!(addresses.len(), before);
    let (_, companies) = desk.get("/_twin/dump/companies");
    assert!(companies["results"].as_array().unwrap().len() > 20);
    assert!(
        contacts
            .iter()
            .any(|c| c["properties"]["associatedcompanyid"].is_string())
    );
}

#[test]
fn two_runs_with_the_same_calls_give_the_same_bytes() {
    let run = || {
        let mut desk = Desk::new();
        desk.control("people", json!({"seed": 3, "count": 50}));
        desk.post(CONTACTS, json!({"properties": {"email": "nonsense"}}));
        let refused = desk.send(Request::json("POST", CONTACTS, &json!({})));
        let listed = desk.send(Request::plain("GET", &format!("{CONTACTS}?limit=50")));
        (refused, listed)
    };
    assert_eq!(run(), run());
}
