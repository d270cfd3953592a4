//! Runs, with what each of them wrote.

use concord_core::ports::IntentFilter;
use concord_core::state::RunRow;
use concord_core::{Changeset, IntentId, RunId};

use super::{PAGE, Work};
use crate::error::EngineError;

impl Work<'_> {
    /// Removes old runs behind this one; gives the last of them.
    pub(super) async fn runs(&mut self, after: i64) -> Result<Option<i64>, EngineError> {
        let Some(before) = self.retention.runs.before(self.now) else {
            return Ok(None);
        };
        let page = self.hub.store.scan_runs(RunId(after), PAGE).await?;
        let is_old = |run: &&RunRow| run.ended_at.unwrap_or(run.started_at) < before;
        let old: Vec<RunId> = page.iter().take_while(is_old).map(|run| run.id).collect();
        let Some(last) = old.last().copied() else {
            return Ok(None);
        };
        // Written down first: an undo that took back a part of a run would be
        // worse than none.
        self.progress.runs = self.progress.runs.max(Some(last));
        if !self.is_dry {
            self.note().await?;
        }
        self.done.runs += old.len() as u64;
        let out = Changeset {
            runs_removed: old,
            ..Changeset::default()
        };
        self.commit(&out).await?;
        Ok(Some(last.0))
    }

    /// Removes what old runs wrote, of the writes behind this one; gives the last
    /// that was looked at.
    pub(super) async fn writes(&mut self, after: i64) -> Result<Option<i64>, EngineError> {
        let filter = IntentFilter {
            after: Some(IntentId(after)),
            limit: PAGE,
            ..IntentFilter::default()
        };
        let page = self.hub.store.intents(&filter).await?;
        let last = page.last().map(|intent| intent.id.0);
        let mut old = page;
        old.retain(|intent| Some(intent.run) <= self.progress.runs && !intent.state.is_open());
        let needed = self.hub.needed_for_letters(&old).await?;
        old.retain(|intent| !needed.contains(&intent.id));
        self.done.writes += old.len() as u64;
        let out = Changeset {
            intents_removed: old.into_iter().map(|intent| intent.id).collect(),
            ..Changeset::default()
        };
        self.commit(&out).await?;
        Ok(last)
    }
}
