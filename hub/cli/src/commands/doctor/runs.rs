//! The schedule, the switch, and what became of the last run.

use anyhow::Result;
use concord_core::Timestamp;
use concord_core::ports::Store;
use concord_engine::brake::brake;
use concord_engine::history;
use concord_engine::schedule::Schedule;

use super::Finding;
use crate::commands::serve::LATE;
use crate::commands::writes;
use crate::invocation::Invocation;
use crate::wire::config;
use crate::wire::wishes::Wishes;

pub async fn look(cli: &Invocation, store: &dyn Store) -> Result<Vec<Finding>> {
    let now = cli.clock.now();
    let mut findings = vec![schedule(store, now).await?];
    findings.extend(last_run(store).await?);
    if let Some(brake) = brake(store).await? {
        let says = format!("all are stopped {}", brake.words());
        findings.push(Finding::warning("writes", says, writes::GO_ON));
    }
    Ok(findings)
}

async fn schedule(store: &dyn Store, now: Timestamp) -> Result<Finding> {
    const CHECK: &str = "schedule";
    if let Some(pause) = Wishes::read(store).await?.paused {
        let says = format!("paused since {} {}", pause.since, pause.reason);
        let next = "`concord schedule resume` goes on";
        return Ok(Finding::warning(CHECK, says.trim_end(), next));
    }
    let config = config::stored(store).await?.schedule;
    let schedule = match Schedule::new(&config, now) {
        Ok(schedule) => schedule,
        Err(error) => {
            let next = "correct `schedule` in the configuration, and `concord apply` it";
            return Ok(Finding::broken(CHECK, error.to_string(), next));
        }
    };
    let Some(began) = history::last_began(store).await? else {
        let next = "`concord sync` by hand, `concord serve` on schedule";
        return Ok(Finding::warning(CHECK, "nothing was ever synced", next));
    };
    let due = schedule.next(Some(began), began, 0);
    Ok(match due.filter(|due| due.plus(LATE) < now) {
        Some(due) => Finding::warning(
            CHECK,
            format!("a sync has been due since {due}; the last one began at {began}"),
            "see whether `concord serve` runs, and what it says",
        ),
        None => Finding::fine(CHECK, format!("the last sync began at {began}")),
    })
}

/// What stopped a stream in the last run, and what it waits for.
async fn last_run(store: &dyn Store) -> Result<Option<Finding>> {
    const CHECK: &str = "last run";
    let Some(run) = store.runs(1).await?.pop() else {
        return Ok(None);
    };
    let streams = run.summary["streams"].as_object();
    let mut troubles: Vec<String> = streams
        .into_iter()
        .flatten()
        .filter_map(|(place, stream)| Some(format!("{place}: {}", stream["stopped"].as_str()?)))
        .collect();
    let guarded = run.summary["guarded"].as_array();
    troubles.extend(guarded.into_iter().flatten().filter_map(|guarded| {
        let connection = guarded["connection"].as_str()?;
        Some(format!("{connection} waits for approval"))
    }));
    Ok(Some(match troubles.is_empty() {
        true => Finding::fine(CHECK, format!("run {} went through", run.id)),
        false => Finding::warning(
            CHECK,
            format!("run {}: {}", run.id, troubles.join("; ")),
            "`concord status` says more; what waits for approval is shown by `concord plan`",
        ),
    }))
}
