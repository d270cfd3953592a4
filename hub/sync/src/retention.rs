//! Which parts of the books may go when they have grown old, and which are still
//! needed whatever their age.

use std::collections::BTreeSet;
use std::time::Duration;

use concord_core::Timestamp;
use concord_core::state::{Conflict, Event, Winner};
use serde::{Deserialize, Serialize};

/// How long each part of the books is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Retention {
    /// What happened to each record.
    pub events: Keep,
    /// Runs, with what each of them wrote.
    pub runs: Keep,
    /// Conflicts that are settled.
    pub conflicts: Keep,
}

/// A year for what tells people why a value is what it is.  What each run wrote
/// is most of the books, and serves an undo, which is of no use once people have
/// worked with the values for a quarter.
impl Default for Retention {
    fn default() -> Self {
        Self {
            events: Keep::Days(365),
            runs: Keep::Days(90),
            conflicts: Keep::Days(365),
        }
    }
}

/// A number of days, or `forever`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Keep {
    Days(u32),
    Forever,
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "how long to keep is a number of days from 1, or forever"
)]
enum Written {
    Days(u32),
    Word(String),
}

const FOREVER: &str = "forever";

impl TryFrom<Written> for Keep {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let found = match written {
            Written::Word(word) if word == FOREVER => return Ok(Self::Forever),
            // A run has to be on record long enough to be taken back.
            Written::Days(0) => "0".to_owned(),
            Written::Days(days) => return Ok(Self::Days(days)),
            Written::Word(word) => format!("'{word}'"),
        };
        Err(format!(
            "{found} is not how long to keep: that is a number of days from 1, or {FOREVER}"
        ))
    }
}

impl From<Keep> for Written {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Days(days) => Self::Days(days),
            Keep::Forever => Self::Word(FOREVER.to_owned()),
        }
    }
}

impl Keep {
    /// What is older than this may go; none where all is kept.
    pub fn before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Days(days) => Some(now.minus(Duration::from_secs(u64::from(days) * 24 * 3600))),
            Self::Forever => None,
        }
    }
}

/// The events of one entity that may go: those before a moment, but
///
/// - the first, which tells how it came to be;
/// - the last that changed each field, and the last that brought a value and did
///   not only write it to a system: they tell why the field holds what it holds;
/// - from a merge that stands on, all: taking it apart folds them anew.
///
/// Several hubs take numbers in blocks, so that the order of numbers may differ
/// from that of time: what is first or last in either is kept.  `merge` is the
/// event of the first merge that stands.
pub fn old_events(events: &[Event], before: Timestamp, merge: Option<&Event>) -> Vec<i64> {
    let mut ordered: Vec<&Event> = events.iter().collect();
    let mut needed = BTreeSet::new();
    ordered.sort_by_key(|event| event.id);
    needed.extend(telling(&ordered));
    ordered.sort_by_key(|event| (event.at, event.id));
    needed.extend(telling(&ordered));
    let is_since = |merge: &Event, event: &Event| event.id >= merge.id || event.at >= merge.at;
    ordered
        .into_iter()
        .filter(|event| event.at < before && !needed.contains(&event.id))
        .filter(|event| !merge.is_some_and(|merge| is_since(merge, event)))
        .map(|event| event.id)
        .collect()
}

/// The first, and the last words about each field.
fn telling(events: &[&Event]) -> BTreeSet<i64> {
    let mut telling: BTreeSet<i64> = events.first().map(|event| event.id).into_iter().collect();
    let mut told = BTreeSet::new();
    for event in events.iter().rev() {
        for (field, ..) in &event.changes {
            let is_last = told.insert((field, false));
            let is_last_brought = !is_our_write(event) && told.insert((field, true));
            if is_last || is_last_brought {
                telling.insert(event.id);
            }
        }
    }
    telling
}

/// It tells of a value that was sent to a system and came from elsewhere.
fn is_our_write(event: &Event) -> bool {
    event.what.starts_with("written there") || event.what.starts_with("created there")
}

/// Whether a conflict may go: it is settled, and both that and the conflict
/// itself are older than a moment.
pub fn is_old(conflict: &Conflict, before: Timestamp) -> bool {
    let settled = match (conflict.winner, &conflict.decision) {
        (_, Some(decision)) => decision.at,
        (Winner::Held, None) => return false,
        (Winner::Canonical | Winner::Remote, None) => conflict.at,
    };
    conflict.at < before && settled < before
}
