//! How much of one sort a run may write to a connection before it stops and asks.

use concord_core::state::IntentAction;
use concord_core::{Fields, Value};
use serde::{Deserialize, Serialize};

use crate::lens::is_empty;

/// Fewer writes than these are no share of anything.
const FEWEST: u64 = 10;

/// A number of records, and a share of those that the connection has.  Either
/// one trips; neither is no limit at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u64>,
}

impl Limit {
    fn trips(self, number: u64, records: u64) -> bool {
        let too_many = self.count.is_some_and(|count| number > count);
        let share = |percent| number * 100 > percent * records;
        too_many || number >= FEWEST && self.percent.is_some_and(share)
    }

    fn words(self, records: u64) -> String {
        let share = |percent| format!("{percent} % of {records} records");
        match (self.count, self.percent) {
            (Some(count), Some(percent)) => format!("{count}, or {}", share(percent)),
            (Some(count), None) => count.to_string(),
            (None, Some(percent)) => share(percent),
            (None, None) => "any number".into(),
        }
    }
}

/// The guards of one connection, on what is written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Guards {
    #[serde(default = "creates")]
    pub creates: Limit,
    #[serde(default = "deletes")]
    pub deletes: Limit,
    /// Records of which a field is emptied.
    #[serde(default = "blanks")]
    pub blanks: Limit,
}

fn creates() -> Limit {
    Limit {
        count: Some(1_000),
        percent: None,
    }
}

fn deletes() -> Limit {
    Limit {
        count: Some(100),
        percent: Some(5),
    }
}

fn blanks() -> Limit {
    Limit {
        count: Some(500),
        percent: Some(10),
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            creates: creates(),
            deletes: deletes(),
            blanks: blanks(),
        }
    }
}

/// How many records of a connection a plan creates, deletes and empties a field
/// of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub creates: u64,
    pub deletes: u64,
    pub blanks: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.creates += other.creates;
        self.deletes += other.deletes;
        self.blanks += other.blanks;
    }
}

impl Tally {
    /// What one write counts as.
    pub fn of(action: IntentAction, values: &Fields, before: &Fields) -> Self {
        let empties = |(name, value): (&String, &Value)| {
            is_empty(value) && before.get(name).is_some_and(|before| !is_empty(before))
        };
        let mut tally = Self::default();
        match action {
            IntentAction::Create => tally.creates = 1,
            IntentAction::Delete | IntentAction::Withdraw => tally.deletes = 1,
            IntentAction::Update | IntentAction::Restore => {
                tally.blanks = u64::from(values.iter().any(empties));
            }
        }
        tally
    }
}

impl Guards {
    /// Whether fewer writes than these are too many of some sort.
    pub fn stop_fewer_than(&self, number: u64) -> bool {
        let limits = [self.creates, self.deletes, self.blanks];
        let mut counts = limits.iter().filter_map(|limit| limit.count);
        counts.any(|count| count + 1 < number)
    }

    /// What a plan does more of than is let through; nothing where it may go on.
    /// What a person was shown and approved is let through up to that number.
    pub fn trips(&self, tally: Tally, records: u64, approved: Tally) -> Vec<String> {
        let kinds = [
            (
                "creates",
                "create",
                tally.creates,
                approved.creates,
                self.creates,
            ),
            (
                "deletes",
                "delete",
                tally.deletes,
                approved.deletes,
                self.deletes,
            ),
            (
                "blanks",
                "empty a field of",
                tally.blanks,
                approved.blanks,
                self.blanks,
            ),
        ];
        let mut tripped = Vec::new();
        for (name, verb, number, approved, limit) in kinds {
            if number > approved && limit.trips(number, records) {
                tripped.push(format!(
                    "it would {verb} {number} records, and its guard on {name} lets {} through",
                    limit.words(records)
                ));
            }
        }
        tripped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletes(number: u64) -> Tally {
        Tally {
            deletes: number,
            ..Tally::default()
        }
    }

    #[test]
    fn a_guard_trips_on_a_number_or_a_share_but_not_on_a_handful() {
        let check = |number, records, trips: bool| {
            let tripped = Guards::default().trips(deletes(number), records, Tally::default());
            assert_eq!(
                !tripped.is_empty(),
                trips,
                "{number} of {records}: {tripped:?}"
            );
        };
        check(0, 0, false);
        check(9, 10, false);
        check(10, 200, false);
        check(10, 199, true);
        check(100, 100_000, false);
        check(101, 100_000, true);
    }

    #[test]
    fn what_was_approved_is_let_through_and_not_one_more() {
        let trips = |number| Guards::default().trips(deletes(number), 1_000, deletes(300));
        assert_eq!(trips(300), Vec::<String>::new());
        assert_eq!(trips(301).len(), 1);
    }

    #[test]
    fn a_guard_without_limits_never_trips_and_each_is_set_alone() {
        let guards: Guards = serde_json::from_str(r#"{"deletes": {}}"#).unwrap();
        let many = Tally {
            creates: 1_001,
            deletes: 1_000_000,
            blanks: 0,
        };
        let tripped = guards.trips(many, 10, Tally::default());
        assert_eq!(tripped.len(), 1, "{tripped:?}");
        assert!(tripped[0].contains("create 1001 records"), "{tripped:?}");
    }
}
