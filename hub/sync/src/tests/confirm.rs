//! What an answer to a write does to the bases.

use concord_core::record::Applied;
use concord_core::state::Winner;

use super::*;
use crate::confirm::{Next, applied, new_link, refused};

/// `job_title` x → new was sent, under version 1.
struct Case {
    world: World,
    entity: Entity,
    link: Link,
    intent: Intent,
    answer: Applied,
}

fn case() -> Case {
    let world = world();
    Case {
        entity: person(json!({"job_title": "new", "department": "d"})),
        link: world.link(
            json!({"title": "x", "dept": "d"}),
            json!({"job_title": "x", "department": "d"}),
        ),
        intent: Intent {
            payload: fields(json!({"title": "new"})),
            ..intent(json!({"job_title": "new"}), json!({"job_title": "x"}))
        },
        answer: Applied {
            id: "r1".into(),
            version: Some("2".into()),
            stored: None,
        },
        world,
    }
}

impl Case {
    /// The answer is the record as it is stored now.
    fn answered(stored: Value) -> Self {
        let mut case = case();
        case.world.stream.answer_is_record = true;
        case.answer.stored = Some(record(stored));
        case
    }

    fn partial(mut self) -> Self {
        self.answer.stored.as_mut().unwrap().partial = true;
        self
    }

    fn apply(&mut self, expect: Next) -> Absorbed {
        let (read, held) = (self.world.read(), holding(&[]));
        let scene = self.world.scene();
        let (out, next) = applied(
            &mut self.intent,
            &mut self.link,
            &mut self.entity,
            &self.answer,
            read,
            &held,
            &scene,
        );
        assert_eq!(next, expect);
        let state = match expect {
            Next::Closed => IntentState::Done,
            _ => IntentState::InDoubt,
        };
        assert_eq!(self.intent.state, state);
        assert_eq!(self.link.written_at, Some(self.world.now));
        out
    }

    fn holds(&self, canonical: Value, sent: Value, raw: Value) {
        assert_holds(&self.link, &self.entity, canonical, sent, raw);
    }
}

#[test]
fn a_stored_record_moves_both_bases_and_the_version() {
    let mut case = Case::answered(json!({"title": "NEW", "dept": "d"}));
    let out = case.apply(Next::Closed);
    // V1: what the system made of our value is not a person's.
    let ours = json!({"job_title": "new"});
    case.holds(ours.clone(), ours, json!({"title": "NEW"}));
    assert!(out.changes.is_empty() && out.conflicts.is_empty());
    assert_eq!(case.link.version.as_deref(), Some("2"));
}

#[test]
fn what_a_person_changed_beside_it_is_absorbed_with_the_answer() {
    let mut case = Case::answered(json!({"title": "new", "dept": "edited"}));
    let out = case.apply(Next::Closed);
    let both = json!({"job_title": "new", "department": "edited"});
    case.holds(both.clone(), both, json!({"dept": "edited"}));
    assert_eq!(out.changes.len(), 1);
    let cell = &case.entity.cells["department"];
    assert_eq!((cell.after, cell.until), (secs(900), secs(1000)));
}

#[test]
fn v6_a_partial_answer_moves_no_version_but_that_of_a_conditional_write() {
    let check = |etags: bool, base: Option<&str>, action: IntentAction, expect: &str| {
        let mut case = Case::answered(json!({"title": "new"})).partial();
        case.world.stream.etags = etags;
        case.intent.base_version = base.map(Into::into);
        case.intent.action = action;
        case.apply(Next::Closed);
        assert_eq!(case.link.version.as_deref(), Some(expect));
        assert_eq!(case.link.raw["title"], "new");
    };
    check(false, Some("1"), IntentAction::Update, "1");
    check(true, None, IntentAction::Update, "1");
    check(true, Some("1"), IntentAction::Update, "2");
    // Nobody knew the record before.
    check(false, None, IntentAction::Create, "2");
}

#[test]
fn v3_an_answer_that_does_not_say_what_was_stored_leaves_it_in_doubt() {
    case().apply(Next::ReadBack);
    // An echo is no stored record.
    let mut echo = case();
    echo.answer.stored = Some(record(json!({"title": "new"})));
    echo.apply(Next::ReadBack);
    assert_eq!(echo.link.sent["job_title"], "x");
    assert_eq!(echo.link.raw["title"], "x");
    assert_eq!(echo.intent.answer_version.as_deref(), Some("2"));
    // Neither is a record that is silent about the field.
    Case::answered(json!({"dept": "d"})).apply(Next::ReadBack);
    Case::answered(json!({"dept": "d"}))
        .partial()
        .apply(Next::ReadBack);
}

#[test]
fn where_rewriting_is_declared_the_stored_value_is_known() {
    let check = |etags: bool, version: &str| {
        let mut case = case();
        case.world.stream.rewrites_declared = true;
        case.world.stream.etags = etags;
        case.entity = person(json!({"company": "Acme Ltd"}));
        case.intent.values = fields(json!({"company": "Acme Ltd"}));
        case.apply(Next::Closed);
        let ours = json!({"company": "Acme Ltd"});
        case.holds(ours.clone(), ours, json!({"firm": "Acme ", "title": "x"}));
        assert_eq!(case.link.version.as_deref(), Some(version));
    };
    // Somebody may have changed other fields meanwhile.
    check(false, "1");
    check(true, "2");
}

#[test]
fn an_id_that_moves_takes_the_link_along() {
    let mut case = Case::answered(json!({"title": "new", "dept": "d"}));
    case.answer.id = "r2".into();
    case.apply(Next::Closed);
    assert_eq!(case.link.key.remote_id.as_str(), "r2");
    assert_eq!(case.intent.remote_id, Some("r2".into()));
}

#[test]
fn a_create_makes_the_link_and_knows_that_nothing_else_is_there() {
    for declared in [true, false] {
        let mut case = Case::answered(json!({"title": "new"})).partial();
        case.world.stream.answer_is_record = !declared;
        case.world.stream.rewrites_declared = declared;
        case.intent.action = IntentAction::Create;
        case.intent.base_version = None;
        case.link = new_link(&case.intent, &case.answer, &case.world.scene());
        case.apply(Next::Closed);
        let sent = json!({"job_title": "new", "department": null, "tags": null});
        case.holds(nothing(), sent, json!({"title": "new"}));
        assert_eq!(case.link.version.as_deref(), Some("2"));
        assert!(!case.link.raw.contains_key("dept"));
    }
}

#[test]
fn a_value_that_was_taken_is_refused_no_longer() {
    let mut case = Case::answered(json!({"title": "new", "dept": "d"}));
    case.link.refused = fields(json!({"job_title": "old", "department": "e"}));
    case.apply(Next::Closed);
    assert_eq!(Value::Object(case.link.refused), json!({"department": "e"}));
}

#[test]
fn an_opt_out_in_the_answer_stands_against_our_older_opt_in() {
    let ours = json!({"status": "opted_in", "at": "2026-05-01T00:00:00Z"});
    let check = |at: &str, expect: &str| {
        let mut case = Case::answered(json!({"news": "no", "news_at": at}));
        case.entity = person(json!({"email_consent": ours}));
        case.intent.values = fields(json!({"email_consent": ours}));
        case.apply(Next::Closed);
        assert_eq!(case.entity.value("email_consent")["status"], expect, "{at}");
    };
    check("2026-06-01T00:00:00Z", "opted_out");
    check("", "opted_out");
    // An older refusal that the system would not give up: quiet, not a fight.
    check("2026-04-01T00:00:00Z", "opted_in");
}

/// Sent once more, because "third" had been found.
fn replayed(stored: &str) -> Case {
    let mut case = Case::answered(json!({"title": stored, "dept": "d"}));
    case.intent.seen = fields(json!({"job_title": "third"}));
    case
}

#[test]
fn the_answer_to_a_second_sending_says_whose_the_third_value_was() {
    // The system makes the same of it again: our own, rewritten.
    let mut echo = replayed("third");
    let out = echo.apply(Next::Closed);
    assert!(out.conflicts.is_empty() && out.changes.is_empty());
    echo.holds(
        json!({"job_title": "new"}),
        json!({"job_title": "new"}),
        json!({"title": "third"}),
    );
    // It makes something else of it: a person's, and its rule decides now.
    let mut person = replayed("NEW");
    let out = person.apply(Next::Closed);
    let conflict = &out.conflicts[0];
    assert_eq!(
        (&conflict.base, &conflict.remote),
        (&json!("x"), &json!("third"))
    );
    assert_eq!(conflict.winner, Winner::Remote);
    person.holds(
        json!({"job_title": "third"}),
        json!({"job_title": "new"}),
        json!({"title": "NEW"}),
    );
    assert!(out.debt);
    let cell = &person.entity.cells["job_title"];
    assert_eq!((cell.after, cell.until), (secs(900), secs(990)));
}

#[test]
fn refused_values_are_remembered_and_the_rest_is_planned_anew() {
    let mut case = case();
    case.intent.values = fields(json!({"job_title": "new", "department": "e"}));
    refused(
        &mut case.intent,
        Some(&mut case.link),
        &["department".into()],
        "too long",
        secs(1_000),
    );
    assert_eq!(case.intent.state, IntentState::Failed);
    assert_eq!(case.intent.reason, "too long");
    assert_eq!(Value::Object(case.link.refused), json!({"department": "e"}));
}

#[test]
fn v17_a_write_in_doubt_goes_on_without_the_field_that_is_refused() {
    let mut case = case();
    case.intent.values = fields(json!({"job_title": "new", "department": "e"}));
    case.intent.seen = fields(json!({"job_title": "NEW", "department": "E"}));
    refused(
        &mut case.intent,
        Some(&mut case.link),
        &["department".into()],
        "too long",
        secs(1_000),
    );
    assert_eq!(case.intent.state, IntentState::New);
    assert_eq!(
        Value::Object(case.intent.values.clone()),
        json!({"job_title": "new"})
    );
    assert_eq!(
        Value::Object(case.intent.seen.clone()),
        json!({"job_title": "NEW"})
    );
    refused(
        &mut case.intent,
        Some(&mut case.link),
        &["job_title".into()],
        "too long",
        secs(1_000),
    );
    assert_eq!(case.intent.state, IntentState::Failed);
}

/// A new street is written, of an address in Bern; the answer shows it alone.
fn moved() -> Case {
    let old = json!({"street": "Old 1", "city": "Bern"});
    let new = json!({"street": "New 2", "city": "Bern"});
    let mut case = Case::answered(json!({"addr_street": "NEW 2"})).partial();
    let lenses = LENSES.replace(
        "path: addr\n        group: { street: { path: street }, city: { path: city }, country: { path: land, country: alpha2 } }",
        "group: { street: { path: addr_street }, city: { path: addr_city } }",
    );
    case.world.mapping = mapping_of(&lenses);
    case.entity = person(json!({"address": new}));
    case.link = case.world.link(
        json!({"addr_street": "Old 1", "addr_city": "Bern"}),
        json!({"address": old}),
    );
    case.intent = Intent {
        payload: fields(json!({"addr_street": "New 2"})),
        ..intent(json!({"address": new}), json!({"address": old}))
    };
    case
}

#[test]
fn an_answer_may_pass_over_what_was_not_written() {
    let mut case = moved();
    case.apply(Next::Closed);
    let raw = Value::Object(case.link.raw.clone());
    assert_eq!(raw, json!({"addr_street": "NEW 2", "addr_city": "Bern"}));

    // What it was is not known there.
    let mut case = moved();
    case.link.raw.remove("addr_city");
    case.apply(Next::ReadBack);

    // It was written, and nothing says what was stored.
    let mut case = moved();
    case.intent
        .payload
        .insert("addr_city".into(), json!("Bern"));
    case.apply(Next::ReadBack);
}

#[test]
fn what_a_create_did_not_write_is_empty() {
    let mut case = moved();
    case.intent.action = IntentAction::Create;
    case.intent.payload.insert("addr_city".into(), json!(null));
    case.link.raw.clear();
    case.apply(Next::Closed);
    let raw = Value::Object(case.link.raw.clone());
    assert_eq!(raw, json!({"addr_street": "NEW 2", "addr_city": null}));
}
