//! What may go when it has grown old, case by case.

use concord_core::state::{Decision, Event};

use super::*;
use crate::retention::{Keep, Retention, is_old, old_events};

/// An event of this number, time and name, that changed these fields.
fn event(id: i64, at: i64, what: &str, fields: &[&str]) -> Event {
    let change = |field: &&str| ((*field).into(), json!(null), json!(id));
    Event {
        id,
        entity: EntityId::new("person", 1),
        at: secs(at),
        run: concord_core::RunId(1),
        origin: Origin::Connection(A),
        what: what.into(),
        changes: fields.iter().map(change).collect(),
        link: None,
    }
}

fn changed(id: i64, at: i64, fields: &[&str]) -> Event {
    event(id, at, "changed", fields)
}

/// The numbers of those that go, where all before second 100 is old.
fn old(events: &[Event], merge: Option<i64>) -> Vec<i64> {
    let merge = merge.map(|id| events.iter().find(|event| event.id == id).unwrap());
    old_events(events, secs(100), merge)
}

#[test]
fn the_first_and_the_last_word_about_each_field_stay() {
    let none: Vec<i64> = Vec::new();
    assert_eq!(old(&[], None), none);
    let seen = changed(1, 1, &["phone", "email"]);
    let events = [
        seen,
        changed(2, 2, &["phone"]),
        changed(3, 3, &["phone", "job_title"]),
        changed(4, 4, &["phone"]),
    ];
    // The third is the last word about the title.
    assert_eq!(old(&events, None), [2]);
    assert_eq!(old(&events[..1], None), none);
    assert_eq!(old(&events[..2], None), none);
}

#[test]
fn what_is_young_stays_and_makes_the_old_go() {
    let events = [
        changed(1, 1, &["phone"]),
        changed(2, 99, &["phone"]),
        changed(3, 100, &["phone"]),
        changed(4, 200, &["phone"]),
    ];
    assert_eq!(old(&events, None), [2]);
    assert_eq!(old(&events[..3], None), [2]);
}

#[test]
fn what_brought_a_value_stays_behind_what_only_wrote_it_to_a_system() {
    for write in [
        "written there",
        "created there",
        "written there, found by reading",
    ] {
        let events = [
            changed(1, 1, &["email"]),
            changed(2, 2, &["phone"]),
            changed(3, 3, &["phone"]),
            event(4, 4, write, &["phone"]),
            event(5, 5, write, &["phone"]),
        ];
        assert_eq!(old(&events, None), [2, 4], "{write}");
    }
}

#[test]
fn what_changed_no_field_goes_unless_it_is_the_first() {
    let deleted = |id| event(id, id, "deleted at the system", &[]);
    assert_eq!(old(&[deleted(1), deleted(2), deleted(3)], None), [2, 3]);
}

#[test]
fn from_a_merge_that_stands_everything_stays() {
    let events = [
        changed(1, 1, &["phone"]),
        changed(2, 2, &["phone"]),
        event(3, 3, "merged with person/2", &["phone"]),
        changed(4, 4, &["phone"]),
        changed(5, 5, &["phone"]),
    ];
    assert_eq!(old(&events, Some(3)), [2]);
    assert_eq!(old(&events, None), [2, 3, 4]);
}

#[test]
fn numbers_in_another_order_than_time_keep_what_is_last_in_either() {
    // Two hubs: one has the numbers from 1 on, the other those from 500.
    let events = [
        changed(1, 2, &["email"]),
        changed(2, 40, &["phone"]),
        changed(3, 50, &["phone"]),
        changed(500, 1, &["email"]),
        changed(501, 30, &["phone"]),
        changed(502, 45, &["phone"]),
    ];
    assert_eq!(old(&events, None), [501, 2]);
    // What came after a merge by the clock, or by the number, is needed.
    let merge = event(502, 35, "merged with person/2", &[]);
    let mut merged = events.to_vec();
    merged[5] = merge;
    merged.push(changed(503, 20, &["phone"]));
    assert_eq!(old(&merged, Some(502)), [501]);
}

fn conflict(winner: Winner, at: i64, decided: Option<i64>) -> Conflict {
    Conflict {
        decision: decided.map(|at| Decision {
            by: "eve".into(),
            at: secs(at),
            value: json!("z"),
        }),
        ..conflict_at(secs(at), winner)
    }
}

#[test]
fn a_conflict_goes_when_it_has_been_settled_for_so_long() {
    use Winner::{Canonical, Held, Remote};
    let cases = [
        (Canonical, 99, None, true),
        (Remote, 99, None, true),
        (Remote, 100, None, false),
        (Held, 1, None, false),
        (Remote, 1, Some(99), true),
        (Remote, 1, Some(100), false),
        (Held, 1, Some(99), true),
    ];
    for (winner, at, decided, goes) in cases {
        let conflict = conflict(winner, at, decided);
        assert_eq!(is_old(&conflict, secs(100)), goes, "{conflict:?}");
    }
}

#[test]
fn how_long_is_a_number_of_days_or_forever() {
    let read = |text: &str| serde_saphyr::from_str::<Retention>(text);
    let all = read("{ events: 30, runs: forever, conflicts: 1 }").unwrap();
    assert_eq!(all.events, Keep::Days(30));
    assert_eq!(all.runs, Keep::Forever);
    assert_eq!(all.conflicts, Keep::Days(1));
    assert_eq!(read("{}").unwrap(), Retention::default());
    assert_eq!(
        json!(all),
        json!({"events": 30, "runs": "forever", "conflicts": 1})
    );
    let now = Timestamp(40 * 24 * 3_600 * 1_000_000);
    assert_eq!(
        all.events.before(now),
        Some(Timestamp(10 * 24 * 3_600 * 1_000_000))
    );
    assert_eq!(all.runs.before(now), None);
    for wrong in ["0", "-1", "1.5", "ever", "[1]", "'90'", "null", "true"] {
        let error = read(&format!("{{ runs: {wrong} }}"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("a number of days from 1, or forever"),
            "{wrong}: {error}"
        );
    }
    let error = read("{ run: 90 }").unwrap_err().to_string();
    assert!(error.contains("runs"), "{error}");
}
