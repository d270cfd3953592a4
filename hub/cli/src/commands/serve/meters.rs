//! What a serving hub counts of its runs.

use std::time::Duration;

use anyhow::Result;
use concord_core::ports::StoreError;
use concord_engine::Hub;
use concord_engine::run::Report;
use metrics::{counter, histogram};

use crate::wire::hub::held;

/// A run is over, with whatever came before and after it.
pub fn ended(run: &Result<Option<(Hub, Report)>>, took: Duration) {
    let Some(outcome) = outcome(run) else { return };
    counter!("concord_runs_total", "outcome" => outcome).increment(1);
    histogram!("concord_run_duration_seconds").record(took);
}

/// In the words of the exit codes of `concord sync`.  None where there was no run,
/// because another hub's was under way.
fn outcome(run: &Result<Option<(Hub, Report)>>) -> Option<&'static str> {
    Some(match run {
        Ok(Some((hub, report))) => {
            let in_part = report.failed() || !report.guarded.is_empty() || !held(hub).is_empty();
            if in_part { "partly_stopped" } else { "fine" }
        }
        Ok(None) => "interrupted",
        Err(error) => match error.downcast_ref::<StoreError>() {
            Some(StoreError::Busy { .. }) => return None,
            _ => "failed",
        },
    })
}
