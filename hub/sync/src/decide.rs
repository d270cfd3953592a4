//! Who wins when both sides changed a field since they last agreed.

use concord_core::Timestamp;
use concord_core::schema::MergeRule;
use concord_core::state::{Cell, Origin, Winner};

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

/// Decides between the canonical cell and a value seen at `remote`.
pub fn decide(
    rules: &Rules,
    rule: &MergeRule,
    cell: Option<&Cell>,
    remote: &Origin,
    edited: Interval,
) -> Verdict {
    let Some(cell) = cell else {
        return verdict(Winner::Remote, "nothing stands against it");
    };
    match rule {
        MergeRule::Hold => verdict(Winner::Held, "hold"),
        MergeRule::Owner(owners) => {
            let canonical = rules.rank(owners, &cell.origin);
            let challenger = rules.rank(owners, remote);
            let named = format!("owner({})", owners.join(", "));
            match (canonical, challenger) {
                (Some(c), Some(r)) if c < r => verdict(Winner::Canonical, named),
                (Some(_), Some(_)) | (None, Some(_)) => verdict(Winner::Remote, named),
                (Some(_), None) => verdict(Winner::Canonical, named),
                (None, None) => latest(rules, cell, remote, edited),
            }
        }
        // A consent is merged by its own rule before it comes here; were one
        // ever to come, the later statement stands.
        MergeRule::Latest | MergeRule::Consent => latest(rules, cell, remote, edited),
    }
}

/// The later edit, where the times tell.  A vendor's one modified-at per record
/// only bounds the edit of a field from above, so overlapping intervals say
/// nothing and a person decides.
fn latest(rules: &Rules, cell: &Cell, remote: &Origin, edited: Interval) -> Verdict {
    if &cell.origin == remote {
        return verdict(Winner::Remote, "latest: the same system changed it again");
    }
    if edited.after >= cell.until.plus(rules.skew) {
        return verdict(Winner::Remote, "latest");
    }
    if cell.after >= edited.until.plus(rules.skew) {
        return verdict(Winner::Canonical, "latest");
    }
    verdict(
        Winner::Held,
        "latest: the times do not tell which edit came last",
    )
}

/// Who wins a difference at first contact once the plan is approved: an owner,
/// or what stands already.  Times say nothing of two values that never met.
pub(crate) fn first_contact(
    rules: &Rules,
    rule: &MergeRule,
    cell: Option<&Cell>,
    remote: &Origin,
) -> Verdict {
    match rule {
        MergeRule::Owner(owners) => {
            let known = cell.and_then(|cell| rules.rank(owners, &cell.origin));
            if known.is_some() || rules.rank(owners, remote).is_some() {
                let whenever = Interval {
                    after: Timestamp::ZERO,
                    until: Timestamp::ZERO,
                };
                return decide(rules, rule, cell, remote, whenever);
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
        let cell = Cell {
            value: json!("x"),
            origin: by,
            after: cell.after,
            until: cell.until,
            changes: 0,
            fight_since: Timestamp::ZERO,
        };
        assert_eq!(
            decide(&rules, rule, Some(&cell), &B, edited).winner,
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
}
