//! `concord secrets …`

pub mod doctor;
mod rotate;
mod set;

use anyhow::{Result, bail};
use clap::Subcommand;
use concord_core::ports::Store as _;
use concord_core::state::ConnectionRow;
use concord_engine::EngineError;
use concord_store::SqlStore;

use crate::exit::Ending;
use crate::invocation::Invocation;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a secret, which the database keeps sealed
    Set(set::SetArguments),
    /// Take a secret out of the database
    Remove(set::RemoveArguments),
    /// Seal all secrets with a new key
    Rotate(rotate::Arguments),
    /// Say of every secret where it is and whether it can be read
    Doctor(doctor::Arguments),
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::Set(arguments) => set::set(cli, arguments).await,
        Command::Remove(arguments) => set::remove(cli, arguments).await,
        Command::Rotate(_) => rotate::run(cli).await,
        Command::Doctor(_) => doctor::run(cli).await,
    }
}

/// The connections of this name, those that were removed last: there may be
/// several of them.
async fn named(store: &SqlStore, name: &str) -> Result<Vec<ConnectionRow>> {
    let mut rows = store.connections().await?;
    rows.retain(|row| row.name == name);
    rows.sort_by_key(|row| row.removed);
    if rows.is_empty() {
        bail!(EngineError::NoConnection(name.to_owned()));
    }
    Ok(rows)
}
