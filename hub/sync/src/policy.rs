//! What other rules would have made of the conflicts that are on record, before
//! those rules go live.
//!
//! The conflicts of one field are decided once more in their order, with the
//! value and provenance that each of them recorded.  Where an earlier one comes
//! out differently, the next one is decided against what that left, unless
//! somebody put another value there in between.

use concord_core::state::{Cell, Conflict, ConflictKind, Origin, Winner};
use concord_core::{FieldSpec, Timestamp, Value};
use serde::Serialize;

use crate::approve::CHOSEN;
use crate::decide::{Challenger, Interval, Verdict, decide, first_contact};
use crate::field::HELD_ALREADY;
use crate::normal;
use crate::scene::Rules;

/// One conflict that comes out differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    pub conflict: i64,
    /// What really happened then.
    pub recorded: Winner,
    /// Under the rules in force now, and under those on trial.
    pub present: Winner,
    pub tried: Winner,
    pub rule: String,
}

/// What a trial says of one field of one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trial {
    pub conflicts: Vec<Tried>,
    /// The value that the rules in force now lead to, and the one of those on
    /// trial, where they differ.
    pub change: Option<(Value, Value)>,
    /// Somebody has changed the field since its last conflict, so that the value
    /// of today depends on neither.
    pub overtaken: bool,
    /// Conflicts whose provenance was not kept: nothing can be said of them.
    pub unknown: u64,
}

/// Tries rules on all conflicts of one field of one entity, in their order.
pub fn replay(
    conflicts: &[Conflict],
    spec: &FieldSpec,
    current: &Value,
    present: &Rules,
    tried: &Rules,
) -> Trial {
    let mut now = Course::new(present, spec);
    let mut then = Course::new(tried, spec);
    let mut trial = Trial::default();
    for conflict in conflicts {
        let is_known = conflict.provenance.is_some() || !is_of_rules(conflict);
        trial.unknown += u64::from(!is_known);
        let before = now.decide(conflict);
        let after = then.decide(conflict);
        if before.winner != after.winner {
            trial.conflicts.push(Tried {
                conflict: conflict.id,
                recorded: conflict.winner,
                present: before.winner,
                tried: after.winner,
                rule: after.rule,
            });
        }
    }
    if let (Some(before), Some(after)) = (now.value(), then.value())
        && !normal::same(spec, before, after)
    {
        trial.change = Some((before.clone(), after.clone()));
    }
    let last = conflicts.last().map(outcome);
    trial.overtaken = last.is_some_and(|last| !normal::same(spec, &last, current));
    trial
}

/// Rules decided it, or asked a person: neither a merge nor a delete did.
fn is_of_rules(conflict: &Conflict) -> bool {
    matches!(
        conflict.kind,
        ConflictKind::Edit | ConflictKind::FirstContact
    )
}

/// The canonical value that a conflict really led to.
fn outcome(conflict: &Conflict) -> Value {
    match (&conflict.decision, conflict.winner) {
        (Some(decision), _) => decision.value.clone(),
        (None, Winner::Remote) => conflict.remote.clone(),
        (None, Winner::Canonical | Winner::Held) => conflict.canonical.clone(),
    }
}

/// The life of one field under some rules.
struct Course<'a> {
    rules: &'a Rules,
    spec: &'a FieldSpec,
    /// The value here, and the one that was really there, after the last conflict.
    cell: Option<(Cell, Value)>,
    held: bool,
}

impl<'a> Course<'a> {
    fn new(rules: &'a Rules, spec: &'a FieldSpec) -> Self {
        Self {
            rules,
            spec,
            cell: None,
            held: false,
        }
    }

    fn value(&self) -> Option<&Value> {
        self.cell.as_ref().map(|(cell, _)| &cell.value)
    }

    fn decide(&mut self, conflict: &Conflict) -> Verdict {
        let cell = self.standing(conflict);
        let origin = Origin::Connection(conflict.link.connection);
        let edited = conflict.provenance.as_ref().map_or(
            Interval {
                after: Timestamp::ZERO,
                until: conflict.at,
            },
            |known| Interval {
                after: known.edited_after,
                until: known.edited_until,
            },
        );
        let verdict = self.verdict(conflict, &cell, &origin, edited);
        self.held = verdict.winner == Winner::Held;
        let put = |value: &Value, origin: Origin, edited: Interval| Cell {
            value: value.clone(),
            origin,
            after: edited.after,
            until: edited.until,
            changes: 0,
            fight_since: Timestamp::ZERO,
        };
        let cell = match &conflict.decision {
            // What a person decided stands, whatever the rules.
            Some(decision) => {
                self.held = false;
                let at = Interval {
                    after: decision.at,
                    until: decision.at,
                };
                put(&decision.value, Origin::Person(decision.by.clone()), at)
            }
            None if verdict.winner == Winner::Remote => put(&conflict.remote, origin, edited),
            None => cell,
        };
        self.cell = Some((cell, outcome(conflict)));
        verdict
    }

    /// The canonical value that the conflict meets here.
    fn standing(&self, conflict: &Conflict) -> Cell {
        if let Some((cell, real)) = &self.cell
            && normal::same(self.spec, real, &conflict.canonical)
        {
            return cell.clone();
        }
        let known = conflict.provenance.as_ref();
        Cell {
            value: conflict.canonical.clone(),
            origin: known.map_or_else(|| Origin::Person(String::new()), |k| k.origin.clone()),
            after: known.map_or(Timestamp::ZERO, |k| k.after),
            until: known.map_or(Timestamp::ZERO, |k| k.until),
            changes: 0,
            fight_since: Timestamp::ZERO,
        }
    }

    fn verdict(
        &self,
        conflict: &Conflict,
        cell: &Cell,
        origin: &Origin,
        edited: Interval,
    ) -> Verdict {
        let is_chosen = conflict.rule == CHOSEN;
        if conflict.provenance.is_none() || !is_of_rules(conflict) || is_chosen {
            return Verdict {
                winner: conflict.winner,
                rule: conflict.rule.clone(),
            };
        }
        if self.held {
            return Verdict {
                winner: Winner::Held,
                rule: HELD_ALREADY.into(),
            };
        }
        let link = &conflict.link;
        let kind = &conflict.entity.kind;
        let rule = self
            .rules
            .of(link.connection, &link.stream, kind, self.spec);
        let challenger = Challenger {
            origin,
            edited,
            value: &conflict.remote,
            spec: self.spec,
        };
        let way = match conflict.kind {
            ConflictKind::FirstContact => first_contact,
            _ => decide,
        };
        way(self.rules, rule, Some(cell), challenger)
    }
}
