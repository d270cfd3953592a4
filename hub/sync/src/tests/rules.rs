//! Rules 1 to 4 of absorbing one field, and who wins a conflict.

use concord_core::state::Winner::{self, Canonical, Held, Remote};

use super::*;

/// What is known of a text field: canonical, `sent`, `stored`; and what is seen.
struct Known(Value, Value, Value, Value);

/// Absorbs `r` and expects canonical value, `sent` and who won, if it was a
/// conflict.  `stored` always becomes what was seen.
fn check_in(world: &World, known: Known, expect: (Value, Value, Option<Winner>)) {
    let Known(c, b, stored, r) = known;
    let mut entity = person(json!({"job_title": c}));
    let mut link = world.link(json!({"title": stored}), json!({"job_title": b}));
    let out = world.absorb(&mut link, &mut entity, json!({"title": r}));
    let winner = out.conflicts.first().map(|conflict| conflict.winner);
    let shown = format!("c={c} b={b} σ={stored} r={r}");
    let got = (
        entity.value("job_title").clone(),
        link.sent["job_title"].clone(),
        winner,
    );
    assert_eq!(got, expect, "{shown}");
    assert_eq!(link.raw["title"], r, "{shown}");
    assert_eq!(
        out.conflicts.len(),
        usize::from(winner.is_some()),
        "{shown}"
    );
    if winner.is_some() {
        assert!(out.debt, "{shown}: a conflict leaves a debt");
    }
}

fn check(known: [&str; 4], expect: (&str, &str, Option<Winner>)) {
    let value = |text: &str| match text {
        "" => Value::Null,
        text => json!(text),
    };
    let [c, b, stored, r] = known.map(value);
    let expect = (value(expect.0), value(expect.1), expect.2);
    check_in(&world(), Known(c, b, stored, r), expect);
}

#[test]
fn rule_1_what_is_stored_is_no_news() {
    // A touch, an echo of our own write, and one while we owe a write.
    check(["x", "x", "x", "x"], ("x", "x", None));
    check(["y", "x", "x", "x"], ("y", "x", None));
    // A rewriting system shows its own form: still no news.
    check(
        ["Main St", "Main St", "MAIN ST", "MAIN ST"],
        ("Main St", "Main St", None),
    );
    // Compared under N: white space means nothing.
    check(["x y", "x y", "x y", " x  y "], ("x y", "x y", None));
    // So also of a field that we owe a write for, and of a rewritten one.
    check(["y", "x", "x", " x "], ("y", "x", None));
    check(["Main", "Main", "MAIN", " MAIN"], ("Main", "Main", None));
    check(["", "", "", ""], ("", "", None));
    check(["", "", "", "  "], ("", "", None));
}

#[test]
fn rule_2_both_came_to_the_same() {
    check(["y", "x", "x", "y"], ("y", "y", None));
    check(["y z", "x", "x", " y z"], ("y z", "y z", None));
    check(["", "x", "x", ""], ("", "", None));
}

#[test]
fn rule_3_only_the_system_changed() {
    check(["x", "x", "x", "y"], ("y", "y", None));
    check(["", "", "", "y"], ("y", "y", None));
    // Blanked there: blank here.
    check(["x", "x", "x", ""], ("", "", None));
    // The value goes on as it was written; N only compares.
    check(["x", "x", "x", " Y  z "], (" Y  z ", " Y  z ", None));
    // A person edits what the system had rewritten.
    check(["Main", "Main", "MAIN", "Side"], ("Side", "Side", None));
    // c = b under N only.
    check(["x y", "x  y", "x y", "z"], ("z", "z", None));
}

#[test]
fn rule_4_both_changed() {
    // `latest`: the last look at `a` was long after `b`'s edit.
    check(["c", "b", "b", "r"], ("r", "r", Some(Remote)));
    check(["", "b", "b", "r"], ("r", "r", Some(Remote)));
    check(["c", "b", "b", ""], ("", "", Some(Remote)));
}

#[test]
fn whoever_wins_the_bases_become_what_was_seen() {
    let owner = |name: &str| MergeRule::Owner(vec![name.into()]);
    let known = || Known(json!("c"), json!("b"), json!("b"), json!("r"));
    let ours = || (json!("c"), json!("r"), Some(Canonical));
    let theirs = || (json!("r"), json!("r"), Some(Remote));
    let asked = || (json!("c"), json!("r"), Some(Held));
    check_in(&world().rule("job_title", owner("b")), known(), ours());
    check_in(&world().rule("job_title", owner("a")), known(), theirs());
    check_in(
        &world().rule("job_title", MergeRule::Hold),
        known(),
        asked(),
    );
    // Nobody is owner of it here: `latest`.
    check_in(&world().rule("job_title", owner("c")), known(), theirs());
}

#[test]
fn absent_from_the_payload_is_not_empty() {
    let world = world();
    let mut entity = person(json!({"job_title": "x", "department": "d"}));
    let mut link = world.link(
        json!({"title": "x", "dept": "d"}),
        json!({"job_title": "x", "department": "d"}),
    );
    let out = world.absorb(&mut link, &mut entity, json!({"title": ""}));
    assert_holds(
        &link,
        &entity,
        json!({"job_title": null, "department": "d"}),
        json!({"job_title": null, "department": "d"}),
        json!({"title": "", "dept": "d"}),
    );
    assert_eq!(out.changes, [("job_title".into(), json!("x"), json!(null))]);
}

#[test]
fn an_answer_in_the_declared_form_agrees() {
    let world = world();
    // The system keeps five characters: "Acme " is what "Acme Ltd" becomes.
    let mut entity = person(json!({"company": "Acme Ltd", "other_email": "Ann@X.com"}));
    let mut link = world.link(
        json!({"firm": "Old", "mail2": "old@x.com"}),
        json!({"company": "Old", "other_email": "old@x.com"}),
    );
    let seen = json!({"firm": "Acme ", "mail2": "ann@x.com"});
    let out = world.absorb(&mut link, &mut entity, seen.clone());
    let agreed = json!({"company": "Acme Ltd", "other_email": "Ann@X.com"});
    assert_holds(&link, &entity, agreed.clone(), agreed, seen);
    assert!(out.changes.is_empty() && out.conflicts.is_empty() && !out.debt);
}

#[test]
fn a_conflict_is_recorded_with_all_its_sides() {
    let world = world().rule("job_title", MergeRule::Hold);
    let mut entity = person(json!({"job_title": "c"}));
    let mut link = world.link(json!({"title": "b"}), json!({"job_title": "b"}));
    let out = world.absorb(&mut link, &mut entity, json!({"title": "r"}));
    let conflict = &out.conflicts[0];
    assert_eq!(conflict.base, json!("b"));
    assert_eq!(conflict.canonical, json!("c"));
    assert_eq!(conflict.remote, json!("r"));
    assert_eq!(
        (conflict.link.clone(), conflict.at),
        (link.key.clone(), secs(1000))
    );
    assert_eq!(out.holds.len(), 1);
    // The same look once more is no news, so it is recorded once.
    let again = world.absorb(&mut link, &mut entity, json!({"title": "r"}));
    assert!(again.conflicts.is_empty() && again.holds.is_empty());
}

/// The interval in which the edit that `a` shows was made, as it is kept.
fn check_edited(read_at: i64, modified: Option<i64>, expect: (i64, i64)) {
    let world = world();
    let mut entity = person(json!({"job_title": "x"}));
    let mut link = world.link(json!({"title": "x"}), json!({"job_title": "x"}));
    link.read_at = secs(read_at);
    let mut seen = record(json!({"title": "y"}));
    seen.modified_at = modified.map(secs);
    world.absorb_record(&mut link, &mut entity, &seen, &[]);
    let cell = &entity.cells["job_title"];
    assert_eq!((cell.after, cell.until), (secs(expect.0), secs(expect.1)));
    assert_eq!(cell.origin, Origin::Connection(A));
    assert_eq!(link.read_at, world.now);
}

#[test]
fn an_edit_lies_between_the_last_look_and_the_systems_date() {
    check_edited(900, None, (900, 1000));
    check_edited(900, Some(950), (900, 950));
    // Two clocks may be two seconds apart.
    check_edited(900, Some(899), (899, 899));
    // It is older than the last look and was not in it: an index lagged, and
    // nothing is known of when it was not there yet.
    check_edited(900, Some(500), (0, 500));
}

#[test]
fn an_edit_that_an_index_kept_back_is_not_taken_for_the_latest() {
    // `b` changed it between 700 and 710, `a` before 500; `a`'s was seen late.
    let world = world();
    let mut entity = person_since(json!({"job_title": "new"}), secs(700), secs(710));
    let mut link = world.link(json!({"title": "x"}), json!({"job_title": "x"}));
    let mut seen = record(json!({"title": "old"}));
    seen.modified_at = Some(secs(500));
    let out = world.absorb_record(&mut link, &mut entity, &seen, &[]);
    assert_eq!(out.conflicts[0].winner, Canonical);
    assert_eq!(entity.value("job_title"), "new");
}

#[test]
fn the_link_takes_what_the_record_says_of_itself() {
    let world = world();
    let mut entity = person(nothing());
    let mut link = world.link(nothing(), nothing());
    link.state = LinkState::Hidden;
    link.missing_since = Some(secs(3));
    link.again_at = Some(secs(4));
    world.absorb(&mut link, &mut entity, json!({"title": "x"}));
    assert_eq!(link.state, LinkState::Live);
    assert_eq!(link.version.as_deref(), Some("2"));
    assert_eq!((link.missing_since, link.again_at), (None, None));
}
