//! Consent: an opt-out wins over every older or undated opt-in, on every path.

use concord_core::state::Winner;

use super::*;

const MAY: &str = "2026-05-01T00:00:00Z";
const JUNE: &str = "2026-06-01T00:00:00Z";

/// `in@MAY`, `out`, `none`: a status, dated or not.
fn consent(text: &str) -> Value {
    let (status, at) = match text.split_once('@') {
        Some((status, at)) => (status, json!(if at == "MAY" { MAY } else { JUNE })),
        None => (text, json!(null)),
    };
    match status {
        "none" => json!(null),
        status => json!({"status": format!("opted_{status}"), "at": at}),
    }
}

/// The same as the system shows it.
fn raw(text: &str) -> Value {
    let value = consent(text);
    let word = match value["status"].as_str() {
        Some("opted_in") => "yes",
        Some(_) => "no",
        None => "pending",
    };
    json!({"news": word, "news_at": value["at"]})
}

/// What is canonical, what the system showed before and shows now → what stands.
fn check_in(world: &World, canonical: &str, before: Option<&str>, now: &str, expect: &str) {
    let mut entity = person(json!({"email_consent": consent(canonical)}));
    let mut link = match before {
        None => world.link(nothing(), nothing()),
        Some(before) => world.link(raw(before), json!({"email_consent": consent(before)})),
    };
    world.absorb_held(&mut link, &mut entity, raw(now), &["email_consent"]);
    let shown = format!("{canonical}, {before:?} → {now}");
    assert_eq!(*entity.value("email_consent"), consent(expect), "{shown}");
    assert_eq!(link.sent["email_consent"], consent(now), "{shown}");
}

fn check(canonical: &str, now: &str, expect: &str) {
    let overruled = MergeRule::Owner(vec!["a".into()]);
    for world in [world(), world().rule("email_consent", overruled)] {
        check_in(&world, canonical, None, now, expect);
        for before in ["in", "out", "none"]
            .iter()
            .filter(|before| **before != now)
        {
            check_in(&world, canonical, Some(before), now, expect);
        }
    }
}

#[test]
fn the_stronger_consent_stands_whatever_the_rules_and_holds_say() {
    check("in", "out", "out");
    check("in@MAY", "out@JUNE", "out@JUNE");
    check("in@JUNE", "out@MAY", "in@JUNE");
    check("in@JUNE", "out", "out");
    check("in", "out@MAY", "out@MAY");
    check("out", "in", "out");
    check("out@JUNE", "in@MAY", "out@JUNE");
    check("out@MAY", "in@JUNE", "in@JUNE");
    check("out", "in@JUNE", "out");
    check("out@MAY", "in", "out@MAY");
    check("out@JUNE", "in@JUNE", "out@JUNE");
    check("none", "in", "in");
    check("none", "out", "out");
    check("in", "none", "in");
    check("out", "none", "out");
    check("in@MAY", "in@JUNE", "in@JUNE");
    check("out@JUNE", "out@MAY", "out@JUNE");
}

#[test]
fn an_opt_out_that_comes_with_an_unapproved_connection_counts_at_once() {
    let mut world = world();
    world.approved = false;
    check_in(&world, "in@MAY", None, "out", "out");
    check_in(&world, "out", None, "in@JUNE", "out");
}

#[test]
fn the_weaker_statement_is_on_record() {
    let world = world();
    let winner = |canonical: &str, before: &str, now: &str| {
        let mut entity = person(json!({"email_consent": consent(canonical)}));
        let mut link = world.link(raw(before), json!({"email_consent": consent(before)}));
        let out = world.absorb(&mut link, &mut entity, raw(now));
        let again = world.absorb(&mut link, &mut entity, raw(now));
        assert!(again.conflicts.is_empty(), "recorded once");
        out.conflicts.first().map(|c| c.winner)
    };
    // Refused here, although nobody changed it on this side.
    assert_eq!(winner("out", "out", "in"), Some(Winner::Canonical));
    // Both sides changed.
    assert_eq!(winner("in@MAY", "none", "out"), Some(Winner::Remote));
    // Only the system changed.
    assert_eq!(winner("in@MAY", "in@MAY", "out"), None);
    assert_eq!(winner("in", "none", "in"), None);
}

#[test]
fn a_changed_lens_that_now_reads_an_opt_out_is_no_way_around_it() {
    let mut world = world();
    let old = LENSES.replace(
        "opted-out: ['no'], neither: [pending]",
        "opted-out: [stop], neither: [pending, 'no']",
    );
    let old = mapping_of(&old);
    world.history.insert(
        old.hash.clone(),
        old.lenses
            .iter()
            .map(|l| (l.field.clone(), l.hash.clone()))
            .collect(),
    );
    let mut entity = person(json!({"email_consent": consent("in@JUNE")}));
    let mut link = world.link(raw("out"), json!({"email_consent": null}));
    link.mapping = old.hash;
    world.absorb(&mut link, &mut entity, raw("out"));
    assert_eq!(*entity.value("email_consent"), consent("out"));
}
