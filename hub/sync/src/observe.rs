//! Whether an observation is believed.
//!
//! A read can be older than it looks: an index lags behind, a page was read
//! before our own write, a webhook carries yesterday's body.  What is not
//! believed is never lost; the record is read again.

use std::cmp::Ordering;

use concord_core::record::RemoteRecord;
use concord_core::state::Link;
use concord_core::{Fields, Timestamp};

use crate::scene::Scene;

/// How a record came to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadKind {
    Pull,
    Fetch,
    Find,
}

/// A read with the moment at which it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    pub kind: ReadKind,
    pub started: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    Believed,
    /// Older than what is known; there is nothing to learn from it.
    Outdated,
    /// Cannot be judged now: read the record again, not before this moment.
    ReadAgain {
        at: Timestamp,
    },
}

/// Judges an observation of a linked record.
pub fn believe(
    record: &RemoteRecord,
    read: Read,
    link: &Link,
    open_intent: bool,
    scene: &Scene<'_>,
) -> Belief {
    let settle = match read.kind {
        ReadKind::Pull => scene.stream.settle_ms.pull(),
        ReadKind::Fetch => scene.stream.settle_ms.fetch(),
        ReadKind::Find => scene.stream.settle_ms.find(),
    };
    // A partial payload is a hint, and while a write of ours is under way
    // nobody can tell a person's edit from our own value.
    if record.partial || open_intent {
        return Belief::ReadAgain { at: scene.now };
    }
    if let Some(at) = rests_at(record, link, scene) {
        return Belief::ReadAgain { at };
    }
    if let Some(written) = link.written_at
        && read.started < written
    {
        return Belief::ReadAgain {
            at: written.plus(settle),
        };
    }
    if scene.stream.ordered_versions
        && let (Some(seen), Some(known)) = (&record.version, &link.version)
    {
        match compare(seen, known) {
            Ordering::Less => return Belief::Outdated,
            // Newer than all that is known, however soon it was read.
            Ordering::Greater => return Belief::Believed,
            Ordering::Equal => {}
        }
    }
    if scene.stream.exact_modified
        && let (Some(seen), Some(known)) = (record.modified_at, link.modified_at)
        && seen < known
    {
        return Belief::Outdated;
    }
    let set_at = link
        .written_at
        .map_or(link.read_at, |written| written.max(link.read_at));
    let settled = set_at.plus(settle);
    if read.started < settled && !settle.is_zero() && differs(&record.fields, &link.raw) {
        return Belief::ReadAgain { at: settled };
    }
    Belief::Believed
}

/// A record that was changed a moment ago may still be typed in: when it will
/// have rested long enough, if that is not yet.  A date that lies ahead says
/// nothing of that.
fn rests_at(record: &RemoteRecord, link: &Link, scene: &Scene<'_>) -> Option<Timestamp> {
    let rest = scene.rules.debounce_of(scene.connection);
    let modified = record
        .modified_at
        .filter(|modified| *modified <= scene.now)?;
    let rested = modified.plus(rest);
    let is_fresh = scene.now < rested && differs(&record.fields, &link.raw);
    is_fresh.then_some(rested)
}

/// Versions that are numbers are compared as numbers, others as text.
fn compare(seen: &str, known: &str) -> Ordering {
    match (seen.parse::<u128>(), known.parse::<u128>()) {
        (Ok(seen), Ok(known)) => seen.cmp(&known),
        _ => seen.cmp(known),
    }
}

fn differs(seen: &Fields, known: &Fields) -> bool {
    known
        .iter()
        .any(|(name, value)| seen.get(name).is_some_and(|now| now != value))
}
