//! `concord writes …`

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use concord_engine::brake::{Brake, brake, set_brake};
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Whether writes are stopped, since when and why
    #[command(after_help = "Example:\n  concord writes show")]
    Show,
    /// Write no record to any system any more, from this moment on, until `resume`
    Stop(StopArguments),
    /// Let writes go on
    #[command(after_help = "Example:\n  concord writes resume")]
    Resume,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord writes stop \"wrong phone numbers since this morning\"

Holds for every hub of the database. One that is writing finishes the batch that is
on its way, and begins no other.
Reading, matching and merging go on, and nothing that people change is missed.")]
pub struct StopArguments {
    /// Why, for whoever looks
    #[arg(default_value = "")]
    reason: String,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    let store = match command {
        Command::Show => cli.reading().await?,
        Command::Stop(_) | Command::Resume => cli.writing().await?,
    };
    let before = brake(store.as_ref()).await?;
    let now = match command {
        Command::Show => before,
        Command::Stop(arguments) => {
            let brake = Brake {
                // Whoever stopped them first says since when.
                since: before.map_or_else(|| cli.clock.now(), |before| before.since),
                reason: arguments.reason.clone(),
            };
            set_brake(store.as_ref(), Some(&brake)).await?;
            Some(brake)
        }
        Command::Resume => {
            if before.is_none() {
                bail!("writes are not stopped");
            }
            set_brake(store.as_ref(), None).await?;
            None
        }
    };
    let document = json!({ "stopped": now });
    cli.output.show(&document, |_| words(now.as_ref()))?;
    Ok(Ending::Fine)
}

/// What to do about it.
pub(super) const GO_ON: &str = "`concord writes resume` lets them go on";

/// For people, here and wherever else it is told.
pub(super) fn words(brake: Option<&Brake>) -> String {
    match brake {
        Some(brake) => format!("all writes are stopped {}. {GO_ON}", brake.words()),
        None => "writes are not stopped".to_owned(),
    }
}
