//! What keeps a delete from being carried on (doubts.md V13).

use super::*;
use crate::delete::{DeleteMode, changed_since, unsettled};

#[test]
fn what_changed_since_the_record_was_deleted_keeps_the_entity_alive() {
    let world = world();
    let check = |canonical: Value, sent: Value, expect: &[&str]| {
        let entity = person(canonical.clone());
        let link = world.link(nothing(), sent.clone());
        let found = changed_since(&entity, &link, &world.scene());
        assert_eq!(names(&found), expect, "{canonical} {sent}");
    };
    check(json!({"job_title": "x"}), json!({"job_title": "x"}), &[]);
    check(json!({"job_title": "x"}), json!({"job_title": " x "}), &[]);
    check(
        json!({"job_title": "y"}),
        json!({"job_title": "x"}),
        &["job_title"],
    );
    check(json!({}), json!({"job_title": "x"}), &["job_title"]);
    // What it never said and nobody agreed on is no change of anything.
    check(json!({"job_title": "y"}), json!({}), &[]);
}

#[test]
fn a_debt_and_a_hold_keep_it_alive_and_an_unwritable_system_is_owed_nothing() {
    let mut world = world();
    let entity = person(json!({"job_title": "y", "department": "d"}));
    let link = world.link(
        json!({"title": "x", "dept": "d"}),
        json!({"job_title": "x", "department": "d"}),
    );
    let of = |world: &World, held: &[&str]| {
        let found = unsettled(&entity, &link, &holding(held), &world.scene());
        names(&found).join(" ")
    };
    assert_eq!(of(&world, &[]), "job_title");
    assert_eq!(of(&world, &["department"]), "department job_title");
    world.stream.update = false;
    assert_eq!(of(&world, &[]), "");
    assert_eq!(of(&world, &["department"]), "department");
}

#[test]
fn a_mode_reaches_the_systems_that_can() {
    let check = |delete: bool, soft: bool, expect: [bool; 3]| {
        let mut stream = world().stream;
        (stream.delete, stream.soft_delete) = (delete, soft);
        let modes = [
            DeleteMode::Unlink,
            DeleteMode::Archive,
            DeleteMode::Propagate,
        ];
        assert_eq!(
            modes.map(|mode| mode.reaches(&stream)),
            expect,
            "{delete} {soft}"
        );
    };
    check(false, false, [false, false, false]);
    check(false, true, [false, false, false]);
    check(true, false, [false, false, true]);
    check(true, true, [false, true, true]);
}
