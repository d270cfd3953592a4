//! `concord alerts …`

use anyhow::{Result, bail};
use clap::Subcommand;
use concord_core::Timestamp;
use concord_core::alert::{Alert, AlertKind};
use concord_engine::alerts::known;
use serde::Serialize;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::alerts::messengers;
use crate::wire::config;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What lasts that a person has to see to, and when somebody was told
    #[command(after_help = "Example:\n  concord alerts list")]
    List,
    /// Tell everybody whom `alerts` of the configuration names, to see whether it
    /// arrives
    #[command(after_help = "Example:\n  concord alerts test")]
    Test,
}

#[derive(Serialize)]
struct Open {
    #[serde(flatten)]
    alert: Alert,
    told_at: Option<Timestamp>,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::List => list(cli).await,
        Command::Test => test(cli).await,
    }
}

async fn list(cli: &Invocation) -> Result<Ending> {
    let store = cli.reading().await?;
    let ledger = known(store.as_ref()).await?;
    let open: Vec<Open> = ledger
        .open()
        .map(|(alert, told_at)| Open { alert, told_at })
        .collect();
    cli.output.show(&open, |open| words(open))?;
    Ok(Ending::Fine)
}

fn words(open: &[Open]) -> String {
    if open.is_empty() {
        return "`concord serve` found nothing that a person has to see to".to_owned();
    }
    let lines = open.iter().map(|open| {
        let told = match open.told_at {
            Some(at) => format!("told at {at}"),
            None => "nobody was told yet".to_owned(),
        };
        format!("{}\n  {told}\n", open.alert.words())
    });
    lines.collect()
}

async fn test(cli: &Invocation) -> Result<Ending> {
    let store = cli.reading().await?;
    let config = config::stored(store.as_ref()).await?;
    let messengers = messengers(&config.alerts)?;
    if messengers.is_empty() {
        bail!("nobody is told of anything: write `alerts` into the configuration");
    }
    let alert = Alert {
        kind: AlertKind::Test,
        connection: None,
        since: cli.clock.now(),
        says: "somebody tries whether alerts arrive".to_owned(),
        next: "nothing: this is a test".to_owned(),
        over: false,
    };
    let mut arrived = Vec::new();
    for messenger in &messengers {
        let name = messenger.name();
        if let Err(error) = messenger.send(std::slice::from_ref(&alert)).await {
            bail!("no alert by {name}: {error}");
        }
        arrived.push(name);
    }
    cli.output.show(&arrived, |arrived| {
        format!("sent by {}", arrived.join(" and "))
    })?;
    Ok(Ending::Fine)
}
