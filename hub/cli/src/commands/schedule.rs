//! `concord schedule …`

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use concord_core::Timestamp;
use concord_engine::history;
use concord_engine::schedule::{Schedule, ScheduleConfig};
use serde::Serialize;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::config;
use crate::wire::wishes::{Pause, Wishes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// When the next sync begins, and why none does
    #[command(after_help = "Example:\n  concord schedule show")]
    Show,
    /// Begin no sync until `resume`; one that runs goes on to its end
    Pause(PauseArguments),
    /// Go on after a pause
    #[command(after_help = "Example:\n  concord schedule resume")]
    Resume,
    /// Begin a sync now, whatever the schedule says
    #[command(after_help = "Example:\n  concord schedule now")]
    Now,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord schedule pause \"the CRM is being moved\"")]
pub struct PauseArguments {
    /// Why, for whoever looks
    #[arg(default_value = "")]
    reason: String,
}

#[derive(Serialize)]
struct Shown {
    schedule: ScheduleConfig,
    last_began: Option<Timestamp>,
    next: Option<Timestamp>,
    paused: Option<Pause>,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    if let Command::Show = command {
        return show(cli).await;
    }
    let store = cli.writing().await?;
    let mut wishes = Wishes::read(store.as_ref()).await?;
    let now = cli.clock.now();
    let said = match command {
        Command::Show => return show(cli).await,
        Command::Pause(arguments) => {
            wishes.paused = Some(Pause {
                since: now,
                reason: arguments.reason.clone(),
            });
            "paused: `concord schedule resume` goes on"
        }
        Command::Resume => {
            if wishes.paused.take().is_none() {
                bail!("the schedule is not paused");
            }
            "the schedule goes on"
        }
        Command::Now => {
            if wishes.paused.is_some() {
                bail!("the schedule is paused: `concord schedule resume` first");
            }
            wishes.hurry = Some(now);
            "a sync begins as soon as `concord serve` runs and no other sync does"
        }
    };
    wishes.keep(store.as_ref()).await?;
    cli.output.show(&wishes, |_| said.to_owned())?;
    Ok(Ending::Fine)
}

async fn show(cli: &Invocation) -> Result<Ending> {
    let store = cli.reading().await?;
    let config = config::stored(store.as_ref()).await?;
    let wishes = Wishes::read(store.as_ref()).await?;
    let now = cli.clock.now();
    let schedule = Schedule::new(&config.schedule, now)?;
    let last_began = history::last_began(store.as_ref()).await?;
    let shown = Shown {
        next: match &wishes.paused {
            Some(_) => None,
            None => schedule.next(last_began, now, 0),
        },
        schedule: config.schedule,
        last_began,
        paused: wishes.paused,
    };
    cli.output.show(&shown, words)?;
    Ok(Ending::Fine)
}

fn words(shown: &Shown) -> String {
    let last = shown
        .last_began
        .map_or_else(|| "no sync so far".into(), |at| format!("last sync: {at}"));
    let next = match (&shown.paused, shown.next) {
        (Some(pause), _) if pause.reason.is_empty() => format!("paused since {}", pause.since),
        (Some(pause), _) => format!("paused since {}: {}", pause.since, pause.reason),
        (None, Some(next)) => format!("next sync: {next}, while `concord serve` runs"),
        (None, None) => "no next sync".into(),
    };
    format!("{last}\n{next}")
}
