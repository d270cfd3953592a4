//! `concord connection …`

mod add;
mod check;
mod list;

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_engine::EngineError;

use super::apply::take_over;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::config;

pub use list::rows;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a connection, or replace the one of this name
    Add(add::Arguments),
    /// List the connections and where each stands
    List(list::Arguments),
    /// Ask the system who we are there, what it has, and what it cannot do
    Check(check::Arguments),
    /// Remove a connection; its system is left as it is
    Remove(RemoveArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord connection remove crm

What is known of its records is kept: added again under the same name, it goes
on from there.")]
pub struct RemoveArguments {
    /// The connection's name
    name: String,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::Add(arguments) => add::run(cli, arguments).await,
        Command::List(arguments) => list::run(cli, arguments).await,
        Command::Check(arguments) => check::run(cli, arguments).await,
        Command::Remove(arguments) => remove(cli, arguments).await,
    }
}

async fn remove(cli: &Invocation, arguments: &RemoveArguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let mut config = config::stored(store.as_ref()).await?;
    if config.connections.remove(&arguments.name).is_none() {
        return Err(EngineError::NoConnection(arguments.name.clone()).into());
    }
    let changes = take_over(cli, &config, "connection remove").await?;
    cli.output
        .show(&changes, |_| format!("- connection {}", arguments.name))?;
    Ok(Ending::Fine)
}
