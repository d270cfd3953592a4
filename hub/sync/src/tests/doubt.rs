//! Writes whose outcome is not known (doubts.md V1, V2, V4, V7, V8, V17, V18).
//!
//! `x` was stored, `new` was sent at 990 and can arrive until 1020.

use concord_core::state::Winner;

use super::bases::relensed;
use super::*;
use crate::confirm::{Next, resolve, withdraw_held};

mod several;

struct Case {
    world: World,
    entity: Entity,
    link: Link,
    intent: Intent,
    record: RemoteRecord,
    held: Vec<&'static str>,
}

/// One field in doubt: what was stored, what was sent, what is read.
fn doubt(field: &str, remote: &str, stored: Value, sent: Value, read: Value) -> Case {
    let world = world();
    let mut intent = intent(json!({ field: sent }), json!({ field: stored }));
    intent.state = IntentState::InDoubt;
    let mut record = record(json!({ remote: read, "dept": "d" }));
    record.version = Some("5".into());
    Case {
        entity: person(json!({ field: sent, "department": "d" })),
        link: world.link(
            json!({ remote: stored, "dept": "d" }),
            json!({ field: stored, "department": "d" }),
        ),
        intent,
        record,
        held: Vec::new(),
        world,
    }
}

fn title(read: &str) -> Case {
    doubt("job_title", "title", json!("x"), json!("new"), json!(read))
}

impl Case {
    fn late(mut self) -> Self {
        self.world.now = secs(1020);
        self
    }

    fn answered(mut self, version: &str) -> Self {
        self.intent.answer_version = Some(version.into());
        self.intent.deadline = None;
        self
    }

    fn resolve(&mut self, expect: Next) -> Absorbed {
        let (out, next) = resolve(
            &mut self.intent,
            &mut self.link,
            &mut self.entity,
            &self.record,
            self.world.read(),
            &holding(&self.held),
            &self.world.scene(),
        );
        assert_eq!(next, expect);
        let state = match expect {
            Next::Closed => IntentState::Done,
            Next::Replay => IntentState::New,
            Next::Wait | Next::ReadBack => IntentState::InDoubt,
        };
        assert_eq!(self.intent.state, state);
        out
    }

    /// Sends once more; the answer does not say what was stored.
    fn send_again(&mut self, answered: bool, read: Value) {
        self.world.now = secs(1030);
        self.intent.state = IntentState::InDoubt;
        self.intent.sent_at = Some(secs(1025));
        self.intent.deadline = (!answered).then(|| secs(1060));
        for (name, value) in fields(read) {
            self.record.fields.insert(name, value);
        }
    }

    fn holds(&self, canonical: &str, sent: &str, raw: &str) {
        assert_holds(
            &self.link,
            &self.entity,
            json!({"job_title": canonical}),
            json!({"job_title": sent}),
            json!({"title": raw}),
        );
    }
}

#[test]
fn written_by_value() {
    let mut case = title("new");
    let out = case.resolve(Next::Closed);
    case.holds("new", "new", "new");
    assert!(out.conflicts.is_empty() && out.changes.is_empty());
    // As N compares, and as the declared rewriting makes it.
    title(" new ").resolve(Next::Closed);
    let mut cut = doubt(
        "company",
        "firm",
        json!("Old"),
        json!("Acme Ltd"),
        json!("Acme "),
    );
    cut.resolve(Next::Closed);
    assert_eq!(cut.link.sent["company"], "Acme Ltd");
    assert_eq!(cut.link.raw["firm"], "Acme ");
}

#[test]
fn v1_v4_written_by_version_whatever_the_system_made_of_it() {
    for read in ["NEW", "x"] {
        let mut case = title(read).answered("5");
        let out = case.resolve(Next::Closed);
        case.holds("new", "new", read);
        assert!(out.conflicts.is_empty() && out.changes.is_empty(), "{read}");
    }
}

#[test]
fn untouched_waits_until_the_request_cannot_arrive_any_more() {
    let mut early = title("x");
    early.resolve(Next::Wait);
    early.holds("new", "x", "x");
    // Then it is closed, and the debt is planned anew.
    let mut late = title("x").late();
    let out = late.resolve(Next::Closed);
    late.holds("new", "x", "x");
    assert!(out.debt);
    // What was answered does not arrive any more.
    title("x").answered("4").resolve(Next::Closed);
}

#[test]
fn v7_the_other_fields_are_absorbed_first_and_the_version_with_them() {
    let reads = [
        ("new", Next::Closed),
        ("x", Next::Wait),
        ("third", Next::Replay),
    ];
    for (read, next) in reads {
        let mut case = title(read);
        case.record.fields["dept"] = json!("edited");
        case.resolve(next);
        assert_eq!(case.entity.value("department"), "edited", "{read}");
        assert_eq!(case.link.sent["department"], "edited");
        assert_eq!(case.link.version.as_deref(), Some("5"));
    }
}

#[test]
fn a_third_value_is_sent_over_once_more_to_see_whose_it_is() {
    let mut case = title("third");
    let out = case.resolve(Next::Replay);
    // Nothing of it is believed yet.
    case.holds("new", "x", "x");
    assert!(out.conflicts.is_empty() && out.changes.is_empty());
    assert_eq!(
        Value::Object(case.intent.seen.clone()),
        json!({"job_title": "third"})
    );
    assert_eq!(case.intent.base_version.as_deref(), Some("5"));
}

#[test]
fn v1_the_same_value_again_is_our_own_rewritten() {
    let mut case = title("NEW");
    case.resolve(Next::Replay);
    case.send_again(true, json!({"title": "NEW"}));
    let out = case.resolve(Next::Closed);
    case.holds("new", "new", "NEW");
    assert!(out.conflicts.is_empty() && out.changes.is_empty());
}

#[test]
fn another_value_says_that_the_one_before_was_a_persons() {
    for now in ["new", "NEW"] {
        let mut case = title("third");
        case.resolve(Next::Replay);
        case.send_again(true, json!({"title": now}));
        let out = case.resolve(Next::Closed);
        // `latest` gives it to the person at `a`: it goes back there as a debt.
        case.holds("third", "new", now);
        let conflict = &out.conflicts[0];
        assert_eq!(
            (&conflict.base, &conflict.remote),
            (&json!("x"), &json!("third"))
        );
        assert_eq!(conflict.winner, Winner::Remote);
        // It was put there after the last look, and before the second sending.
        let cell = &case.entity.cells["job_title"];
        assert_eq!((cell.after, cell.until), (secs(900), secs(1025)));
    }
}

#[test]
fn a_persons_value_found_in_doubt_obeys_the_rule_of_its_field() {
    let mut asked = title("third");
    asked.world = asked.world.rule("job_title", MergeRule::Hold);
    asked.resolve(Next::Replay);
    asked.send_again(true, json!({"title": "new"}));
    let out = asked.resolve(Next::Closed);
    asked.holds("new", "new", "new");
    assert_eq!(out.conflicts[0].winner, Winner::Held);
    // Nothing decides it, so a person is asked.
    assert_eq!(out.holds.len(), 1);
    let mut ours = title("third");
    ours.world = ours
        .world
        .rule("job_title", MergeRule::Owner(vec!["b".into()]));
    ours.resolve(Next::Replay);
    ours.send_again(true, json!({"title": "new"}));
    assert_eq!(
        ours.resolve(Next::Closed).conflicts[0].winner,
        Winner::Canonical
    );
    ours.holds("new", "new", "new");
}

#[test]
fn the_same_value_says_nothing_when_the_second_sending_may_not_have_arrived() {
    let mut case = title("third");
    case.resolve(Next::Replay);
    case.send_again(false, json!({"title": "third"}));
    case.resolve(Next::Wait);
    case.world.now = secs(1060);
    case.resolve(Next::Replay);
    case.send_again(true, json!({"title": "NEW"}));
    case.resolve(Next::Closed);
    case.holds("third", "new", "NEW");
}

#[test]
fn v18_a_system_that_ignores_emptying_shows_a_persons_value() {
    let mut case = doubt("job_title", "title", json!("x"), json!(null), json!("r"));
    let out = case.resolve(Next::Closed);
    // Rule 4: recorded and decided, not sent over.
    assert_eq!(out.conflicts.len(), 1);
    assert_eq!(
        (&out.conflicts[0].base, &out.conflicts[0].remote),
        (&json!("x"), &json!("r"))
    );
    case.holds("r", "r", "r");
    let cell = &case.entity.cells["job_title"];
    assert_eq!((cell.after, cell.until), (secs(900), secs(1000)));
}

#[test]
fn a_field_on_hold_is_not_sent_over_again() {
    let mut case = title("third");
    case.held = vec!["job_title"];
    let out = case.resolve(Next::Closed);
    assert_eq!(out.conflicts[0].winner, Winner::Held);
    case.holds("new", "third", "third");
}

/// Sets in doubt: stored, sent, read → canonical set, `sent`.
#[test]
fn p12_a_field_held_before_it_is_sent_again_is_settled_by_reading() {
    let mut case = title("third");
    case.resolve(Next::Replay);
    let withdraw = |case: &mut Case| withdraw_held(&mut case.intent, &holding(&case.held));
    assert!(!withdraw(&mut case), "nothing is held");
    assert_eq!(case.intent.state, IntentState::New);
    case.held = vec!["job_title"];
    assert!(withdraw(&mut case));
    assert_eq!(case.intent.state, IntentState::InDoubt);
    let out = case.resolve(Next::Closed);
    assert_eq!(out.conflicts[0].remote, "third");
    assert_eq!(out.conflicts[0].winner, Winner::Held);
    assert_eq!(case.entity.value("job_title"), "new");
}

fn check_set(stored: Value, sent: Value, read: Value, expect: [Value; 2]) {
    let mut case = doubt("tags", "tags", stored, sent, read.clone()).late();
    let out = case.resolve(Next::Closed);
    assert_eq!(*case.entity.value("tags"), expect[0], "{read}");
    assert_eq!(case.link.sent["tags"], expect[1], "{read}");
    assert_eq!(case.link.raw["tags"], read);
    assert!(out.conflicts.is_empty());
}

#[test]
fn of_a_set_in_doubt_additions_are_a_persons_and_removals_are_not() {
    let (stored, sent) = (json!(["a", "old"]), json!(["a", "b"]));
    let check = |read: Value, expect: [Value; 2]| {
        check_set(stored.clone(), sent.clone(), read, expect);
    };
    check(json!(["a", "b"]), [json!(["a", "b"]), json!(["a", "b"])]);
    check(
        json!(["a", "old"]),
        [json!(["a", "b"]), json!(["a", "old"])],
    );
    // A person's addition, with our write done and with it undone.
    check(
        json!(["a", "b", "p"]),
        [json!(["a", "b", "p"]), json!(["a", "b", "p"])],
    );
    check(
        json!(["a", "old", "p"]),
        [json!(["a", "b", "p"]), json!(["a", "old", "p"])],
    );
    // V8: the vendor keeps fewer than we sent; nothing of ours is lost.
    check(json!(["b"]), [json!(["a", "b"]), json!(["b"])]);
    // What we removed and is still there is no addition.
    check(json!(["old"]), [json!(["a", "b"]), json!(["old"])]);
}

#[test]
fn a_consent_in_doubt_is_weighed_and_never_sent_over() {
    let dated = |status: &str, at: &str| json!({"status": status, "at": at});
    let (may, june) = ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z");
    let check = |sent: Value, before: Value, word: &str, at: &str, expect: &str| {
        let mut case = doubt("email_consent", "news", before, sent, json!(word)).late();
        let stored = if word == "no" { "yes" } else { "no" };
        case.link.raw = fields(json!({"news": stored, "news_at": null}));
        case.record.fields.insert("news_at".into(), json!(at));
        case.resolve(Next::Closed);
        assert_eq!(
            case.entity.value("email_consent")["status"],
            expect,
            "{word} {at}"
        );
    };
    // We sent an opt-in; somebody opted out meanwhile.
    let (opt_in, opt_out) = (dated("opted_in", may), dated("opted_out", may));
    check(opt_in.clone(), json!(null), "no", june, "opted_out");
    check(opt_in, json!(null), "no", "", "opted_out");
    // We sent an opt-out: neither an unconfirmed sign-up nor an older opt-in
    // weakens it, a later one does.
    check(opt_out.clone(), json!(null), "pending", "", "opted_out");
    check(opt_out.clone(), json!(null), "yes", "", "opted_out");
    check(opt_out, json!(null), "yes", june, "opted_in");
}

#[test]
fn a_value_that_cannot_be_read_is_reported_and_looked_at_again() {
    let mut case = doubt(
        "birthday",
        "born",
        json!("1990-01-02"),
        json!("1991-03-04"),
        json!("soon"),
    )
    .late();
    let out = case.resolve(Next::Closed);
    assert_eq!(out.unfit.len(), 1);
    assert_eq!(case.link.raw["born"], "1990-01-02");
    assert_eq!(case.link.sent["birthday"], "1990-01-02");
}

#[test]
fn a_create_that_was_found_is_an_update_from_then_on() {
    let mut case = title("third");
    case.intent.action = IntentAction::Create;
    case.link.raw = Fields::new();
    case.link.sent = Fields::new();
    case.resolve(Next::Replay);
    assert_eq!(case.intent.action, IntentAction::Update);
}

#[test]
fn what_was_sent_to_another_field_than_the_lens_has_now_is_still_owed() {
    let moved = "job_title: { path: position }";
    let (world, old) = relensed("job_title: { path: title }", moved);
    let mut case = doubt(
        "job_title",
        "position",
        Value::Null,
        json!("new"),
        Value::Null,
    );
    case.world = world;
    case.intent.action = IntentAction::Create;
    case.link.mapping = old;
    case.link.raw.clear();
    case.link.sent = fields(json!({"job_title": "new"}));
    let mut case = case.answered("5");
    let out = case.resolve(Next::Closed);
    assert!(out.debt && out.conflicts.is_empty());
    assert_eq!(case.entity.value("job_title"), "new");
    assert_eq!(case.link.sent.get("job_title"), Some(&Value::Null));
}
