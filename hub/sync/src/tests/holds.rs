//! What happens to a field while a person is asked about it, and when systems
//! fight over one (doubts.md V9, V12).

use std::time::Duration;

use concord_core::state::Winner;

use super::*;

#[test]
fn values_that_come_during_a_hold_are_logged_and_both_bases_move() {
    let world = world().rule("job_title", MergeRule::Hold);
    let mut entity = person(json!({"job_title": "c"}));
    let mut link = world.link(json!({"title": "b"}), json!({"job_title": "b"}));
    let first = world.absorb(&mut link, &mut entity, json!({"title": "r1"}));
    assert_eq!(first.holds.len(), 1);
    for value in ["r2", "r3"] {
        let seen = json!({"title": value});
        let out = world.absorb_held(&mut link, &mut entity, seen.clone(), &["job_title"]);
        assert_eq!(out.conflicts.len(), 1, "{value}");
        assert_eq!(out.conflicts[0].remote, value);
        assert_eq!(out.conflicts[0].winner, Winner::Held);
        // It is held for the reason that it was held for.
        assert!(out.holds.is_empty());
        assert_holds(
            &link,
            &entity,
            json!({"job_title": "c"}),
            json!({"job_title": value}),
            seen.clone(),
        );
        // Seen again it is not logged again.
        let again = world.absorb_held(&mut link, &mut entity, seen, &["job_title"]);
        assert!(again.conflicts.is_empty());
    }
}

#[test]
fn after_a_choice_for_the_canonical_value_nothing_is_held_anew() {
    // V9: the system without versions still shows r.
    let world = world().rule("job_title", MergeRule::Hold);
    let mut entity = person(json!({"job_title": "c"}));
    let mut link = world.link(json!({"title": "r"}), json!({"job_title": "r"}));
    let out = world.absorb(&mut link, &mut entity, json!({"title": "r"}));
    assert!(out.conflicts.is_empty() && out.holds.is_empty());
    assert_eq!(link.sent["job_title"], "r");
}

#[test]
fn a_held_field_does_not_take_what_only_one_system_changed() {
    let world = world();
    let mut entity = person(json!({"job_title": "x"}));
    let mut link = world.link(json!({"title": "x"}), json!({"job_title": "x"}));
    let out = world.absorb_held(
        &mut link,
        &mut entity,
        json!({"title": "y"}),
        &["job_title"],
    );
    assert_eq!(entity.value("job_title"), "x");
    assert_eq!(out.conflicts[0].winner, Winner::Held);
    assert_eq!(link.sent["job_title"], "y");
}

#[test]
fn what_agrees_with_the_canonical_value_is_agreed_on_even_while_held() {
    let world = world();
    let mut entity = person(json!({"job_title": "c"}));
    let mut link = world.link(json!({"title": "b"}), json!({"job_title": "b"}));
    let out = world.absorb_held(
        &mut link,
        &mut entity,
        json!({"title": "c"}),
        &["job_title"],
    );
    assert!(out.conflicts.is_empty());
    assert_eq!(link.sent["job_title"], "c");
}

#[test]
fn first_contact_with_a_held_field_waits_for_the_person_too() {
    let owner = MergeRule::Owner(vec!["a".into()]);
    let world = world().rule("job_title", owner);
    for canonical in [json!("c"), json!(null)] {
        let mut entity = person(json!({"job_title": canonical}));
        let mut link = world.link(nothing(), nothing());
        let out = world.absorb_held(
            &mut link,
            &mut entity,
            json!({"title": "r"}),
            &["job_title"],
        );
        assert_eq!(*entity.value("job_title"), canonical);
        assert_eq!(out.conflicts[0].winner, Winner::Held);
        assert_eq!(link.sent["job_title"], "r");
    }
}

#[test]
fn a_set_goes_on_growing_while_it_is_held() {
    // Members that come while a person is asked must not be lost afterwards.
    let world = world();
    let mut entity = person(json!({"tags": ["a", "b"]}));
    let mut link = world.link(json!({"tags": ["a"]}), json!({"tags": ["a"]}));
    let seen = json!({"tags": ["a", "new"]});
    world.absorb_held(&mut link, &mut entity, seen.clone(), &["tags"]);
    let out = world.absorb(&mut link, &mut entity, seen.clone());
    assert!(out.changes.is_empty());
    assert_holds(
        &link,
        &entity,
        json!({"tags": ["a", "b", "new"]}),
        json!({"tags": ["a", "new"]}),
        seen,
    );
}

/// Changes a field `times` times, `apart` seconds apart; is it held then?
fn check_fight(times: u32, apart: i64, expect: bool) {
    let mut world = world();
    world.rules.fight_limit = 3;
    world.rules.fight_window = Duration::from_secs(60);
    let mut entity = person(nothing());
    let mut link = world.link(json!({"title": "v"}), json!({"job_title": null}));
    link.raw["title"] = json!(null);
    let mut held = false;
    // The first value is no change of another.
    for n in 0..=times {
        world.now = secs(1000 + i64::from(n) * apart);
        let out = world.absorb(&mut link, &mut entity, json!({"title": format!("v{n}")}));
        assert_eq!(entity.value("job_title"), &json!(format!("v{n}")));
        held = !out.holds.is_empty();
        assert!(!held || out.holds[0].reason.contains("fight"));
    }
    assert_eq!(held, expect, "{times} changes, {apart} seconds apart");
}

#[test]
fn more_changes_than_the_limit_within_the_window_are_a_fight() {
    check_fight(3, 1, false);
    check_fight(4, 1, true);
    check_fight(4, 14, true);
    // The fourth change is made when the window is over.
    check_fight(4, 15, false);
    check_fight(20, 60, false);
}

#[test]
fn changes_of_all_systems_count_together() {
    let mut world = world();
    world.rules.fight_limit = 1;
    let mut entity = person(json!({"job_title": "x"}));
    let cell = entity.cells.get_mut("job_title").unwrap();
    (cell.changes, cell.fight_since) = (1, secs(990));
    let mut link = world.link(json!({"title": "x"}), json!({"job_title": "x"}));
    let out = world.absorb(&mut link, &mut entity, json!({"title": "y"}));
    assert_eq!(out.holds.len(), 1);
}
