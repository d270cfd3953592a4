//! Sets, which are never overwritten; groups, which move as one field; halves
//! of a name, which share one remote field.

use concord_core::state::Winner;

use super::*;

/// Canonical set, `sent`, stored and seen → canonical set, `sent`.
fn check(known: [Value; 4], expect: [Value; 2]) {
    let world = world();
    let [c, sent, stored, seen] = known;
    let shown = format!("c={c} sent={sent} σ={stored} r={seen}");
    let mut entity = person(json!({"tags": c}));
    let mut link = world.link(json!({"tags": stored}), json!({"tags": sent}));
    let out = world.absorb(&mut link, &mut entity, json!({"tags": seen}));
    assert_eq!(*entity.value("tags"), expect[0], "{shown}");
    assert_eq!(link.sent["tags"], expect[1], "{shown}");
    assert_eq!(link.raw["tags"], seen, "{shown}");
    assert!(out.conflicts.is_empty(), "{shown}");
}

#[test]
fn what_came_and_went_at_the_system_is_applied_to_both() {
    let same = |set: Value| [set.clone(), set.clone(), set];
    let [c, sent, stored] = same(json!(["a", "b"]));
    check(
        [c, sent, stored, json!(["b", "a"])],
        [json!(["a", "b"]), json!(["a", "b"])],
    );
    let [c, sent, stored] = same(json!(["a", "b"]));
    check(
        [c, sent, stored, json!(["b", "c"])],
        [json!(["b", "c"]), json!(["b", "c"])],
    );
    let [c, sent, stored] = same(json!(["a"]));
    check([c, sent, stored, json!([])], [json!(null), json!(null)]);
    // Both sides added: nobody's is lost, and what we owe stays owed.
    check(
        [
            json!(["a", "ours"]),
            json!(["a"]),
            json!(["a"]),
            json!(["a", "theirs"]),
        ],
        [json!(["a", "ours", "theirs"]), json!(["a", "theirs"])],
    );
    // We removed, they added.
    check(
        [
            json!(["a"]),
            json!(["a", "b"]),
            json!(["a", "b"]),
            json!(["a", "b", "c"]),
        ],
        [json!(["a", "c"]), json!(["a", "b", "c"])],
    );
    // Both removed the same.
    check(
        [
            json!(["a"]),
            json!(["a", "b"]),
            json!(["a", "b"]),
            json!(["a"]),
        ],
        [json!(["a"]), json!(["a"])],
    );
    // Case is no difference between tags.
    check(
        [
            json!(["VIP"]),
            json!(["VIP"]),
            json!(["vip"]),
            json!(["Vip"]),
        ],
        [json!(["VIP"]), json!(["VIP"])],
    );
}

#[test]
fn v8_a_vendor_that_keeps_three_loses_none_of_ours() {
    check(
        [
            json!(["a", "b", "c", "d"]),
            json!(["a", "b", "c", "d"]),
            json!(["a", "b", "c"]),
            json!(["b", "c", "new"]),
        ],
        [json!(["b", "c", "d", "new"]), json!(["b", "c", "d", "new"])],
    );
}

#[test]
fn sets_meet_as_their_union() {
    let world = world();
    let mut entity = person(json!({"tags": ["a", "b"]}));
    let mut link = world.link(nothing(), nothing());
    let out = world.absorb(&mut link, &mut entity, json!({"tags": ["b", "c"]}));
    assert_eq!(*entity.value("tags"), json!(["a", "b", "c"]));
    assert_eq!(link.sent["tags"], json!(["b", "c"]));
    assert!(out.debt && out.conflicts.is_empty());
}

#[test]
fn a_group_changes_as_one_field() {
    let world = world();
    let known = json!({"street": "Old 1", "city": "Bonn", "country": "DE"});
    let raw = json!({"addr": {"street": "Old 1", "city": "Bonn", "land": "DE"}});
    // Nobody else changed it: the street of the one and the city of the other
    // would be an address where nobody lives, so all of it is taken.
    let mut entity = person(json!({"address": known}));
    let mut link = world.link(raw.clone(), json!({"address": known}));
    let moved = json!({"addr": {"street": "New 2", "city": "Kiel", "land": "DE"}});
    world.absorb(&mut link, &mut entity, moved.clone());
    let expect = json!({"street": "New 2", "city": "Kiel", "country": "DE"});
    assert_eq!(*entity.value("address"), expect);
    // Both changed one member each: that is a conflict.
    let ours = json!({"street": "Old 1", "city": "Köln", "country": "DE"});
    let mut entity = person(json!({"address": ours}));
    let mut link = world.link(raw, json!({"address": known}));
    let theirs = json!({"addr": {"street": "New 2", "city": "Bonn", "land": "DE"}});
    let out = world.absorb(&mut link, &mut entity, theirs);
    assert_eq!(out.conflicts[0].winner, Winner::Remote);
    let expect = json!({"street": "New 2", "city": "Bonn", "country": "DE"});
    assert_eq!(*entity.value("address"), expect);
}

#[test]
fn the_halves_of_a_name_are_two_fields() {
    let world = world();
    let known = json!({"given_name": "Ann", "family_name": "Berg"});
    let mut entity = person(known.clone());
    let mut link = world.link(json!({"name": "Ann Berg"}), known);
    let out = world.absorb(&mut link, &mut entity, json!({"name": "Anna Berg"}));
    assert_eq!(
        out.changes,
        [("given_name".into(), json!("Ann"), json!("Anna"))]
    );
    assert_eq!(link.sent["family_name"], "Berg");
}
