//! What it means that a record is not there (design.md §5, "Delete").
//!
//! A delete needs positive evidence.  Everything else makes the link `hidden`:
//! nothing is written to it and nothing is concluded from it.

use std::time::Duration;

use concord_core::manifest::Stream;
use concord_core::record::Absence;
use concord_core::state::{Link, LinkState};
use concord_core::{RemoteId, Timestamp};

/// How an absence was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// A pull named the record as gone.
    Listed,
    /// A direct read did not find it.
    Fetched,
    /// A walk that listed everything did not list it.
    Unlisted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Gone for certain.
    Gone,
    /// Gone for certain, and this record took its place.
    Merged(RemoteId),
    /// Not enough is known: read it directly, not before this moment.
    Confirm { at: Timestamp },
    /// It stays hidden until it is seen again.
    Hidden,
}

/// The least time between two looks at a record that seems to be gone.
const SECOND_LOOK: Duration = Duration::from_millis(1);

/// Judges an absence and notes in the link when it was first noticed.
pub fn judge(
    link: &mut Link,
    absence: &Absence,
    noticed: Noticed,
    stream: &Stream,
    now: Timestamp,
) -> Conclusion {
    if link.state == LinkState::Gone {
        // What is gone stays gone until it is seen, however little a later look
        // can tell.
        return Conclusion::Gone;
    }
    let conclusion = conclude(link, absence, noticed, stream, now);
    match &conclusion {
        Conclusion::Gone => gone(link, LinkState::Gone),
        Conclusion::Merged(_) => gone(link, LinkState::Merged),
        Conclusion::Confirm { at } => {
            // A page of changes is no look at the record itself.
            if noticed != Noticed::Listed {
                link.missing_since.get_or_insert(now);
            }
            link.again_at = Some(*at);
        }
        Conclusion::Hidden => {
            link.missing_since.get_or_insert(now);
            link.state = LinkState::Hidden;
            link.again_at = None;
        }
    }
    conclusion
}

fn gone(link: &mut Link, state: LinkState) {
    link.state = state;
    link.again_at = None;
}

fn conclude(
    link: &Link,
    absence: &Absence,
    noticed: Noticed,
    stream: &Stream,
    now: Timestamp,
) -> Conclusion {
    match absence {
        Absence::MergedInto(id) => Conclusion::Merged(id.clone()),
        Absence::Tombstone | Absence::Archived => Conclusion::Gone,
        Absence::Hidden => {
            let settled_at =
                |since: Timestamp| since.plus(stream.settle_ms.fetch().max(SECOND_LOOK));
            // A record that we have just written may not be findable yet.
            let found_by = link.written_at.map_or(Timestamp::ZERO, settled_at);
            match (noticed, link.missing_since) {
                // A list is never enough; a direct read decides.
                (Noticed::Listed | Noticed::Unlisted, _) => Conclusion::Confirm { at: now },
                (Noticed::Fetched, _) if !stream.not_found_means_gone => Conclusion::Hidden,
                (Noticed::Fetched, Some(since)) if now >= settled_at(since).max(found_by) => {
                    Conclusion::Gone
                }
                (Noticed::Fetched, since) => Conclusion::Confirm {
                    at: settled_at(since.unwrap_or(now)).max(found_by),
                },
            }
        }
    }
}
