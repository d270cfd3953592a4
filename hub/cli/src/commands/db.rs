//! `concord db`

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use concord_store::{Place, Server, set_up};
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the tables on a PostgreSQL server, or bring them up to date
    Setup(Setup),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  export CONCORD_DB=postgres://hub:secret@db.example/concord
  export CONCORD_DB_OWNER=postgres://owner:secret@db.example/concord
  concord db setup

The owner's role owns the tables; the hub's role, which --db names, owns nothing
and sees one tenant's records at a time. It is made where there is none. Run it
again after an update; hubs of the version before may go on meanwhile.")]
pub struct Setup {
    /// The same database, by the role that owns it and may make roles
    #[arg(
        long,
        value_name = "URL",
        env = "CONCORD_DB_OWNER",
        hide_env_values = true,
        value_parser = Server::parse
    )]
    owner: Server,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::Setup(arguments) => setup(cli, arguments).await,
    }
}

async fn setup(cli: &Invocation, arguments: &Setup) -> Result<Ending> {
    let Place::Server(hub) = &cli.global.db else {
        bail!("--db names a file, which needs no setup: name postgres://ROLE@HOST/DATABASE");
    };
    set_up(&arguments.owner, hub).await?;
    let role = hub.role()?;
    let document = json!({ "db": hub.to_string(), "role": role });
    cli.output.show(&document, |_| {
        format!(
            "{hub} is ready for the role {role}.\n\
             Next: `concord apply -f config.yaml`, or `concord connection add`"
        )
    })?;
    Ok(Ending::Fine)
}
