//! `concord dead-letters …`

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_engine::letters::{Letters, Replayed};

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section, table, whole};
use crate::wire::hub::Reach;
use crate::wire::lease;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List writes that a system refused and records that could not be taken in
    List(ListArguments),
    /// Have the next sync try again
    Replay(ReplayArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord dead-letters list
  concord --json dead-letters list | jq '.refused[].fault'

A refused value is not sent again until it changes, or is replayed.")]
pub struct ListArguments {}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord dead-letters replay 12 15
  concord dead-letters replay --all

For when the system's rule or the mapping was mended. The next sync plans the
writes anew and reads the records again.")]
#[group(required = true, multiple = true)]
pub struct ReplayArguments {
    /// The writes' numbers, as `concord dead-letters list` shows them
    #[arg(value_name = "WRITE", conflicts_with = "all")]
    writes: Vec<i64>,
    /// All of them, and every record that could not be taken in
    #[arg(long)]
    all: bool,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::List(_) => list(cli).await,
        Command::Replay(arguments) => replay(cli, arguments).await,
    }
}

async fn list(cli: &Invocation) -> Result<Ending> {
    let hub = cli.records().await?;
    let letters = hub.letters().await?;
    cli.output.show(&letters, words)?;
    Ok(Ending::Fine)
}

fn words(letters: &Letters) -> String {
    let mut text = table(
        ["write", "record", "at", "values", "fault"],
        letters.refused.iter().map(|letter| {
            let values: Vec<String> = letter
                .values
                .iter()
                .map(|(name, value)| format!("{name}: {}", whole(value)))
                .collect();
            [
                letter.intent.to_string(),
                letter.entity.to_string(),
                format!("{}/{}", letter.connection, letter.stream),
                values.join(", "),
                letter.fault.clone(),
            ]
        }),
    );
    let quarantined: Vec<String> = letters
        .quarantined
        .iter()
        .map(|record| format!("{} {}: {}", record.stream, record.remote_id, record.reason))
        .collect();
    text += &section("Records that could not be taken in:", &quarantined);
    if text.is_empty() {
        text = "nothing was refused, and every record was taken in".into();
    }
    text
}

async fn replay(cli: &Invocation, arguments: &ReplayArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let replayed = lease::with(
        store.as_ref(),
        cli.clock.as_ref(),
        "dead-letters replay",
        async || hub.replay(&arguments.writes).await,
    );
    let replayed: Replayed = replayed.await?;
    cli.output.show(&replayed, |replayed| {
        let mut text = format!(
            "the next sync tries {} again and reads {} again",
            count(replayed.writes, "write"),
            count(replayed.records, "record")
        );
        if replayed.unknown > 0 {
            let unknown = count(replayed.unknown, "record");
            text += &format!("; `concord sync --full` brings {unknown} that it does not know yet");
        }
        text
    })?;
    Ok(Ending::Fine)
}
