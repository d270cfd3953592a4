//! `concord db`

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use concord_core::ports::{Store as _, StoreError};
use concord_store::{Place, Server, distribute, set_up};
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::count;
use crate::wire::hub::Reach;
use crate::wire::right::Right;
use crate::wire::{self, lease};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the tables on a PostgreSQL server, or bring them up to date
    Setup(Setup),
    /// Move all records to another database, from a file to a server or back
    Move(Move),
    /// Remove what is older than it is to be kept and not needed any more
    Compact(Compact),
    /// Spread the tables over several machines, where the server has Citus
    Distribute(Distribute),
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

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord --db postgres://hub:secret@db.example/concord db setup --owner URL
  concord --db concord.db db move --to postgres://hub:secret@db.example/concord
  export CONCORD_DB=postgres://hub:secret@db.example/concord

The other database is empty before. Every row is read back there before it is
kept; this database is marked then, and no sync starts from it any more. What it
holds can still be read. A move that was killed is begun anew by the same
command. Cursors and approvals move with the records: the next sync goes on.")]
pub struct Move {
    /// The other database: a file, or postgres://ROLE@HOST/DATABASE after `db setup`
    #[arg(long, value_name = "FILE|URL", value_parser = Place::parse)]
    to: Place,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord db compact --dry-run
  concord db compact

How long events, runs and conflicts are kept is `retention` in the configuration.
What is still needed stays, whatever its age: what is under way or undecided, what
tells why a value is what it is, and what a merge needs to be taken apart. Every
sync does a part of it, so that this is only needed to have it all done at once.")]
pub struct Compact {
    /// Only count what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord db distribute --owner postgres://owner:secret@db.example/concord

Each tenant's rows lie on one machine. It is refused where the server does not
have the extension, and can be run again after an update. docs/scale.md says when
it is worth it.")]
pub struct Distribute {
    /// The database by the role that owns it
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
        Command::Move(arguments) => move_to(cli, arguments).await,
        Command::Compact(arguments) => compact(cli, arguments).await,
        Command::Distribute(arguments) => spread(cli, arguments).await,
    }
}

/// The server that --db names.
fn server(cli: &Invocation) -> Result<&Server> {
    let Place::Server(hub) = &cli.global.db else {
        bail!("--db names a file, which needs none of this: name postgres://ROLE@HOST/DATABASE");
    };
    Ok(hub)
}

async fn move_to(cli: &Invocation, arguments: &Move) -> Result<Ending> {
    let clock = cli.clock.as_ref();
    let to = arguments.to.to_string();
    if to == cli.global.db.to_string() {
        bail!("both are the same database: name another one with --to");
    }
    let store = cli.writing().await?;
    let other = wire::store::make(&arguments.to).await?;
    let owner = lease::owner("db move", clock);
    match lease::take(store.as_ref(), clock, &owner).await {
        Err(StoreError::Moved { to: there }) if there == to && other.is_empty().await? => {
            store.take_back(&to).await?;
            lease::take(store.as_ref(), clock, &owner).await?;
        }
        taken => taken?,
    }
    let version = env!("CARGO_PKG_VERSION");
    let moved = store.move_to(&other, &to, version, clock.now()).await;
    store.release(&owner).await?;
    let contents = moved?;
    let document = json!({ "to": to, "rows": contents.rows(), "contents": contents });
    cli.output.show(&document, |_| {
        format!(
            "{} moved to {to}; no sync starts from {} any more\n\
             Next: name {to} with --db or CONCORD_DB",
            count(contents.rows(), "row"),
            cli.global.db
        )
    })?;
    Ok(Ending::Fine)
}

async fn compact(cli: &Invocation, arguments: &Compact) -> Result<Ending> {
    let compacted = match arguments.dry_run {
        true => cli.records().await?.compact_dry().await?,
        false => {
            let store = cli.writing().await?;
            let compacted = async |right: &Right| {
                let (owner, sharing) = (right.owner.clone(), right.sharing.clone());
                let store = store.clone();
                let mut hub = cli.hub_with(store, Reach::Records, owner, sharing).await?;
                Ok(hub.compact().await?)
            };
            cli.with_right(&store, "db compact", lease::SPAN, compacted)
                .await?
        }
    };
    cli.output.show(&compacted, |removed| {
        let verb = match arguments.dry_run {
            true => "would be removed",
            false => "removed",
        };
        format!(
            "{}, {}, {} and {} {verb}",
            count(removed.runs, "run"),
            count(removed.writes, "write"),
            count(removed.conflicts, "conflict"),
            count(removed.events, "event")
        )
    })?;
    Ok(Ending::Fine)
}

async fn spread(cli: &Invocation, arguments: &Distribute) -> Result<Ending> {
    let spread = distribute(&arguments.owner, server(cli)?).await?;
    cli.output.show(&spread, |spread| {
        let tables = |some: &[&str]| count(some.len() as u64, "table");
        format!(
            "{} spread by tenant, {} had been before",
            tables(&spread.spread),
            tables(&spread.was_spread)
        )
    })?;
    Ok(Ending::Fine)
}

async fn setup(cli: &Invocation, arguments: &Setup) -> Result<Ending> {
    let hub = server(cli)?;
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
