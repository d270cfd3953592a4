//! `concord runs …`

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use concord_core::ports::Store as _;
use concord_core::state::RunRow;
use concord_core::{RunId, Timestamp};
use concord_engine::run::Gap;
use serde_json::Value;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section, table};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The last runs, the latest first
    List(ListArguments),
    /// One run: what it read and wrote, stream by stream, and how long that took
    Show(ShowArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord runs list --last 50")]
pub struct ListArguments {
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    last: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord runs show 7
  concord --json runs show 7 | jq .summary.streams")]
pub struct ShowArguments {
    /// Its number, as `runs list` shows it
    run: i64,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    let store = cli.reading().await?;
    match command {
        Command::List(arguments) => {
            let mut runs = store.runs(arguments.last).await?;
            runs.sort_by_key(|run| std::cmp::Reverse(run.id));
            cli.output.show(&runs, |runs| listed(runs))?;
        }
        Command::Show(arguments) => {
            let number = RunId(arguments.run);
            let before = RunId(arguments.run.saturating_sub(1));
            let found = store.scan_runs(before, 1).await?.into_iter().next();
            let Some(run) = found.filter(|run| run.id == number) else {
                bail!(
                    "there is no run {number}: `concord runs list` names them, and `retention` \
                     says how long they are kept"
                );
            };
            cli.output.show(&run, shown)?;
        }
    }
    Ok(Ending::Fine)
}

/// The sum of a number over all streams of a run.
fn sum(run: &RunRow, part: &str, names: &[&str]) -> u64 {
    let streams = run.summary["streams"].as_object();
    let streams = streams.into_iter().flat_map(|streams| streams.values());
    let numbers = streams.flat_map(|stream| names.iter().map(|name| number(stream, part, name)));
    numbers.sum()
}

fn number(stream: &Value, part: &str, name: &str) -> u64 {
    stream[part][name].as_u64().unwrap_or_default()
}

fn span(from: Timestamp, until: Option<Timestamp>) -> String {
    match until {
        Some(until) => seconds(u64::try_from(until.0 - from.0).unwrap_or_default() / 1000),
        None => "not ended".to_owned(),
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

const WRITES: [&str; 3] = ["created", "updated", "deleted"];

/// What kept parts of it from going through.
fn troubles(run: &RunRow) -> Vec<String> {
    let streams = run.summary["streams"].as_object();
    let stopped = streams
        .into_iter()
        .flatten()
        .filter_map(|(place, stream)| Some(format!("{place}: {}", stream["stopped"].as_str()?)));
    let guarded = run.summary["guarded"].as_array();
    let guarded = guarded.into_iter().flatten().filter_map(|guarded| {
        let connection = guarded["connection"].as_str()?;
        Some(format!("{connection}: waits for approval"))
    });
    let brake = run.summary["writes_stopped"]["reason"].as_str();
    let brake = brake.map(|reason| format!("all writes were stopped: {reason}"));
    gap(run)
        .into_iter()
        .chain(stopped)
        .chain(guarded)
        .chain(brake)
        .collect()
}

/// Why there was none before it.
fn gap(run: &RunRow) -> Option<String> {
    let gap: Gap = serde_json::from_value(run.summary["resumed"].clone()).ok()?;
    let tries = match gap.tries {
        0 => String::new(),
        tries => format!(", {} in vain", count(tries.into(), "attempt")),
    };
    Some(format!(
        "nothing ran since {}{tries}: {}",
        gap.since, gap.reason
    ))
}

fn listed(runs: &[RunRow]) -> String {
    if runs.is_empty() {
        return "nothing was ever synced: `concord sync`".to_owned();
    }
    let rows = runs.iter().map(|run| {
        [
            run.id.to_string(),
            run.started_at.to_string(),
            span(run.started_at, run.ended_at),
            sum(run, "read", &["records"]).to_string(),
            sum(run, "sent", &WRITES).to_string(),
            sum(run, "sent", &["refused"]).to_string(),
            troubles(run).len().to_string(),
        ]
    });
    table(
        [
            "run", "began", "took", "read", "written", "refused", "stopped",
        ],
        rows,
    )
}

fn shown(run: &RunRow) -> String {
    let mut text = format!(
        "run {} began {}, took {}\n",
        run.id,
        run.started_at,
        span(run.started_at, run.ended_at)
    );
    let streams = run.summary["streams"].as_object();
    text += &table(
        [
            "stream", "took", "read", "new", "changed", "gone", "created", "updated", "deleted",
            "refused",
        ],
        streams.into_iter().flatten().map(|(place, stream)| {
            let read = |name| number(stream, "read", name).to_string();
            let sent = |name| number(stream, "sent", name).to_string();
            [
                place.clone(),
                seconds(stream["took_ms"].as_u64().unwrap_or_default()),
                read("records"),
                read("new"),
                read("changed"),
                read("gone"),
                sent("created"),
                sent("updated"),
                sent("deleted"),
                sent("refused"),
            ]
        }),
    );
    text + &section("Stopped:", &troubles(run))
}
