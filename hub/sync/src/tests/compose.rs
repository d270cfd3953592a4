//! How values become the remote fields that are sent.

use super::*;
use crate::emit::compose;

/// Values over what the system holds → the remote fields that are sent.
fn check(values: Value, raw: Value, expect: Value) {
    let world = world();
    let entity = person(values.clone());
    let composed = compose(&fields(values), &fields(raw), &entity, &world.scene());
    assert_eq!(Value::Object(composed.fields), expect);
    assert_eq!(composed.unfit, []);
}

#[test]
fn only_remote_fields_that_change_are_sent() {
    check(
        json!({"job_title": "new", "department": "d"}),
        json!({"title": "old", "dept": "d", "mail": "x@y.z"}),
        json!({"title": "new"}),
    );
    check(
        json!({"job_title": "x"}),
        json!({"title": " x "}),
        nothing(),
    );
    check(
        json!({"job_title": null}),
        json!({"title": "x"}),
        json!({"title": null}),
    );
    check(json!({"job_title": null}), json!({"title": ""}), nothing());
    check(json!({"stage": "lead"}), nothing(), json!({"stage": "L"}));
    check(
        json!({"employer": "organization/42"}),
        nothing(),
        json!({"company_id": "7"}),
    );
    // The number is the same, however it is written there.
    check(
        json!({"phone": "+12025550123"}),
        json!({"tel": "(202) 555-0123"}),
        nothing(),
    );
    check(
        json!({"address": {"street": "New 2", "city": "Bonn"}}),
        json!({"addr": {"street": "Old 1", "city": "Bonn", "land": null, "po": "9"}}),
        json!({"addr": {"street": "New 2", "city": "Bonn", "land": null, "po": "9"}}),
    );
    check(
        json!({"given_name": "Anna", "family_name": "Berg"}),
        json!({"name": "Ann Berg"}),
        json!({"name": "Anna Berg"}),
    );
    check(
        json!({"tags": ["a", "b"]}),
        json!({"tags": ["A"]}),
        json!({"tags": ["A", "b"]}),
    );
}

#[test]
fn what_is_sent_is_the_value_and_what_is_expected_is_its_declared_form() {
    let world = world();
    let values = fields(json!({"company": "Acme Ltd", "other_email": "Ann@X.com"}));
    let composed = compose(&values, &Fields::new(), &person(nothing()), &world.scene());
    let sent = json!({"firm": "Acme Ltd", "mail2": "Ann@X.com"});
    assert_eq!(Value::Object(composed.fields), sent);
    let stored = json!({"firm": "Acme ", "mail2": "ann@x.com"});
    assert_eq!(Value::Object(composed.predicted), stored);
}

#[test]
fn a_value_that_cannot_be_put_is_named_and_the_rest_goes_on() {
    let mut world = world();
    world.companies.linked = false;
    let values = json!({"employer": "organization/42", "stage": "subscriber", "job_title": "x"});
    let entity = person(values.clone());
    let composed = compose(&fields(values), &Fields::new(), &entity, &world.scene());
    assert_eq!(Value::Object(composed.fields), json!({"title": "x"}));
    let unfit: Vec<&str> = composed
        .unfit
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(unfit, ["employer", "stage"]);
}

#[test]
fn half_a_group_is_never_sent() {
    let world = world();
    let values = json!({"address": {"street": "New 2", "city": "Kiel", "country": "Atlantis"}});
    let raw = json!({"addr": {"street": "Old 1", "city": "Bonn", "land": "DE"}});
    let entity = person(values.clone());
    let composed = compose(
        &fields(values),
        &fields(raw.clone()),
        &entity,
        &world.scene(),
    );
    assert_eq!(composed.unfit.len(), 1);
    assert_eq!(Value::Object(composed.fields), nothing());
    assert_eq!(Value::Object(composed.predicted), raw);
}
