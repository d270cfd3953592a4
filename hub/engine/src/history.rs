//! The runs on record.

use concord_core::ports::{Sequence, Store, StoreError};
use concord_core::state::RunRow;
use concord_core::{Changeset, RunId, Timestamp};
use serde::Serialize;

use crate::documents;
use crate::error::EngineError;
use crate::hub::Hub;

/// When the last run began that a schedule counts from.
const BEGAN: &str = "last-run-began";

/// When the last run began that was not about webhooks alone, whoever began it.
pub async fn last_began(store: &dyn Store) -> Result<Option<Timestamp>, StoreError> {
    let noted: Option<i64> = documents::read(store, BEGAN).await?;
    if let Some(began) = noted {
        return Ok(Some(Timestamp(began)));
    }
    // A version before this one noted it with the run alone.
    let runs = store.runs(1).await?;
    Ok(runs.first().map(|run| run.started_at))
}

impl Hub {
    pub(crate) async fn begin_run(&self) -> Result<RunRow, EngineError> {
        let row = self.begin_hinted_run().await?;
        documents::write(self.store.as_ref(), BEGAN, &row.started_at.0).await?;
        Ok(row)
    }

    /// One that the schedule does not count.
    pub(crate) async fn begin_hinted_run(&self) -> Result<RunRow, EngineError> {
        let row = RunRow {
            id: RunId(self.store.reserve(&Sequence::Run, 1).await?),
            started_at: self.clock.now(),
            ended_at: None,
            summary: serde_json::Value::Null,
        };
        self.keep_run(&row).await?;
        Ok(row)
    }

    pub(crate) async fn end_run(
        &self,
        mut row: RunRow,
        summary: &impl Serialize,
    ) -> Result<(), EngineError> {
        row.ended_at = Some(self.clock.now());
        row.summary = serde_json::to_value(summary).unwrap_or_default();
        self.keep_run(&row).await
    }

    async fn keep_run(&self, row: &RunRow) -> Result<(), EngineError> {
        let mut out = Changeset::default();
        out.runs.push(row.clone());
        Ok(self.store.commit(&out).await?)
    }
}
