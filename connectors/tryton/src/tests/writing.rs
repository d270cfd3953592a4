//! Creates, updates and deletes.

use concord_sdk::prelude::*;
use concord_sdk::testing::post;
use serde_json::json;

use super::{NOW, URL, ann, call, expect, expect_error, host};
use crate::Tryton;

fn op(action: Action, base: Option<String>, fields: Value) -> Op {
    Op {
        intent: "5".into(),
        action,
        base_version: base,
        fields: fields.to_string(),
    }
}

fn version() -> String {
    let host = host();
    expect(&host, ann());
    match Tryton::fetch(&host, "parties", &["2".to_owned()], &[])
        .unwrap()
        .remove(0)
    {
        Change::Upsert(record) => record.version.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn update(fields: Value) -> Op {
    op(Action::Update("2".into()), Some(version()), fields)
}

fn renamed(name: &str) -> Value {
    let mut rows = ann();
    rows[0]["name"] = json!(name);
    rows[0]["write_date"]["second"] = json!(31);
    rows
}

#[test]
fn an_update_carries_the_stamps_of_the_rows_that_it_touches() {
    let cases = [
        (
            json!({"name": "Anne Lee"}),
            json!({"name": "Anne Lee"}),
            json!({"party.party,2": "1795300756"}),
        ),
        (
            json!({"contact_mechanisms": [{"id": 1, "type": "email", "value": "new@example.com"}, {"type": "mobile", "value": "+491701"}]}),
            json!({"contact_mechanisms": [
                ["write", [1], {"type": "email", "value": "new@example.com"}],
                ["delete", [2]],
                ["create", [{"type": "mobile", "value": "+491701"}]]]}),
            json!({"party.party,2": "1795300756", "party.contact_mechanism,1": "1795300713", "party.contact_mechanism,2": "1795300713"}),
        ),
        (
            json!({"address": {"city": null, "street": null, "country": null}}),
            json!({"addresses": [["write", [2], {"active": false}]]}),
            json!({"party.party,2": "1795300756", "party.address,2": "1795300713"}),
        ),
    ];
    for (fields, values, timestamps) in cases {
        let host = host();
        expect(&host, ann());
        expect(&host, Value::Null);
        expect(&host, ann());
        Tryton::push(&host, "parties", &[update(fields)]).unwrap();
        let (method, params) = call(&host, 1);
        assert_eq!(method, "model.party.party.write");
        assert_eq!(
            params,
            json!([[2], values, {"company": 1, "_timestamp": timestamps}])
        );
        assert!(host.sent()[1].repeatable && !host.sent()[2].repeatable);
    }
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let host = host();
    expect(&host, ann());
    let outcomes = Tryton::push(&host, "parties", &[update(json!({"name": "Ann Lee"}))]).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Applied(a) if a.version == Some(version())));
}

#[test]
fn codes_are_looked_up_once_and_unknown_ones_name_their_field() {
    let host = host();
    expect(&host, json!([{"id": 3}]));
    expect(&host, json!([]));
    expect(&host, json!([7, 8]));
    expect(&host, json!([]));
    let create = |fields| op(Action::Create, None, fields);
    let outcomes = Tryton::push(
        &host,
        "parties",
        &[
            create(json!({"name": "A", "address": {"city": "Bern", "country": "CH"}})),
            create(json!({"name": "B", "language": "tlh"})),
            create(json!({"name": "C", "address": {"city": "Chur", "country": "CH"}})),
        ],
    )
    .unwrap();
    let Outcome::Failed(Fault::Invalid(faults)) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(faults[0].field, "language");
    let (method, params) = call(&host, 2);
    assert_eq!(method, "model.party.party.create");
    let address = |city: &str| json!([["create", [{"street": null, "city": city, "postal_code": null, "country": 3, "subdivision": null}]]]);
    assert_eq!(
        params[0],
        json!([{"name": "A", "addresses": address("Bern")}, {"name": "C", "addresses": address("Chur")}])
    );
    let ids: Vec<_> = [&outcomes[0], &outcomes[2]]
        .map(|o| match o {
            Outcome::Applied(applied) => (applied.id.clone(), applied.version.clone()),
            other => panic!("{other:?}"),
        })
        .to_vec();
    // They could not be read back, so no version is claimed.
    assert_eq!(ids, [("7".to_owned(), None), ("8".to_owned(), None)]);
}

#[test]
fn a_version_is_claimed_only_for_a_party_that_is_what_was_written() {
    for (after, claimed) in [("Anne Lee", true), ("Somebody Else", false)] {
        let host = host();
        expect(&host, ann());
        expect(&host, Value::Null);
        expect(&host, renamed(after));
        let outcomes =
            Tryton::push(&host, "parties", &[update(json!({"name": " Anne Lee "}))]).unwrap();
        let Outcome::Applied(applied) = &outcomes[0] else {
            panic!("{outcomes:?}")
        };
        assert_eq!(
            (applied.version.is_some(), applied.stored.is_some()),
            (claimed, claimed),
            "{after}"
        );
    }
    // The name is right, and somebody changed the e-mail at the same moment.
    let host = host();
    let mut both = renamed("Anne Lee");
    both[0]["contact_mechanisms."][0]["value"] = json!("eve@example.com");
    expect(&host, ann());
    expect(&host, Value::Null);
    expect(&host, both);
    let outcomes = Tryton::push(&host, "parties", &[update(json!({"name": "Anne Lee"}))]).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Applied(a) if a.version.is_none()));
}

#[test]
fn a_party_that_moved_on_is_a_conflict_that_shows_it() {
    let early = host();
    expect(&early, renamed("Eve"));
    let late = host();
    expect(&late, ann());
    expect_error(
        &late,
        json!([
            "ConcurrencyException",
            "Records were modified in the meanwhile"
        ]),
    );
    expect(&late, renamed("Eve"));
    for host in [early, late] {
        let outcomes = Tryton::push(&host, "parties", &[update(json!({"name": "Anne"}))]).unwrap();
        let Outcome::Failed(Fault::VersionConflict(Some(current))) = &outcomes[0] else {
            panic!("{outcomes:?}")
        };
        assert!(current.fields.contains("Eve"));
    }
}

#[test]
fn a_row_of_this_second_waits_where_stamps_are_whole_seconds() {
    let mut fresh = ann();
    fresh[0]["write_date"]["second"] = json!(29);
    let base = {
        let host = host();
        expect(&host, fresh.clone());
        match Tryton::fetch(&host, "parties", &["2".to_owned()], &[])
            .unwrap()
            .remove(0)
        {
            Change::Upsert(record) => record.version,
            other => panic!("{other:?}"),
        }
    };
    let op = || {
        op(
            Action::Update("2".into()),
            base.clone(),
            json!({"name": "Anne Lee"}),
        )
    };
    // The hub's own clock is a day behind; what counts is how long to wait.
    let coarse = host().at(NOW - 86_400_000_000);
    expect(&coarse, fresh.clone());
    let outcomes = Tryton::push(&coarse, "parties", &[op()]).unwrap();
    let Outcome::Failed(Fault::Transient(delay)) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(delay.until, Some(NOW - 86_400_000_000 + 1_000_000));
    // PostgreSQL tells microseconds: nothing to wait for.
    fresh[0]["_timestamp"] = json!("1795300769.552554");
    let fine = host();
    expect(&fine, fresh.clone());
    expect(&fine, Value::Null);
    expect(&fine, renamed("Anne Lee"));
    let outcomes = Tryton::push(&fine, "parties", &[op()]).unwrap();
    assert!(matches!(outcomes[0], Outcome::Applied(_)), "{outcomes:?}");
}

#[test]
fn a_refused_batch_is_sent_one_by_one() {
    let host = host();
    let refused = json!(["UserError", ["The value \"x\" is not valid.", "", null]]);
    expect_error(&host, refused.clone());
    expect(&host, json!([7]));
    expect_error(&host, refused);
    expect(&host, json!([]));
    let create = |name: &str| op(Action::Create, None, json!({"name": name}));
    let outcomes = Tryton::push(&host, "parties", &[create("good"), create("bad")]).unwrap();
    assert_eq!(outcomes[0], Outcome::applied("7", None));
    assert!(
        matches!(&outcomes[1], Outcome::Failed(Fault::Invalid(_))),
        "{outcomes:?}"
    );
}

#[test]
fn a_lost_answer_to_a_write_is_in_doubt_and_is_not_repeated() {
    let host = host();
    host.expect(post(URL), HttpError::NoAnswer("reset".into()));
    let create = |name: &str| op(Action::Create, None, json!({"name": name}));
    let outcomes = Tryton::push(&host, "parties", &[create("a"), create("b")]).unwrap();
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Outcome::Failed(Fault::UnknownOutcome(_)))),
        "{outcomes:?}"
    );
}

#[test]
fn a_delete_archives() {
    let host = host();
    expect(&host, ann());
    expect(&host, Value::Null);
    expect(&host, json!([]));
    let outcomes = Tryton::push(
        &host,
        "parties",
        &[op(Action::Delete("2".into()), Some(version()), json!({}))],
    )
    .unwrap();
    assert_eq!(outcomes, [Outcome::applied("2", None)]);
    assert_eq!(call(&host, 1).1[1], json!({"active": false}));
}
