use super::*;

fn fetch(host: &FakeHost, ids: &[&str]) -> Result<Vec<Change>, Fault> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    HubSpot::fetch(host, "contacts", &ids, &["email".into()])
}

fn find(host: &FakeHost, stream: &str, values: Value) -> Result<Vec<String>, Fault> {
    let Value::Object(values) = values else {
        panic!("values are an object");
    };
    let found = HubSpot::find(host, stream, &values, &["email".into()])?;
    Ok(found.into_iter().map(|record| record.id).collect())
}

#[test]
fn each_id_comes_back_as_what_is_known_of_it() {
    let host = host();
    host.expect(
        post(format!("{CONTACTS}/batch/read?archived=false")).json(&json!({
            "properties": ["email", "hs_merged_object_ids"],
            "inputs": [{"id": "102"}, {"id": "88"}, {"id": "60"}, {"id": "4711"}],
        })),
        fixture(207, "batch_read_207"),
    );
    host.expect(
        post(format!("{CONTACTS}/batch/read?archived=true")).json(&json!({
            "properties": [],
            "inputs": [{"id": "60"}, {"id": "4711"}],
        })),
        fixture(200, "archived"),
    );
    let changes = fetch(&host, &["102", "88", "60", "4711", "no-such-id"]).unwrap();
    let Change::Upsert(live) = &changes[0] else {
        panic!("{changes:?}");
    };
    assert_eq!(live.id, "102");
    let absence = |change: &Change| match change {
        Change::Gone(gone) => (gone.id.clone(), gone.absence.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        absence(&changes[1]),
        ("88".into(), Absence::MergedInto("102".into()))
    );
    assert_eq!(absence(&changes[2]), ("60".into(), Absence::Archived));
    assert_eq!(absence(&changes[3]), ("4711".into(), Absence::Hidden));
    // It is no number, so it was not asked for: HubSpot would refuse the batch.
    assert_eq!(absence(&changes[4]), ("no-such-id".into(), Absence::Hidden));
}

#[test]
fn a_404_that_speaks_of_records_finds_none_and_any_other_is_a_fault() {
    let host = host();
    let nothing = || {
        answer(404).json(&json!({
            "status": "error", "category": "OBJECT_NOT_FOUND", "message": "resource not found",
        }))
    };
    host.expect(
        post(format!("{CONTACTS}/batch/read?archived=false")),
        nothing(),
    );
    host.expect(
        post(format!("{CONTACTS}/batch/read?archived=true")),
        nothing(),
    );
    let changes = fetch(&host, &["1"]).unwrap();
    assert_eq!(changes, [Change::gone("1", Absence::Hidden, None)]);

    host.expect(
        post(format!("{CONTACTS}/batch/read?archived=false")),
        answer(404).body("<html>Not Found</html>"),
    );
    let lost = fetch(&host, &["1"]);
    assert!(matches!(lost, Err(Fault::NotFound(_))), "{lost:?}");
}

#[test]
fn an_address_is_looked_up_in_the_database_and_not_in_the_index() {
    let host = host();
    host.expect(
        post(format!("{CONTACTS}/batch/read?archived=false")).json(&json!({
            "properties": ["email", "hs_merged_object_ids"],
            "idProperty": "email",
            "inputs": [{"id": "Second.Address@example.ng"}],
        })),
        fixture(207, "batch_read_207"),
    );
    // The contact's first address is another one; it holds this one as well.
    let found = find(
        &host,
        "contacts",
        json!({"email": "Second.Address@example.ng"}),
    );
    assert_eq!(found, Ok(vec!["102".into()]));
}

#[test]
fn other_values_are_searched_and_then_compared_exactly() {
    let host = host();
    let company = |id: &str, name: &str, phone: Value| {
        json!({"id": id, "properties": {"name": name, "phone": phone},
               "updatedAt": "2026-11-01T00:00:00Z", "archived": false})
    };
    host.expect(
        post(format!("{BASE}/crm/objects/2026-03/companies/search")).json(&json!({
            "filterGroups": [{"filters": [
                {"propertyName": "name", "operator": "EQ", "value": "Norte Lda"},
                {"propertyName": "phone", "operator": "NOT_HAS_PROPERTY"},
            ]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": ["email", "hs_merged_object_ids", "name", "phone"],
            "limit": 50,
        })),
        answer(200).json(&json!({"total": 3, "results": [
            company("1", "norte lda", Value::Null),
            company("2", "Norte Lda", Value::Null),
            company("3", "Norte Lda", json!("+351 1")),
        ]})),
    );
    let found = find(
        &host,
        "companies",
        json!({"name": "Norte Lda", "phone": null}),
    );
    assert_eq!(found, Ok(vec!["2".into()]));
}
