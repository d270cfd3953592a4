//! Removes what is older than the books are to be kept, in small steps, and
//! nothing that is still needed (`concord_sync::retention`).
//!
//! How far it came is a document, so that a sync that ends goes on where the one
//! before it stopped, and an undo knows which runs are not on record any more.

mod events;
mod runs;

use std::sync::atomic::Ordering;
use std::time::Duration;

use concord_core::ports::ConflictFilter;
use concord_core::{Changeset, EntityId, RunId, Timestamp};
use concord_sync::retention::{Retention, is_old};
use serde::{Deserialize, Serialize};

use crate::documents;
use crate::error::EngineError;
use crate::hub::Hub;

const DOCUMENT: &str = "compaction";

/// So many rows are looked at in one step.
const PAGE: u32 = 500;

/// So many steps a sync takes at its end: a small part of what it does itself.
const STEPS_OF_A_SYNC: u32 = 10;

/// A sync begins anew no sooner than this after the books were last begun.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    pub runs: u64,
    /// What these runs wrote.
    pub writes: u64,
    pub conflicts: u64,
    pub events: u64,
}

/// How far it came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// When the way through the books was last begun.
    began: Timestamp,
    /// No run up to this one is on record whole.
    runs: Option<RunId>,
    /// Where it goes on; none where it is through.
    place: Option<Place>,
}

/// The parts of the books, in their order, and the row behind which the next
/// step begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Runs(i64),
    Writes(i64),
    Conflicts(i64),
    Events(Option<(EntityId, i64)>),
}

const FIRST: Place = Place::Runs(0);

/// One way through the books, or a part of it.
struct Work<'a> {
    hub: &'a Hub,
    retention: Retention,
    now: Timestamp,
    progress: Progress,
    is_dry: bool,
    done: Compacted,
}

impl Hub {
    /// Removes all that may go.
    pub async fn compact(&mut self) -> Result<Compacted, EngineError> {
        self.with_lease(async |hub| {
            let Some(mut work) = hub.work(false).await? else {
                return Ok(Compacted::default());
            };
            work.progress.began = work.now;
            work.progress.place = Some(FIRST);
            while work.step().await? {
                if let Some(sharing) = &hub.options.sharing {
                    // Another hub may decide between two steps.
                    sharing.rest(sharing.terms().look).await?;
                }
                hub.extend_lease().await?;
            }
            work.note().await?;
            Ok(work.done)
        })
        .await
    }

    /// Counts what may go.
    pub async fn compact_dry(&self) -> Result<Compacted, EngineError> {
        let Some(mut work) = self.work(true).await? else {
            return Ok(Compacted::default());
        };
        work.progress.place = Some(FIRST);
        while work.step().await? {}
        Ok(work.done)
    }

    /// A few steps at the end of a sync; once a day all parts are begun anew.
    pub(crate) async fn compact_some(&self) -> Result<(), EngineError> {
        let Some(mut work) = self.work(false).await? else {
            return Ok(());
        };
        if work.progress.place.is_none() {
            if work.now.since(work.progress.began) < EVERY {
                return Ok(());
            }
            // Nothing is old yet where no sync has been here before.
            let is_new = work.progress.began == Timestamp::ZERO;
            work.progress.place = (!is_new).then_some(FIRST);
            work.progress.began = work.now;
        }
        for _ in 0..STEPS_OF_A_SYNC {
            // What the run did stands; it is not to be cut short here.
            if self.stop.load(Ordering::Relaxed) || !work.step().await? {
                break;
            }
            self.lease_for(self.options.lease / 2).await?;
        }
        if work.done != Compacted::default() {
            tracing::info!(removed = ?work.done, "removed what is older than it is to be kept");
        }
        work.note().await
    }

    /// A run is taken back whole or not at all.
    pub(crate) async fn refuse_compacted(&self, run: RunId) -> Result<(), EngineError> {
        if Some(run) > self.progress().await?.runs {
            return Ok(());
        }
        Err(EngineError::Refused(format!(
            "run {run} is too old to be taken back: what it wrote is not on record any more \
             (`retention: runs:` in the configuration says how long that is kept)"
        )))
    }

    /// None where everything is kept.
    async fn work(&self, is_dry: bool) -> Result<Option<Work<'_>>, EngineError> {
        let Some(retention) = self.options.retention else {
            return Ok(None);
        };
        Ok(Some(Work {
            hub: self,
            retention,
            now: self.clock.now(),
            progress: self.progress().await?,
            is_dry,
            done: Compacted::default(),
        }))
    }

    async fn progress(&self) -> Result<Progress, EngineError> {
        let progress = documents::read(self.store.as_ref(), DOCUMENT).await?;
        Ok(progress.unwrap_or_default())
    }
}

impl Work<'_> {
    /// One step; false where there is none left.
    async fn step(&mut self) -> Result<bool, EngineError> {
        let Some(place) = self.progress.place.clone() else {
            return Ok(false);
        };
        let next = match place {
            Place::Runs(after) => {
                let next = self.runs(after).await?;
                Some(next.map_or(Place::Writes(0), Place::Runs))
            }
            Place::Writes(after) => {
                let next = self.writes(after).await?;
                Some(next.map_or(Place::Conflicts(0), Place::Writes))
            }
            Place::Conflicts(after) => {
                let next = self.conflicts(after).await?;
                Some(next.map_or(Place::Events(None), Place::Conflicts))
            }
            Place::Events(after) => {
                let next = self.events(after).await?;
                next.map(|last| Place::Events(Some(last)))
            }
        };
        self.progress.place = next;
        Ok(self.progress.place.is_some())
    }

    async fn conflicts(&mut self, after: i64) -> Result<Option<i64>, EngineError> {
        let Some(before) = self.retention.conflicts.before(self.now) else {
            return Ok(None);
        };
        let filter = ConflictFilter {
            after: Some(after),
            limit: PAGE,
            ..ConflictFilter::default()
        };
        let page = self.hub.store.conflicts(&filter).await?;
        let old = page.iter().filter(|conflict| is_old(conflict, before));
        let out = Changeset {
            conflicts_removed: old.map(|conflict| conflict.id).collect(),
            ..Changeset::default()
        };
        self.done.conflicts += out.conflicts_removed.len() as u64;
        self.commit(&out).await?;
        Ok(page.last().map(|conflict| conflict.id))
    }

    async fn commit(&self, out: &Changeset) -> Result<(), EngineError> {
        if self.is_dry || out.is_empty() {
            return Ok(());
        }
        Ok(self.hub.store.commit(out).await?)
    }

    async fn note(&mut self) -> Result<(), EngineError> {
        // Another hub may have come further since this was read.
        let runs = self.hub.progress().await?.runs;
        self.progress.runs = self.progress.runs.max(runs);
        Ok(documents::write(self.hub.store.as_ref(), DOCUMENT, &self.progress).await?)
    }
}
