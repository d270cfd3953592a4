//! `concord undo`

use anyhow::Result;
use clap::Args;

use super::carry;
use crate::exit::Ending;
use crate::invocation::Invocation;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord undo 12

Each system gets back the values that it held before the run, but where somebody
has changed the field since; what is skipped is named. What people did stays,
and so do the canonical values: a field that was brought back is not written
there again until it changes. An undo is a run of its own and can be undone.")]
pub struct Arguments {
    /// The run's number, as `concord sync` and `concord status` show it
    run: i64,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    carry::undo(cli, arguments.run).await
}
