//! `concord status`

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use concord_core::ports::{Counts, IntentFilter, StoreError};
use concord_core::state::{Hold, Intent, LinkState, Quarantined, RunRow, StreamState, Waiting};
use concord_core::{StreamName, Timestamp};
use concord_engine::Hub;
use concord_engine::brake::{Brake, brake};
use concord_engine::hub::Connection;
use serde::Serialize;

use super::allowances;
use super::connection::rows;
use super::refusals::{Refusal, refused};
use super::writes;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section};

/// How many of each kind of trouble are shown.
const SHOWN: u32 = 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord status
  concord --json status | jq .counts

Works while a sync runs.")]
pub struct Arguments {}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    NeverRead,
    Reading,
    WaitsForApproval,
    Live,
}

impl Phase {
    pub fn words(self) -> &'static str {
        match self {
            Phase::NeverRead => "never read",
            Phase::Reading => "reading",
            Phase::WaitsForApproval => "waits for approval",
            Phase::Live => "live",
        }
    }
}

/// Where one connection stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub name: String,
    pub connector: String,
    pub phase: Phase,
    /// Live links.
    pub linked: i64,
    /// Why it does not run, if it does not.
    pub held: Option<String>,
}

#[derive(Serialize)]
struct Status {
    connections: Vec<Standing>,
    counts: Counts,
    allowances: Vec<allowances::Standing>,
    /// Who has the right to write now.
    running: Option<String>,
    last_run: Option<RunRow>,
    /// An operator stopped all writes.
    writes_stopped: Option<Brake>,
    /// What was refused in the last run.
    refused: Vec<Refusal>,
    holds: Vec<Hold>,
    reviews: usize,
    quarantined: Vec<Quarantined>,
    waiting: Vec<Waiting>,
    open: Vec<Intent>,
}

pub async fn run(cli: &Invocation, _: &Arguments) -> Result<Ending> {
    let sql = cli.reading().await?;
    let hub = cli.records_of(Arc::clone(&sql)).await?;
    let store = hub.store.as_ref();
    let open = IntentFilter {
        open_only: true,
        limit: SHOWN,
        ..IntentFilter::default()
    };
    let holder = store.lease_holder().await?;
    let now = cli.clock.now();
    let last_run = store.runs(1).await?.into_iter().next();
    let refused = match &last_run {
        Some(run) => refused(&hub, run.id).await?,
        None => Vec::new(),
    };
    let counts = store.counts().await?;
    let status = Status {
        connections: standings(&hub).await?,
        allowances: allowances::standings(&hub, &sql, &counts, now).await?,
        counts,
        running: holder
            .filter(|holder| holder.until > now)
            .map(|holder| holder.owner),
        last_run,
        writes_stopped: brake(store).await?,
        refused,
        holds: store.all_holds(SHOWN).await?,
        reviews: store.reviews(true, 100_000).await?.len(),
        quarantined: store.quarantined(SHOWN).await?,
        waiting: store.waiting(SHOWN).await?,
        open: store.intents(&open).await?,
    };
    cli.output
        .show(&status, |status| words(status, &hub, now))?;
    Ok(Ending::Fine)
}

pub async fn standings(hub: &Hub) -> Result<Vec<Standing>, StoreError> {
    let counts = hub.store.counts().await?;
    let live = |connection: &Connection| {
        let here = counts.links.iter().filter(|(id, _, state, _)| {
            *id == connection.id().0 && state.as_str() == word(LinkState::Live)
        });
        here.map(|(_, _, _, number)| number).sum()
    };
    let mut standings = Vec::new();
    for connection in &hub.connections {
        let states = hub.store.streams(connection.id()).await?;
        standings.push(Standing {
            name: connection.row.name.clone(),
            connector: connection.row.connector.clone(),
            phase: phase(connection, &states),
            linked: live(connection),
            held: connection.row.held.clone(),
        });
    }
    Ok(standings)
}

/// The word that counts use for a state.
fn word(state: LinkState) -> String {
    serde_json::to_value(state)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn phase(connection: &Connection, states: &[StreamState]) -> Phase {
    let read_to_its_end = |name: &StreamName| {
        states
            .iter()
            .any(|state| state.stream == *name && state.first_complete_at.is_some())
    };
    let reads = connection.streams.iter().filter(|stream| stream.caps.read);
    if connection.approved() {
        Phase::Live
    } else if states.is_empty() {
        Phase::NeverRead
    } else if reads.clone().all(|stream| read_to_its_end(&stream.name)) {
        Phase::WaitsForApproval
    } else {
        Phase::Reading
    }
}

fn words(status: &Status, hub: &Hub, now: Timestamp) -> String {
    let mut text = match &status.running {
        Some(owner) if owner.starts_with("moved to ") => {
            format!("all records were {owner}; nothing is synced from here any more\n\n")
        }
        Some(owner) => format!("running now: {owner}\n\n"),
        None => String::new(),
    };
    if let Some(brake) = &status.writes_stopped {
        text += &format!("{}\n\n", writes::words(Some(brake)));
    }
    if status.connections.is_empty() {
        text += "there are no connections: `concord apply -f FILE` or `concord connection add`\n";
    }
    text += &rows(&status.connections);
    let counts = &status.counts;
    let kinds: Vec<String> = counts
        .entities
        .iter()
        .map(|(kind, number)| format!("{number} {kind}"))
        .collect();
    let known = if kinds.is_empty() {
        "nothing yet".to_owned()
    } else {
        kinds.join(", ")
    };
    text += &format!("\nknown: {known}\n");
    text += &format!(
        "{}, {} of them held; {} to review; {} open, {} refused so far\n",
        count(counts.conflicts.unsigned_abs(), "conflict"),
        counts.conflicts_held,
        status.reviews,
        count(counts.open_intents.unsigned_abs(), "write"),
        counts.failed_intents
    );
    let excluded = counts.links.iter();
    let excluded = excluded.filter(|(_, _, state, _)| *state == word(LinkState::Excluded));
    let excluded: i64 = excluded.map(|(.., number)| number).sum();
    if excluded > 0 {
        let records = count(excluded.unsigned_abs(), "record");
        text += &format!("{records} excluded: `concord exclude --list` names them\n");
    }
    if let Some(run) = &status.last_run {
        let ended = run
            .ended_at
            .map_or_else(|| "not ended".to_owned(), |at| format!("ended {at}"));
        text += &format!("last run: {} started {}, {ended}\n", run.id, run.started_at);
    }
    text += &allowances::words(&status.allowances, now);
    text += &troubles(status, hub);
    if status
        .connections
        .iter()
        .any(|standing| standing.phase == Phase::WaitsForApproval)
    {
        text += "\nNext: `concord plan` shows what would be written, `concord sync --approve` writes it\n";
    }
    text
}

fn troubles(status: &Status, hub: &Hub) -> String {
    let name = |id| {
        hub.connection(id)
            .map_or("a removed connection", |c| c.row.name.as_str())
    };
    let held: Vec<String> = status
        .holds
        .iter()
        .map(|hold| {
            let field = hold.field.as_ref().map_or("", |field| field.as_str());
            format!("{} {field}: {}", hold.entity, hold.reason)
        })
        .collect();
    let quarantined: Vec<String> = status
        .quarantined
        .iter()
        .map(|record| {
            let (connection, id) = (name(record.connection), &record.remote_id);
            format!("{connection}/{} {id}: {}", record.stream, record.reason)
        })
        .collect();
    let waiting: Vec<String> = status
        .waiting
        .iter()
        .map(|wait| {
            let connection = name(wait.link.connection);
            format!(
                "{connection}/{} {} {}: waits for {} {}",
                wait.link.stream, wait.link.remote_id, wait.field, wait.wants_stream, wait.wants_id
            )
        })
        .collect();
    let open: Vec<String> = status
        .open
        .iter()
        .map(|intent| {
            let connection = name(intent.connection);
            format!(
                "{connection}/{} {}: {:?} {}",
                intent.stream, intent.entity, intent.state, intent.reason
            )
        })
        .collect();
    let refused: Vec<String> = status.refused.iter().map(Refusal::words).collect();
    section(
        "Held for a person (`concord conflicts list --held`):",
        &held,
    ) + &section("Records that could not be taken in:", &quarantined)
        + &section("References to records that are not known yet:", &waiting)
        + &section("Refused by the system in the last run:", &refused)
        + &section("Writes under way or in doubt:", &open)
}
