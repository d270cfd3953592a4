//! Rules on trial over conflicts that are on record.

use concord_core::schema::MergeRule;
use concord_core::state::Winner::{Canonical, Held, Remote};
use concord_core::state::{Decision, Provenance};

use super::*;
use crate::policy::{Trial, replay};
use crate::rules::Reach;

/// `a` puts a value against one of `b`; both edits are of the same minute.
fn conflict(id: i64, canonical: &str, remote: &str, winner: Winner) -> Conflict {
    Conflict {
        id,
        canonical: json!(canonical),
        remote: json!(remote),
        rule: "as it was then".into(),
        provenance: Some(Provenance {
            origin: Origin::Connection(B),
            after: secs(100),
            until: secs(160),
            edited_after: secs(100),
            edited_until: secs(160),
        }),
        ..conflict_at(secs(500), winner)
    }
}

fn rules(rule: MergeRule) -> Rules {
    let mut rules = Rules::new([(A, "a".into()), (B, "b".into())]);
    rules.set(Kind::new("person"), "job_title".into(), rule);
    rules
}

fn owner(name: &str) -> MergeRule {
    MergeRule::Owner(vec![name.into()])
}

fn try_on(conflicts: &[Conflict], current: &str, present: &Rules, tried: &Rules) -> Trial {
    let schemas = schemas::builtin();
    let spec = schemas.get("person").unwrap().field("job_title").unwrap();
    replay(conflicts, spec, &json!(current), present, tried)
}

fn winners(trial: &Trial) -> Vec<(i64, Winner, Winner)> {
    let of = |one: &crate::policy::Tried| (one.conflict, one.present, one.tried);
    trial.conflicts.iter().map(of).collect()
}

#[test]
fn the_same_rules_change_nothing() {
    let log = [conflict(1, "b1", "a1", Held), conflict(2, "b1", "a2", Held)];
    for rule in [
        MergeRule::Latest,
        MergeRule::Hold,
        owner("a"),
        MergeRule::Longest,
    ] {
        let trial = try_on(&log, "b1", &rules(rule.clone()), &rules(rule));
        assert_eq!((trial.conflicts, trial.change), (Vec::new(), None));
    }
}

#[test]
fn an_owner_settles_what_was_held() {
    let log = [conflict(1, "b1", "a1", Held)];
    let trial = try_on(&log, "b1", &rules(MergeRule::Latest), &rules(owner("a")));
    assert_eq!(winners(&trial), [(1, Held, Remote)]);
    assert_eq!(trial.change, Some((json!("b1"), json!("a1"))));
    assert!(!trial.overtaken);
    let other = try_on(&log, "b1", &rules(MergeRule::Latest), &rules(owner("b")));
    assert_eq!(winners(&other), [(1, Held, Canonical)]);
    assert_eq!(other.change, None, "the canonical value stands either way");
}

#[test]
fn a_later_conflict_meets_what_the_earlier_one_left() {
    // Under owner(a) the first leaves a1 of a; the second is then a's own news.
    let log = [
        conflict(1, "b1", "a1", Canonical),
        conflict(2, "b1", "a2", Canonical),
    ];
    let trial = try_on(&log, "b1", &rules(owner("b")), &rules(owner("a")));
    assert_eq!(
        winners(&trial),
        [(1, Canonical, Remote), (2, Canonical, Remote)]
    );
    assert_eq!(trial.change, Some((json!("b1"), json!("a2"))));
    // Somebody put another value there in between, and that one is met.
    let log = [
        conflict(1, "b1", "a", Canonical),
        conflict(2, "b2", "longer", Canonical),
    ];
    let trial = try_on(&log, "b2", &rules(owner("b")), &rules(MergeRule::Longest));
    assert_eq!(winners(&trial), [(2, Canonical, Remote)]);
    assert_eq!(trial.change, Some((json!("b2"), json!("longer"))));
}

#[test]
fn a_hold_on_trial_holds_what_comes_after_it() {
    let log = [
        conflict(1, "b1", "a1", Canonical),
        conflict(2, "b1", "a2", Canonical),
    ];
    let trial = try_on(&log, "b1", &rules(owner("b")), &rules(MergeRule::Hold));
    assert_eq!(
        winners(&trial),
        [(1, Canonical, Held), (2, Canonical, Held)]
    );
    assert_eq!(trial.change, None);
}

#[test]
fn what_a_person_decided_and_what_was_changed_since_is_told() {
    let mut decided = conflict(1, "b1", "a1", Held);
    decided.decision = Some(Decision {
        by: "eve".into(),
        at: secs(600),
        value: json!("c"),
    });
    let log = [decided];
    let trial = try_on(&log, "c", &rules(MergeRule::Hold), &rules(owner("a")));
    assert_eq!(trial.change, None, "the decision stands");
    let log = [conflict(1, "b1", "a1", Held)];
    let trial = try_on(&log, "newer", &rules(MergeRule::Hold), &rules(owner("a")));
    assert!(trial.overtaken);
}

#[test]
fn a_conflict_without_provenance_and_one_of_a_delete_are_left_as_they_are() {
    let mut old = conflict(1, "b1", "a1", Held);
    old.provenance = None;
    let mut delete = conflict(2, "b1", "", Canonical);
    delete.kind = ConflictKind::Delete;
    let trial = try_on(
        &[old, delete],
        "b1",
        &rules(MergeRule::Hold),
        &rules(owner("a")),
    );
    assert_eq!((trial.conflicts, trial.unknown), (Vec::new(), 1));
}

#[test]
fn a_rule_of_a_stream_goes_before_one_of_its_connection_and_that_before_all() {
    let person = || Kind::new("person");
    let field = || FieldName::new("job_title");
    let mut rules = rules(owner("b"));
    let log = [conflict(1, "b1", "a1", Held)];
    let tried = |rules: &Rules| {
        let trial = try_on(&log, "b1", &super::policy::rules(MergeRule::Hold), rules);
        trial.conflicts.first().map(|one| one.tried)
    };
    assert_eq!(tried(&rules), Some(Canonical));
    rules.set_for(Reach::Connection(A), person(), field(), owner("a"));
    assert_eq!(tried(&rules), Some(Remote));
    let stream = Reach::Stream(A, "contacts".into());
    rules.set_for(stream, person(), field(), MergeRule::Hold);
    assert_eq!(tried(&rules), None, "held, as in force");
    // What another connection says is not touched by it.
    rules.set_for(Reach::Connection(B), person(), field(), owner("a"));
    assert_eq!(tried(&rules), None);
}
