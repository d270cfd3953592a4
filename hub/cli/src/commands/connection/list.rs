//! `concord connection list`

use anyhow::Result;
use clap::Args;

use crate::commands::status::{self, Standing};
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::table;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord connection list
  concord --json connection list")]
pub struct Arguments {}

pub async fn run(cli: &Invocation, _: &Arguments) -> Result<Ending> {
    let hub = cli.records().await?;
    let standings = status::standings(&hub).await?;
    cli.output.show(&standings, |standings| {
        if standings.is_empty() {
            return "there are no connections: `concord connection add` makes one".into();
        }
        rows(standings)
    })?;
    Ok(Ending::Fine)
}

pub fn rows(standings: &[Standing]) -> String {
    table(
        ["connection", "connector", "phase", "linked", "about"],
        standings.iter().map(|standing| {
            [
                standing.name.clone(),
                standing.connector.clone(),
                standing.phase.words().to_owned(),
                standing.linked.to_string(),
                standing.held.clone().unwrap_or_default(),
            ]
        }),
    )
}
