//! First contact: all bases absent.

use concord_core::state::{ConflictKind, Winner};

use super::*;

struct Met {
    entity: Entity,
    link: Link,
    out: Absorbed,
}

/// A record is met for the first time.
fn meet(world: &World, canonical: &str, remote: &str) -> Met {
    let value = |text: &str| match text {
        "" => Value::Null,
        text => json!(text),
    };
    let mut entity = person(json!({"job_title": value(canonical)}));
    let mut link = world.link(nothing(), nothing());
    link.read_at = Timestamp::ZERO;
    let out = world.absorb(&mut link, &mut entity, json!({"title": value(remote)}));
    Met { entity, link, out }
}

fn unapproved() -> World {
    let mut world = world();
    world.approved = false;
    world
}

#[test]
fn what_only_one_side_has_is_taken_over() {
    for world in [world(), unapproved()] {
        let met = meet(&world, "", "r");
        assert_eq!(met.entity.value("job_title"), "r");
        assert_eq!(met.link.sent["job_title"], "r");
        assert!(met.out.conflicts.is_empty() && met.link.first_contact.is_empty());

        let met = meet(&world, "c", "");
        assert_eq!(met.entity.value("job_title"), "c");
        assert_eq!(met.link.sent["job_title"], json!(null));
        assert!(met.out.debt && met.out.conflicts.is_empty());

        let met = meet(&world, "", "");
        assert_eq!(met.link.sent["job_title"], json!(null));
        assert!(!met.out.debt);
    }
}

#[test]
fn equal_values_agree_and_the_canonical_writing_stays() {
    let met = meet(&unapproved(), "x y", " x  y");
    assert_eq!(met.entity.value("job_title"), "x y");
    assert_eq!(met.link.sent["job_title"], "x y");
    assert!(!met.out.debt && met.link.first_contact.is_empty());
}

#[test]
fn a_difference_waits_for_the_first_plan() {
    let world = unapproved();
    let mut met = meet(&world, "c", "r");
    assert_eq!(met.entity.value("job_title"), "c");
    assert_eq!(names(&met.link.first_contact), ["job_title"]);
    assert!(met.out.conflicts.is_empty() && met.out.holds.is_empty());
    // It still waits when it is seen again, and is named once.
    world.absorb(&mut met.link, &mut met.entity, json!({"title": "r2"}));
    assert_eq!(names(&met.link.first_contact), ["job_title"]);
    assert_eq!(met.link.sent["job_title"], "r2");
    // Until somebody brings both to the same.
    world.absorb(&mut met.link, &mut met.entity, json!({"title": "c"}));
    assert!(met.link.first_contact.is_empty());
    assert_eq!(met.link.sent["job_title"], "c");
}

#[test]
fn once_approved_a_difference_is_decided_and_recorded() {
    let check = |world: World, expect: &str, winner: Winner| {
        let met = meet(&world, "c", "r");
        assert_eq!(met.entity.value("job_title"), expect);
        assert_eq!(met.link.sent["job_title"], "r");
        let conflict = &met.out.conflicts[0];
        assert_eq!(
            (conflict.kind, conflict.winner),
            (ConflictKind::FirstContact, winner)
        );
        assert_eq!(conflict.base, json!(null));
        assert_eq!(met.out.holds.len(), usize::from(winner == Winner::Held));
    };
    let owner = |name: &str| MergeRule::Owner(vec![name.into()]);
    check(world(), "c", Winner::Canonical);
    check(world().rule("job_title", owner("a")), "r", Winner::Remote);
    check(
        world().rule("job_title", owner("b")),
        "c",
        Winner::Canonical,
    );
    // Nobody here is an owner: no reason to change what stands.
    check(
        world().rule("job_title", owner("z")),
        "c",
        Winner::Canonical,
    );
    check(
        world().rule("job_title", MergeRule::Hold),
        "c",
        Winner::Held,
    );
}

#[test]
fn nobody_knows_when_a_value_at_first_contact_was_put_there() {
    let mut seen = record(json!({"title": "r"}));
    seen.modified_at = Some(secs(950));
    let world = world();
    let mut entity = person(nothing());
    let mut link = world.link(nothing(), nothing());
    world.absorb_record(&mut link, &mut entity, &seen, &[]);
    let cell = &entity.cells["job_title"];
    assert_eq!((cell.after, cell.until), (Timestamp::ZERO, secs(950)));
}

#[test]
fn a_field_that_was_never_read_meets_for_the_first_time_whatever_was_sent() {
    // A record that we created, whose title we have not seen: what stands there
    // now is not a change of anything.
    let mut entity = person(json!({"job_title": "c"}));
    let mut link = world().link(nothing(), json!({"job_title": null}));
    let out = world().absorb(&mut link, &mut entity, json!({"title": "r"}));
    assert_eq!(out.conflicts[0].kind, ConflictKind::FirstContact);
    assert_eq!(entity.value("job_title"), "c");
}
