//! `concord schedule …`

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use concord_core::Timestamp;
use concord_engine::history::Began;
use concord_engine::schedule::ScheduleConfig;
use concord_engine::timetable::{Direction, Timetable};
use serde::Serialize;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::table;
use crate::wire::config;
use crate::wire::wishes::{Pause, Wish, Wishes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// When the next sync begins, and why none does
    #[command(after_help = "Example:\n  concord schedule show")]
    Show,
    /// Begin no sync until `resume`; one that runs goes on to its end
    Pause(PauseArguments),
    /// Go on after a pause
    #[command(after_help = "Example:\n  concord schedule resume")]
    Resume(Whose),
    /// Begin a sync now, whatever the schedule says
    #[command(after_help = "Example:\n  concord schedule now --connection crm")]
    Now(Whose),
}

#[derive(Debug, Args)]
pub struct Whose {
    /// Of this connection only
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord schedule pause \"the CRM is being moved\"
  concord schedule pause --connection crm \"it is being moved\"")]
pub struct PauseArguments {
    /// Why, for whoever looks
    #[arg(default_value = "")]
    reason: String,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Serialize)]
struct Shown {
    schedule: ScheduleConfig,
    last_began: Option<Timestamp>,
    /// The first of all.
    next: Option<Timestamp>,
    paused: Option<Pause>,
    turns: Vec<Turn>,
}

#[derive(Serialize)]
struct Turn {
    connection: String,
    direction: Direction,
    /// Whether the connection has a schedule of its own for it.
    own: bool,
    last_began: Option<Timestamp>,
    next: Option<Timestamp>,
    paused: Option<Pause>,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::Show => show(cli).await,
        Command::Pause(arguments) => {
            let pause = Pause {
                since: cli.clock.now(),
                reason: arguments.reason.clone(),
            };
            wish(cli, &arguments.whose, |_, wish| {
                wish.paused = Some(pause);
                Ok("paused: `concord schedule resume` goes on")
            })
            .await
        }
        Command::Resume(whose) => {
            wish(cli, whose, |_, wish| match wish.paused.take() {
                None => bail!("the schedule is not paused"),
                Some(_) => Ok("the schedule goes on"),
            })
            .await
        }
        Command::Now(whose) => {
            let now = cli.clock.now();
            wish(cli, whose, |is_all_paused, wish| {
                if is_all_paused || wish.paused.is_some() {
                    bail!("the schedule is paused: `concord schedule resume` first");
                }
                wish.hurry = Some(now);
                Ok("a sync begins as soon as `concord serve` runs and no other sync does")
            })
            .await
        }
    }
}

/// Changes what is wanted of one connection or of all, and says what comes of it.
async fn wish(
    cli: &Invocation,
    whose: &Whose,
    change: impl FnOnce(bool, &mut Wish) -> Result<&'static str>,
) -> Result<Ending> {
    let store = cli.writing().await?;
    let mut wishes = Wishes::read(store.as_ref()).await?;
    if let Some(name) = &whose.connection {
        let config = config::stored(store.as_ref()).await?;
        if !config.connections.contains_key(name) {
            bail!("there is no connection '{name}': `concord connection list` names them");
        }
    }
    let is_all_paused = wishes.all.paused.is_some();
    let said = change(is_all_paused, wishes.of(whose.connection.as_deref()))?;
    wishes.keep(store.as_ref()).await?;
    cli.output.show(&wishes, |_| said.to_owned())?;
    Ok(Ending::Fine)
}

async fn show(cli: &Invocation) -> Result<Ending> {
    let store = cli.reading().await?;
    let config = config::stored(store.as_ref()).await?;
    let wishes = Wishes::read(store.as_ref()).await?;
    let now = cli.clock.now();
    let began = Began::load(store.as_ref()).await?;
    let timetable = Timetable::new(&config, &began, now)?;
    let entries = timetable.entries().iter();
    let turns: Vec<Turn> = entries
        .map(|entry| {
            let wish = wishes.connections.get(&entry.connection);
            let paused = wish.and_then(|wish| wish.paused.clone());
            let is_paused = wishes.all.paused.is_some() || paused.is_some();
            let next = (!is_paused).then(|| entry.next(now, 0)).flatten();
            Turn {
                connection: entry.connection.clone(),
                direction: entry.direction,
                own: entry.is_own,
                last_began: entry.began,
                next,
                paused,
            }
        })
        .collect();
    let shown = Shown {
        schedule: config.schedule,
        last_began: began.last(),
        next: turns.iter().filter_map(|turn| turn.next).min(),
        paused: wishes.all.paused,
        turns,
    };
    cli.output.show(&shown, words)?;
    Ok(Ending::Fine)
}

fn words(shown: &Shown) -> String {
    let last = shown
        .last_began
        .map_or_else(|| "no sync so far".into(), |at| format!("last sync: {at}"));
    let next = match (&shown.paused, shown.next) {
        (Some(pause), _) => pause.to_string(),
        (None, Some(next)) => format!("next sync: {next}, while `concord serve` runs"),
        (None, None) => "no next sync".into(),
    };
    let text = format!("{last}\n{next}");
    // Where all follow one schedule there is no more to say.
    let is_plain = |turn: &Turn| !turn.own && turn.paused.is_none();
    if shown.turns.iter().all(is_plain) {
        return text;
    }
    let rows = shown.turns.iter().map(|turn| {
        let at = |moment: Option<Timestamp>| moment.map_or_else(String::new, |at| at.to_string());
        let next = match &turn.paused {
            Some(pause) => pause.to_string(),
            None => at(turn.next),
        };
        [
            turn.connection.clone(),
            turn.direction.to_string(),
            at(turn.last_began),
            next,
        ]
    });
    let turns = table(["connection", "direction", "last", "next"], rows);
    format!("{text}\n\n{turns}")
}
