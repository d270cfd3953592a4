//! `concord init`

use anyhow::Result;
use clap::Args;
use concord_core::ports::Store as _;
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord init
  concord --db shop.db init

A database that is there already is left as it is.")]
pub struct Arguments {}

pub async fn run(cli: &Invocation, _: &Arguments) -> Result<Ending> {
    let place = &cli.global.db;
    // On a server `concord db setup` made it.
    let was_there = !wire::store::is_missing(place);
    let store = wire::store::make(place).await?;
    let connections = store
        .connections()
        .await?
        .iter()
        .filter(|row| !row.removed)
        .count();
    let document = json!({
        "db": place.to_string(),
        "made": !was_there,
        "connections": connections,
    });
    cli.output.show(&document, |_| {
        if was_there {
            return format!("{place} is there already, with {connections} connections");
        }
        format!(
            "{place} is ready.\nNext: `concord apply -f config.yaml`, or `concord connection add`"
        )
    })?;
    Ok(Ending::Fine)
}
