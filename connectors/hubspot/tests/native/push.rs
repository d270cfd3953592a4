use super::*;

fn update(id: &str, fields: Value) -> Op {
    op(&format!("intent-{id}"), Action::Update(id.into()), fields)
}

fn create(intent: &str, fields: Value) -> Op {
    op(intent, Action::Create, fields)
}

#[test]
fn an_update_sends_only_what_changes_and_empties_with_empty_text() {
    let host = host();
    host.expect(
        post(format!("{CONTACTS}/batch/update")).json(&json!({"inputs": [
            {"id": "101", "properties": {"firstname": "Inez", "phone": "", "hs_vip": "true"}},
        ]})),
        answer(200).json(&json!({"status": "COMPLETE", "results": [{
            "id": "101",
            "properties": {"firstname": "Inez", "phone": null, "hs_vip": "true",
                           "lastmodifieddate": "2026-11-21T10:00:00.040Z"},
            "updatedAt": "2026-11-21T10:00:00.040Z", "archived": false,
        }]})),
    );
    let fields = json!({"firstname": "Inez", "phone": null, "hs_vip": true});
    let outcomes = HubSpot::push(&host, "contacts", &[update("101", fields)]).unwrap();
    let Outcome::Applied(applied) = &outcomes[0] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(applied.version.as_deref(), Some("1795255200040"));
    let stored = applied.stored.as_ref().unwrap();
    assert!(
        stored.partial,
        "the answer holds only some of the properties"
    );
    assert!(!host.sent()[0].repeatable);
}

#[test]
fn an_answer_that_leaves_a_written_property_out_is_not_passed_on_as_stored() {
    let host = host();
    host.expect(
        post(format!("{CONTACTS}/batch/update")),
        answer(200).json(&json!({"results": [
            {"id": "101", "properties": {"hs_object_id": "101"}, "updatedAt": "2026-11-21T10:00:00Z"},
        ]})),
    );
    let outcomes = HubSpot::push(
        &host,
        "contacts",
        &[update("101", json!({"firstname": "I"}))],
    );
    let applied = Outcome::applied("101", Some("1795255200000".into()));
    assert_eq!(outcomes, Ok(vec![applied]));
}

#[test]
fn a_missing_record_fails_alone() {
    let host = host();
    host.expect(
        post(format!("{CONTACTS}/batch/update")),
        fixture(207, "update_207"),
    );
    let ops = [
        update("4711", json!({"firstname": "Nobody"})),
        update("not-a-number", json!({"firstname": "Nobody"})),
        update("101", json!({"firstname": "Inez"})),
    ];
    let outcomes = HubSpot::push(&host, "contacts", &ops).unwrap();
    assert!(
        matches!(outcomes[0], Outcome::Failed(Fault::NotFound(_))),
        "{outcomes:?}"
    );
    assert!(
        matches!(outcomes[1], Outcome::Failed(Fault::NotFound(_))),
        "{outcomes:?}"
    );
    assert!(matches!(&outcomes[2], Outcome::Applied(applied) if applied.id == "101"));
}

#[test]
fn creates_are_told_apart_by_their_trace() {
    let host = host();
    host.expect(
        post(format!("{CONTACTS}/batch/create")).json(&json!({"inputs": [
            {"properties": {"email": "ines.almeida@example.pt"}, "objectWriteTraceId": "intent-1"},
            {"properties": {"email": "new@example.com", "firstname": "New"},
             "objectWriteTraceId": "intent-2"},
        ]})),
        fixture(207, "create_207"),
    );
    let ops = [
        create(
            "intent-1",
            json!({"email": "ines.almeida@example.pt", "phone": null}),
        ),
        create(
            "intent-2",
            json!({"email": "new@example.com", "firstname": "New"}),
        ),
    ];
    let outcomes = HubSpot::push(&host, "contacts", &ops).unwrap();
    let Outcome::Failed(Fault::Invalid(faults)) = &outcomes[0] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(faults[0].field, "email");
    assert!(faults[0].message.contains("Existing ID: 101"));
    assert!(matches!(&outcomes[1], Outcome::Applied(applied) if applied.id == "2002"));
}

#[test]
fn without_a_trace_results_are_told_apart_by_what_they_hold() {
    let host = host();
    let result = |id: &str, email: &str| json!({"id": id, "properties": {"email": email}, "updatedAt": "2026-11-21T10:00:00Z"});
    host.expect(
        post(format!("{CONTACTS}/batch/create")),
        answer(201).json(&json!({"results": [
            result("8", "b@example.com"), result("7", "a@example.com"),
        ]})),
    );
    let ops = [
        create("i1", json!({"email": "A@example.com"})),
        create("i2", json!({"email": "b@example.com"})),
        create("i3", json!({"email": "c@example.com"})),
    ];
    let outcomes = HubSpot::push(&host, "contacts", &ops).unwrap();
    let ids: Vec<&str> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Applied(applied) => applied.id.as_str(),
            Outcome::Failed(Fault::UnknownOutcome(_)) => "unknown",
            Outcome::Failed(other) => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["7", "8", "unknown"]);
}

#[test]
fn twins_in_one_batch_are_not_guessed() {
    let host = host();
    let company = |id: &str| json!({"id": id, "properties": {"name": "Norte"}});
    host.expect(
        post(format!("{BASE}/crm/objects/2026-03/companies/batch/create")),
        answer(201).json(&json!({"results": [company("1"), company("2")]})),
    );
    let ops = [
        create("i1", json!({"name": "Norte"})),
        create("i2", json!({"name": "Norte"})),
    ];
    let outcomes = HubSpot::push(&host, "companies", &ops).unwrap();
    for outcome in outcomes {
        assert!(
            matches!(outcome, Outcome::Failed(Fault::UnknownOutcome(_))),
            "{outcome:?}"
        );
    }
}

fn refusal() -> Answer {
    answer(400).json(&json!({
        "status": "error",
        "message": "Property values were not valid: [{\"isValid\":false,\"message\":\"Email address \
                    nobody@ is invalid\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]",
        "correlationId": "0e0a",
        "category": "VALIDATION_ERROR",
    }))
}

#[test]
fn a_refused_batch_is_the_batchs_fault_and_a_refused_op_the_ops() {
    let bad = || update("102", json!({"email": "nobody@"}));
    let host = host();
    host.expect(post(format!("{CONTACTS}/batch/update")), refusal());
    let whole = HubSpot::push(
        &host,
        "contacts",
        &[update("101", json!({"firstname": "I"})), bad()],
    );
    let expect = Fault::invalid("email", "Email address nobody@ is invalid");
    assert_eq!(whole, Err(expect.clone()));

    host.expect(post(format!("{CONTACTS}/batch/update")), refusal());
    let alone = HubSpot::push(&host, "contacts", &[bad()]);
    assert_eq!(alone, Ok(vec![Outcome::Failed(expect)]));
}

#[test]
fn a_batch_refused_after_another_was_written_asks_to_come_again_alone() {
    let host = host();
    host.expect(
        post(format!("{CONTACTS}/batch/create")),
        answer(201).json(&json!({"results": [
            {"id": "9", "properties": {"email": "a@example.com"}, "updatedAt": "2026-11-21T10:00:00Z"},
        ]})),
    );
    host.expect(post(format!("{CONTACTS}/batch/update")), refusal());
    let ops = [
        update("101", json!({"firstname": "I"})),
        create("i", json!({"email": "a@example.com"})),
        update("102", json!({"email": "nobody@"})),
    ];
    let outcomes = HubSpot::push(&host, "contacts", &ops).unwrap();
    assert!(
        matches!(outcomes[0], Outcome::Failed(Fault::Transient(_))),
        "{outcomes:?}"
    );
    assert!(matches!(&outcomes[1], Outcome::Applied(applied) if applied.id == "9"));
    assert!(
        matches!(outcomes[2], Outcome::Failed(Fault::Transient(_))),
        "{outcomes:?}"
    );
}

#[test]
fn what_no_property_can_hold_is_refused_before_it_is_sent() {
    let outcomes = HubSpot::push(
        &host(),
        "contacts",
        &[update("101", json!({"tags": ["a"]}))],
    );
    let Ok([Outcome::Failed(Fault::Invalid(faults))]) = outcomes.as_deref() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(faults[0].field, "tags");
}
