//! Many records in one call.

use super::*;

fn batch(desk: &mut Desk, verb: &str, inputs: Value) -> (u16, Value) {
    desk.post(
        &format!("{CONTACTS}/batch/{verb}"),
        json!({"inputs": inputs}),
    )
}

#[test]
fn a_batch_is_created_whole() {
    let mut desk = Desk::new();
    let inputs = json!([
        {"properties": {"email": "a@b.test"}},
        {"properties": {"email": "c@d.test"}},
    ]);
    let (status, answer) = batch(&mut desk, "create", inputs);
    assert_eq!((status, &answer["status"]), (201, &json!("COMPLETE")));
    assert_eq!(ids(&answer).len(), 2);
    assert_eq!(answer["results"][1]["properties"]["email"], "c@d.test");
    assert!(answer.get("numErrors").is_none());
}

#[test]
fn one_bad_row_refuses_all() {
    // airbytehq/airbyte#76340, HubSpot/hubspot-api-python#51.
    let mut desk = Desk::new();
    let taken = desk.contact(json!({"email": "taken@b.test"}));
    for (bad, expect) in [
        (json!({"email": "taken@b.test"}), 409),
        (json!({"email": "good@b.test"}), 409),
        (json!({"email": "nonsense"}), 400),
    ] {
        let inputs = json!([{"properties": {"email": "good@b.test"}}, {"properties": bad}]);
        assert_eq!(batch(&mut desk, "create", inputs).0, expect);
    }
    assert_eq!(ids(&desk.get(CONTACTS).1), [taken.as_str()]);

    let other = desk.contact(json!({"email": "other@b.test"}));
    let inputs = json!([
        {"id": taken, "properties": {"city": "Leeds"}},
        {"id": other, "properties": {"lifecyclestage": "dreaming"}},
    ]);
    assert_eq!(batch(&mut desk, "update", inputs).0, 400);
    assert_eq!(desk.property(&taken, "city"), Value::Null);
}

#[test]
fn rows_with_trace_ids_fail_alone() {
    // Error handling, "Multi-status errors".
    let mut desk = Desk::new();
    let inputs = json!([
        {"properties": {"email": "a@b.test"}, "objectWriteTraceId": "one"},
        {"properties": {"email": "nonsense"}, "objectWriteTraceId": "two"},
    ]);
    let (status, answer) = batch(&mut desk, "create", inputs);
    assert_eq!((status, &answer["numErrors"]), (207, &json!(1)));
    assert_eq!(answer["results"][0]["objectWriteTraceId"], "one");
    let error = &answer["errors"][0];
    assert_eq!(error["context"]["objectWriteTraceId"], json!(["two"]));
    assert_eq!(error["category"], "VALIDATION_ERROR");
}

#[test]
fn missing_ids_make_a_read_a_multi_status_answer() {
    // HubSpot/hubspot-api-php#619.
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test"}));
    let (status, answer) = batch(&mut desk, "read", json!([{"id": id}]));
    assert_eq!((status, ids(&answer)), (200, vec![id.clone()]));
    let (status, answer) = batch(&mut desk, "read", json!([{"id": id}, {"id": "77"}]));
    assert_eq!((status, ids(&answer)), (207, vec![id.clone()]));
    assert_eq!(answer["errors"][0]["context"]["ids"], json!(["77"]));
    let inputs = json!([
        {"id": id, "properties": {"city": "Bath"}},
        {"id": "77", "properties": {"city": "Bath"}},
    ]);
    let (status, answer) = batch(&mut desk, "update", inputs);
    assert_eq!((status, ids(&answer)), (207, vec![id.clone()]));
    assert_eq!(desk.property(&id, "city"), "Bath");
}

#[test]
fn a_batch_read_looks_up_by_address() {
    // HubSpot/hubspot-api-python#50.
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test", "city": "Leeds"}));
    let body = json!({"idProperty": "email", "properties": ["city"],
        "propertiesWithHistory": [], "inputs": [{"id": "A@b.test"}]});
    let (status, answer) = desk.post(&format!("{CONTACTS}/batch/read"), body);
    assert_eq!((status, ids(&answer)), (200, vec![id]));
    assert_eq!(answer["results"][0]["properties"]["city"], "Leeds");
}

#[test]
fn an_upsert_tells_what_is_new() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test"}));
    let row =
        |email: &str| json!({"idProperty": "email", "id": email, "properties": {"city": "Bath"}});
    let (status, answer) = batch(
        &mut desk,
        "upsert",
        json!([row("A@b.test"), row("new@b.test")]),
    );
    assert_eq!(status, 200);
    let results = &answer["results"];
    assert_eq!(
        (&results[0]["id"], &results[0]["new"]),
        (&json!(id), &json!(false))
    );
    assert_eq!(results[1]["new"], true);
    let made = results[1]["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.property(&made, "email"), "new@b.test");
}

#[test]
fn ids_stand_once_in_a_batch() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test"}));
    let row = json!({"id": id, "properties": {"city": "Bath"}});
    let (status, refusal) = batch(&mut desk, "update", json!([row, row]));
    assert_eq!(status, 400);
    assert_eq!(
        refusal["message"],
        format!("Duplicate IDs found in batch input: [{id}]. IDs must be unique")
    );
}

#[test]
fn updates_do_not_go_by_address() {
    // HubSpot/hubspot-api-nodejs#548, segmentio/action-destinations#3957.
    let mut desk = Desk::new();
    desk.contact(json!({"email": "a@b.test"}));
    for name in ["email", "hs_object_id"] {
        let row = json!({"id": "a@b.test", "idProperty": name, "properties": {}});
        let (status, refusal) = batch(&mut desk, "update", json!([row]));
        assert_eq!(status, 400);
        let message = refusal["message"].as_str().unwrap();
        assert!(message.starts_with("Unable to perform update/upsert by non-unique 0-1 property"));
    }
}

#[test]
fn a_batch_has_a_hundred_rows() {
    let mut desk = Desk::new();
    let rows = |count: usize| -> Value {
        (0..count)
            .map(|n| json!({"properties": {"email": format!("p{n}@b.test")}}))
            .collect()
    };
    assert_eq!(batch(&mut desk, "create", rows(101)).0, 400);
    assert_eq!(batch(&mut desk, "create", rows(100)).0, 201);
}

#[test]
fn a_batch_is_archived_and_unknown_ids_passed_over() {
    let mut desk = Desk::new();
    let id = desk.contact(json!({"email": "a@b.test"}));
    let (status, _) = batch(&mut desk, "archive", json!([{"id": id}, {"id": "77"}]));
    assert_eq!(status, 204);
    assert_eq!(desk.get(&format!("{CONTACTS}/{id}")).0, 404);
}
