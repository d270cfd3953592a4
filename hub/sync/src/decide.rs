//! Who wins when both sides changed a field since they last agreed.

use std::cmp::Ordering;

use concord_core::schema::MergeRule;
use concord_core::state::{Cell, Origin, Winner};
use concord_core::{FieldSpec, Timestamp, Value};

use crate::normal;
use crate::scene::Rules;

/// When an edit happened: after the first moment, not after the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub after: Timestamp,
    pub until: Timestamp,
}

/// A verdict with the words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub winner: Winner,
    pub rule: String,
}

fn verdict(winner: Winner, rule: impl Into<String>) -> Verdict {
    Verdict {
        winner,
        rule: rule.into(),
    }
}

/// The value that a system puts against the canonical one.
#[derive(Clone, Copy)]
pub struct Challenger<'a> {
    pub origin: &'a Origin,
    pub edited: Interval,
    pub value: &'a Value,
    pub spec: &'a FieldSpec,
}

/// Decides between the canonical cell and a challenger.
pub fn decide(
    rules: &Rules,
    rule: &MergeRule,
    cell: Option<&Cell>,
    remote: Challenger<'_>,
) -> Verdict {
    let Some(cell) = cell else {
        return verdict(Winner::Remote, "nothing stands against it");
    };
    match rule {
        MergeRule::Hold => verdict(Winner::Held, "hold"),
        MergeRule::Owner(owners) => {
            let canonical = rules.rank(owners, &cell.origin);
            let challenger = rules.rank(owners, remote.origin);
            let named = format!("owner({})", owners.join(", "));
            match (canonical, challenger) {
                (Some(c), Some(r)) if c < r => verdict(Winner::Canonical, named),
                (Some(_), Some(_)) | (None, Some(_)) => verdict(Winner::Remote, named),
                (Some(_), None) => verdict(Winner::Canonical, named),
                (None, None) => latest(rules, cell, remote),
            }
        }
        MergeRule::Longest | MergeRule::MostComplete => {
            by_size(rule, cell, remote).unwrap_or_else(|| latest(rules, cell, remote))
        }
        // A consent is merged by its own rule before it comes here; were one
        // ever to come, the later statement stands.
        MergeRule::Latest | MergeRule::Consent => latest(rules, cell, remote),
    }
}

/// The later edit, where the times tell.  A vendor's one modified-at per record
/// only bounds the edit of a field from above, so overlapping intervals say
/// nothing and a person decides.
fn latest(rules: &Rules, cell: &Cell, remote: Challenger<'_>) -> Verdict {
    if &cell.origin == remote.origin {
        return verdict(Winner::Remote, "latest: the same system changed it again");
    }
    let skew = rules.skew_between(&cell.origin, remote.origin);
    if remote.edited.after >= cell.until.plus(skew) {
        return verdict(Winner::Remote, "latest");
    }
    if cell.after >= remote.edited.until.plus(skew) {
        return verdict(Winner::Canonical, "latest");
    }
    verdict(
        Winner::Held,
        "latest: the times do not tell which edit came last",
    )
}

/// The value that says more, where one does.
fn by_size(rule: &MergeRule, cell: &Cell, remote: Challenger<'_>) -> Option<Verdict> {
    let (size, words): (fn(&Value) -> usize, &str) = match rule {
        MergeRule::Longest => (length, "longest"),
        MergeRule::MostComplete => (filled, "most-complete"),
        _ => return None,
    };
    let [ours, theirs] =
        [&cell.value, remote.value].map(|value| size(&normal::normalise(remote.spec, value)));
    match ours.cmp(&theirs) {
        Ordering::Greater => Some(verdict(Winner::Canonical, words)),
        Ordering::Less => Some(verdict(Winner::Remote, words)),
        Ordering::Equal => None,
    }
}

fn length(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

/// How many members of a group say something.
fn filled(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Object(members) => members.values().map(filled).sum(),
        _ => 1,
    }
}

/// Who wins a difference at first contact once the plan is approved: an owner,
/// the value that says more where the rule asks for that, or what stands
/// already.  Times say nothing of two values that never met.
pub(crate) fn first_contact(
    rules: &Rules,
    rule: &MergeRule,
    cell: Option<&Cell>,
    remote: Challenger<'_>,
) -> Verdict {
    match rule {
        MergeRule::Owner(owners) => {
            let known = cell.and_then(|cell| rules.rank(owners, &cell.origin));
            if known.is_some() || rules.rank(owners, remote.origin).is_some() {
                return decide(rules, rule, cell, remote);
            }
        }
        MergeRule::Longest | MergeRule::MostComplete => {
            if let Some(verdict) = cell.and_then(|cell| by_size(rule, cell, remote)) {
                return verdict;
            }
        }
        MergeRule::Hold => return verdict(Winner::Held, "first contact: hold"),
        MergeRule::Latest | MergeRule::Consent => {}
    }
    verdict(
        Winner::Canonical,
        "first contact: the canonical value stands",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemas;
    use concord_core::ConnectionId;
    use serde_json::json;

    const A: Origin = Origin::Connection(ConnectionId(1));
    const B: Origin = Origin::Connection(ConnectionId(2));

    fn secs(from: i64, until: i64) -> Interval {
        Interval {
            after: Timestamp(from * 1_000_000),
            until: Timestamp(until * 1_000_000),
        }
    }

    fn check(rule: &MergeRule, by: Origin, cell: Interval, edited: Interval, expect: Winner) {
        let rules = Rules::new([(ConnectionId(1), "a".into()), (ConnectionId(2), "b".into())]);
        let schemas = schemas::builtin();
        let remote = Challenger {
            origin: &B,
            edited,
            value: &json!("y"),
            spec: schemas.get("person").unwrap().field("job_title").unwrap(),
        };
        let cell = Cell {
            value: json!("x"),
            origin: by,
            after: cell.after,
            until: cell.until,
            changes: 0,
            fight_since: Timestamp::ZERO,
        };
        assert_eq!(
            decide(&rules, rule, Some(&cell), remote).winner,
            expect,
            "{rule:?}"
        );
    }

    #[test]
    fn latest_takes_the_later_edit_only_where_the_intervals_tell() {
        let rule = MergeRule::Latest;
        check(&rule, A, secs(0, 10), secs(20, 30), Winner::Remote);
        check(&rule, A, secs(50, 60), secs(20, 30), Winner::Canonical);
        check(&rule, A, secs(0, 25), secs(20, 30), Winner::Held);
        // Eleven follows ten, but two clocks may be two seconds apart.
        check(&rule, A, secs(0, 10), secs(11, 30), Winner::Held);
        // What the same system says later replaces what it said.
        check(&rule, B, secs(0, 25), secs(20, 30), Winner::Remote);
    }

    #[test]
    fn owners_win_in_their_order_and_the_rest_falls_to_latest() {
        let ab = MergeRule::Owner(vec!["a".into(), "b".into()]);
        let ba = MergeRule::Owner(vec!["b".into(), "a".into()]);
        let only_a = MergeRule::Owner(vec!["a".into()]);
        let only_c = MergeRule::Owner(vec!["c".into()]);
        let overlap = secs(0, 25);
        check(&ab, A, overlap, secs(20, 30), Winner::Canonical);
        check(&ba, A, overlap, secs(20, 30), Winner::Remote);
        check(&only_a, A, overlap, secs(20, 30), Winner::Canonical);
        check(&only_c, A, overlap, secs(20, 30), Winner::Held);
        check(&only_c, A, secs(0, 10), secs(20, 30), Winner::Remote);
        check(
            &ba,
            Origin::Person("eve".into()),
            overlap,
            secs(20, 30),
            Winner::Canonical,
        );
    }

    #[test]
    fn hold_always_asks_a_person() {
        check(&MergeRule::Hold, A, secs(0, 1), secs(20, 30), Winner::Held);
    }

    /// A canonical value of `a` against a later one of `b`, and the reverse.
    fn check_sizes(rule: &MergeRule, field: &str, ours: Value, theirs: Value, expect: Winner) {
        let schemas = schemas::builtin();
        let rules = Rules::default();
        let shown = format!("{rule:?} {ours} {theirs}");
        let cell = Cell {
            value: ours,
            origin: A,
            after: Timestamp(0),
            until: Timestamp(0),
            changes: 0,
            fight_since: Timestamp::ZERO,
        };
        let remote = Challenger {
            origin: &B,
            edited: secs(20, 30),
            value: &theirs,
            spec: schemas.get("person").unwrap().field(field).unwrap(),
        };
        let verdict = decide(&rules, rule, Some(&cell), remote);
        assert_eq!(verdict.winner, expect, "{shown}");
    }

    #[test]
    fn longest_takes_the_text_that_says_more_and_the_later_of_two_alike() {
        let check = |ours: Value, theirs: Value, expect| {
            check_sizes(&MergeRule::Longest, "job_title", ours, theirs, expect);
        };
        check(json!("Head of Sales"), json!("Head"), Winner::Canonical);
        check(json!("Head"), json!("Head of Sales"), Winner::Remote);
        check(json!("Head"), Value::Null, Winner::Canonical);
        // White space says nothing.
        check(json!("Chief"), json!("  CTO   "), Winner::Canonical);
        check(json!("CTO"), json!("CFO"), Winner::Remote);
    }

    #[test]
    fn most_complete_takes_the_address_with_more_of_it_filled_in() {
        let check = |ours: Value, theirs: Value, expect| {
            check_sizes(&MergeRule::MostComplete, "address", ours, theirs, expect);
        };
        let whole = json!({"street": "1 Main St", "city": "Bonn", "country": "DE"});
        let half = json!({"street": "a very long street name", "city": ""});
        check(whole.clone(), half.clone(), Winner::Canonical);
        check(half, whole.clone(), Winner::Remote);
        check(whole.clone(), Value::Null, Winner::Canonical);
        let other = json!({"street": "2 Main St", "city": "Bonn", "country": "DE"});
        check(whole, other, Winner::Remote);
    }

    #[test]
    fn the_band_is_as_wide_as_the_worse_of_two_clocks() {
        let mut rules = Rules::default();
        rules.set_skew(ConnectionId(2), std::time::Duration::from_secs(60));
        assert_eq!(rules.skew_between(&A, &B).as_secs(), 60);
        assert_eq!(rules.skew_between(&A, &A).as_secs(), 2);
        let person = Origin::Person("eve".into());
        assert_eq!(rules.skew_between(&person, &B).as_secs(), 60);
    }
}
