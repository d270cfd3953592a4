//! `concord replay`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use concord_core::Timestamp;
use concord_core::chance::Seeded;
use concord_core::ports::{Clock, Store};
use concord_engine::recorder::{
    Connected, Departure, Difference, Ended, Event, Header, Player, StandingClock, Verdict,
    Witness as _,
};
use concord_engine::sharing::{Sharing, Terms};
use concord_engine::{EngineError, Hub};
use concord_store::SqlStore;
use serde::Serialize;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section, value};
use crate::wire::flight::{Flight, Replaying};
use crate::wire::hub::{Reach, held};
use crate::wire::{config, recording, store};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord sync --record run.recording
  concord replay run.recording
  concord replay run.recording --plugins target/plugins
  concord replay run.recording --mapping crm=crm-lenses.yaml

Nothing is asked of any system, and no database but a temporary one is written
to. Requests, answers of connectors and everything committed are compared with
what was recorded, byte for byte; ends with 3 where something differs.")]
pub struct Arguments {
    /// What `concord sync --record` made
    file: PathBuf,
    /// Other lenses for a connection, as they stand under `mapping` in the
    /// configuration
    #[arg(long, value_name = "CONNECTION=FILE", value_parser = other_mapping)]
    mapping: Vec<(String, PathBuf)>,
}

fn other_mapping(text: &str) -> Result<(String, PathBuf), String> {
    let parts = text.split_once('=');
    let parts = parts.filter(|(connection, file)| !connection.is_empty() && !file.is_empty());
    let (connection, file) = parts.ok_or("write it like crm=lenses.yaml")?;
    Ok((connection.to_owned(), file.into()))
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let opened = recording::open(&arguments.file, cli.global.key.as_ref())?;
    let folder = tempfile::tempdir()?;
    let scratch = store::make(&folder.path().join("replay.db")).await?;
    let (header, tape) = opened.books(&scratch).await?;
    for (connection, file) in &arguments.mapping {
        config::with_other_mapping(scratch.as_ref(), connection, file).await?;
    }
    let player = Arc::new(Player::new(tape)?);
    let replaying = Replaying::new(Arc::clone(&player), header.connections.clone());
    let replaying = Arc::new(replaying);
    let mut hub = hub(cli, &scratch, &header, &replaying).await?;
    all_run(&hub, &header)?;
    player.ends(Arc::clone(&hub.stop));
    let ended = hub.sync(&header.request).await;
    cli.watch.finish();
    // A run that the player ended did not come to an end of its own.
    if !matches!(ended, Err(EngineError::Ended)) {
        player.note(Event::End(Ended::of(ended.as_ref())));
    }
    let account = Account {
        made: header.made,
        version: header.version,
        verdict: player.verdict()?,
        plugins: changed(&header.connections, &replaying.connected()),
    };
    cli.output.show(&account, Account::words)?;
    Ok(match account.verdict.identical {
        true => Ending::Fine,
        false => Ending::Diverged,
    })
}

/// The hub as it was, with the recording in place of the world.
async fn hub(
    cli: &Invocation,
    scratch: &Arc<SqlStore>,
    header: &Header,
    replaying: &Arc<Replaying>,
) -> Result<Hub> {
    let span = Duration::from_millis;
    let sharing = header.shared.then(|| {
        let usual = Terms::default();
        let claim = span(header.lease_ms);
        let terms = Terms {
            claim,
            turn: usual.turn.min(claim / 2),
            request: span(header.request_timeout_ms),
            ..usual
        };
        let clock: Arc<dyn Clock> = Arc::new(StandingClock::new(header.made));
        let store = Arc::clone(scratch) as Arc<dyn Store>;
        Arc::new(Sharing::new(store, clock, header.owner.clone(), terms))
    });
    let mut hub = cli
        .hub_in_flight(
            Arc::clone(scratch),
            Reach::Systems,
            header.owner.clone(),
            sharing,
            Flight::Replayed(Arc::clone(replaying)),
        )
        .await?;
    hub.rng = Arc::new(Seeded::new(header.seed));
    hub.options.request_timeout = span(header.request_timeout_ms);
    if !header.shared {
        hub.options.lease = span(header.lease_ms);
    }
    Ok(hub)
}

/// A connection that ran has to run here as well, or nothing is compared.
fn all_run(hub: &Hub, header: &Header) -> Result<()> {
    for (connection, reason) in held(hub) {
        let recorded = header.connections.iter();
        let mut ran = recorded.filter(|known| known.held.is_none());
        if ran.any(|known| known.connection == connection) {
            bail!("{connection} ran when it was recorded and cannot run here: {reason}");
        }
    }
    Ok(())
}

/// A connection whose connector is another one than was recorded.
#[derive(Debug, Serialize)]
struct Changed {
    recorded: String,
    here: String,
}

fn changed(recorded: &[Connected], here: &[Connected]) -> BTreeMap<String, Changed> {
    let name = |one: &Connected| format!("{} {} ({})", one.plugin, one.version, one.blake3);
    let pairs = recorded.iter().filter_map(|recorded| {
        let mut here = here.iter();
        let here = here.find(|one| one.connection == recorded.connection)?;
        (recorded.blake3 != here.blake3).then(|| {
            let change = Changed {
                recorded: name(recorded),
                here: name(here),
            };
            (recorded.connection.clone(), change)
        })
    });
    pairs.collect()
}

#[derive(Debug, Serialize)]
struct Account {
    made: Timestamp,
    version: String,
    #[serde(flatten)]
    verdict: Verdict,
    /// Connectors that are not the recorded ones.
    plugins: BTreeMap<String, Changed>,
}

impl Account {
    fn words(&self) -> String {
        let verdict = &self.verdict;
        let same = verdict.same;
        let mut text = match verdict.identical {
            true => "identical".to_owned(),
            false => format!("departs at {}", count(verdict.count as u64, "place")),
        };
        text += &format!(
            ": the run of {} (concord {}); as recorded are {}, {}, {} with {}\n",
            self.made,
            self.version,
            count(same.calls, "call"),
            count(same.requests, "request"),
            count(same.commits, "commit"),
            count(same.intents, "planned write"),
        );
        if verdict.cut {
            text += "the recording ends there: its run was ended before it was through\n";
        }
        let plugins: Vec<String> = self
            .plugins
            .iter()
            .map(|(name, change)| format!("{name}: {}, not {}", change.here, change.recorded))
            .collect();
        text += &section("Other connectors than were recorded:", &plugins);
        for departure in &verdict.departures {
            text += &told(departure);
        }
        let more = verdict.count - verdict.departures.len();
        if more > 0 {
            text += &format!("\nand at {}\n", count(more as u64, "more place"));
        }
        if let Some(why) = &verdict.ended {
            text += &format!("\nThe replay ends there: {why}\n");
        }
        text
    }
}

fn told(departure: &Departure) -> String {
    let line = |difference: &Difference| {
        format!(
            "{}: {}, not {}",
            difference.path,
            value(&difference.replayed),
            value(&difference.recorded)
        )
    };
    let mut lines: Vec<String> = departure.differences.iter().map(line).collect();
    let more = departure.count - departure.differences.len();
    if more > 0 {
        lines.push(format!("and {} more", count(more as u64, "difference")));
    }
    let heading = format!("{}: {}", departure.place, departure.what);
    match lines.is_empty() {
        true => format!("\n{heading}\n"),
        false => section(&heading, &lines),
    }
}
