//! What differed at first contact is settled once, with the approved plan.

use concord_core::state::{ConflictKind, Winner};

use super::*;
use crate::approve::{FirstContact, settle};

/// `a` shows "r" where "c" is known: who wins, and what stands then?
fn check(world: &World, choice: FirstContact, winner: Winner, expect: &str) {
    let mut entity = person(json!({"job_title": "c"}));
    let mut link = waiting(world);
    let out = settle(&mut link, &mut entity, choice, &world.scene());
    assert_eq!(entity.value("job_title"), expect);
    assert!(link.first_contact.is_empty());
    let conflict = &out.conflicts[0];
    assert_eq!(
        (conflict.kind, conflict.winner),
        (ConflictKind::FirstContact, winner)
    );
    assert_eq!(
        (&conflict.canonical, &conflict.remote),
        (&json!("c"), &json!("r"))
    );
    assert_eq!(out.holds.len(), usize::from(winner == Winner::Held));
    assert_eq!(out.changes.len(), usize::from(winner == Winner::Remote));
    // `sent` is what the system has, so that emit sees what it is owed.
    assert_eq!(link.sent["job_title"], "r");
    assert!(out.debt);
}

fn waiting(world: &World) -> Link {
    let mut link = world.link(json!({"title": "r"}), json!({"job_title": "r"}));
    link.first_contact.push("job_title".into());
    link
}

#[test]
fn by_rule_or_as_it_was_chosen() {
    let owner = |name: &str| MergeRule::Owner(vec![name.into()]);
    check(&world(), FirstContact::Rules, Winner::Canonical, "c");
    check(&world(), FirstContact::Canonical, Winner::Canonical, "c");
    check(&world(), FirstContact::Remote, Winner::Remote, "r");
    let ours = world().rule("job_title", owner("b"));
    check(&ours, FirstContact::Rules, Winner::Canonical, "c");
    check(&ours, FirstContact::Remote, Winner::Remote, "r");
    let theirs = world().rule("job_title", owner("a"));
    check(&theirs, FirstContact::Rules, Winner::Remote, "r");
    let asked = world().rule("job_title", MergeRule::Hold);
    check(&asked, FirstContact::Rules, Winner::Held, "c");
}

#[test]
fn what_came_to_agree_meanwhile_is_no_conflict() {
    let world = world();
    let mut entity = person(json!({"job_title": " r"}));
    let mut link = waiting(&world);
    let out = settle(&mut link, &mut entity, FirstContact::Rules, &world.scene());
    assert!(out.conflicts.is_empty() && link.first_contact.is_empty());
}

#[test]
fn a_value_that_is_taken_over_may_be_of_any_time() {
    let world = world();
    let mut entity = person(json!({"job_title": "c"}));
    let mut link = waiting(&world);
    link.modified_at = Some(secs(400));
    settle(&mut link, &mut entity, FirstContact::Remote, &world.scene());
    let cell = &entity.cells["job_title"];
    assert_eq!((cell.after, cell.until), (Timestamp::ZERO, secs(400)));
    assert_eq!(cell.origin, Origin::Connection(A));
}
