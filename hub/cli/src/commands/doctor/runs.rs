//! The schedule, the switch, and what became of the last run.

use anyhow::Result;
use concord_core::Timestamp;
use concord_core::ports::Store;
use concord_engine::brake::brake;
use concord_engine::history::Began;
use concord_engine::timetable::Timetable;

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
    let wishes = Wishes::read(store).await?;
    if let Some(pause) = &wishes.all.paused {
        let next = "`concord schedule resume` goes on";
        return Ok(Finding::warning(CHECK, pause.to_string(), next));
    }
    let config = config::stored(store).await?;
    let began = Began::load(store).await?;
    let table = match Timetable::new(&config, &began, now) {
        Ok(table) => table.without(&wishes.paused_ones()),
        Err(error) => {
            let next = "correct it in the configuration, and `concord apply` it";
            return Ok(Finding::broken(CHECK, error.to_string(), next));
        }
    };
    let Some(last) = began.last() else {
        let next = "`concord sync` by hand, `concord serve` on schedule";
        return Ok(Finding::warning(CHECK, "nothing was ever synced", next));
    };
    let entries = table.entries().iter();
    let overdue = entries.filter_map(|entry| Some((entry.overdue(now, LATE)?, entry)));
    if let Some((due, entry)) = overdue.min_by_key(|(due, _)| *due) {
        let (name, direction) = (&entry.connection, entry.direction);
        return Ok(Finding::warning(
            CHECK,
            format!("{name} has been due since {due} ({direction}); the last sync began at {last}"),
            "see whether `concord serve` runs, and what it says",
        ));
    }
    let paused = wishes.connections.iter().filter_map(|(name, wish)| {
        let pause = wish.paused.as_ref()?;
        Some(format!("{name} {pause}"))
    });
    let paused: Vec<String> = paused.collect();
    Ok(match paused.is_empty() {
        true => Finding::fine(CHECK, format!("the last sync began at {last}")),
        false => Finding::warning(
            CHECK,
            paused.join("; "),
            "`concord schedule resume --connection NAME` goes on",
        ),
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
