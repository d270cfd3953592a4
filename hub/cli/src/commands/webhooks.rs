//! `concord webhooks`

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use concord_core::Timestamp;
use concord_core::manifest::{Proof, Subscribe};
use concord_core::webhook::DeliveryStore as _;
use concord_server::webhooks::{Hook, address};
use serde::Serialize;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, table};
use crate::wire::hub::Reach;
use crate::wire::{config, hooks, subscriptions};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show which connections take webhooks, at what address, and what waits
    #[command(after_help = "\
Example:
  concord webhooks list

The address of a system that signs nothing is its proof, and is shown without its
last part.")]
    List,
    /// Ask a system to send webhooks
    Register(Register),
    /// Ask a system to send none any more
    Unregister(Unregister),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord webhooks register mailchimp

The system may look whether the address answers: let `concord serve --listen` run.
A subscription that was there before is removed first. One that ends by itself is
made anew by `concord serve --listen`.")]
pub struct Register {
    /// The connection's name
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord webhooks unregister mailchimp

What waits here is still read.")]
pub struct Unregister {
    /// The connection's name
    name: String,
}

#[derive(Serialize)]
struct Shown {
    connection: String,
    address: Option<String>,
    subscribes: Subscribe,
    subscribed_since: Option<Timestamp>,
    waiting: i64,
    waiting_since: Option<Timestamp>,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::List => list(cli).await,
        Command::Register(arguments) => register(cli, &arguments.name).await,
        Command::Unregister(arguments) => unregister(cli, &arguments.name).await,
    }
}

async fn list(cli: &Invocation) -> Result<Ending> {
    let store = cli.reading().await?;
    let config = config::stored(store.as_ref()).await?;
    let vault = cli.vault(&store).await?;
    let plugins = cli.plugins(&config);
    let (table, lacking) = hooks::load(store.as_ref(), &config, &plugins, &vault).await?;
    for what in lacking {
        tracing::warn!("{what}");
    }
    let url = config.webhooks.as_ref().map(|webhooks| &webhooks.url);
    let backlog = store.backlog().await?;
    let mut shown = Vec::new();
    for (name, hook) in table {
        let mut rows = backlog.iter();
        let waits = rows.find(|backlog| backlog.connection == hook.connection);
        let known = subscriptions::known(store.as_ref(), hook.connection).await?;
        let known = known.filter(|known| known.id.is_some());
        shown.push(Shown {
            address: url.and_then(|url| open_address(url, &name, &hook)),
            connection: name,
            subscribes: hook.wish.subscribe,
            subscribed_since: known.map(|known| known.since),
            waiting: waits.map_or(0, |backlog| backlog.waiting),
            waiting_since: waits.map(|backlog| backlog.since),
        });
    }
    cli.output.show(&shown, |shown| words(shown))?;
    Ok(Ending::Fine)
}

/// The address, without the part of it that is a secret.
fn open_address(url: &str, name: &str, hook: &Hook) -> Option<String> {
    let whole = address(url, name, hook)?;
    match hook.wish.proof {
        Proof::HmacSha256 { .. } => Some(whole),
        Proof::Address => {
            let (open, _) = whole.rsplit_once('/')?;
            Some(format!("{open}/…"))
        }
    }
}

fn words(shown: &[Shown]) -> String {
    if shown.is_empty() {
        return "no connection takes webhooks: it needs the secret that its connector's manifest \
                names, and `webhooks: { url: … }` in the configuration"
            .into();
    }
    let rows = shown.iter().map(|one| {
        let subscribed = match (one.subscribes, one.subscribed_since) {
            (Subscribe::ByHand, _) => "by hand, at the vendor's".to_owned(),
            (Subscribe::Connector, Some(since)) => format!("since {since}"),
            (Subscribe::Connector, None) => "no: `concord webhooks register`".to_owned(),
        };
        let address = one.address.clone();
        [
            one.connection.clone(),
            address.unwrap_or_else(|| "none: the configuration names no webhooks.url".into()),
            subscribed,
            count(one.waiting.unsigned_abs(), "webhook"),
        ]
    });
    table(["connection", "address", "subscribed", "waiting"], rows)
}

async fn register(cli: &Invocation, name: &str) -> Result<Ending> {
    let store = cli.writing().await?;
    let config = config::stored(store.as_ref()).await?;
    let Some(webhooks) = &config.webhooks else {
        bail!("the configuration says nowhere how systems reach this hub: set 'webhooks.url'");
    };
    let vault = cli.vault(&store).await?;
    let plugins = cli.plugins(&config);
    let (table, lacking) = hooks::load(store.as_ref(), &config, &plugins, &vault).await?;
    if let Some(what) = lacking.into_iter().next() {
        tracing::warn!("{what}");
    }
    let hub = cli
        .hub(store.clone(), Reach::Systems, String::new())
        .await?;
    let connection = hub.named(name)?;
    let Some(hook) = table.get(name) else {
        bail!(
            "'{name}' takes no webhooks: its connector has none, or the secret that checks them is \
             not in the configuration"
        );
    };
    let Some(address) = address(&webhooks.url, name, hook) else {
        bail!("the secret that checks the webhooks of '{name}' is not there");
    };
    if hook.wish.subscribe == Subscribe::ByHand {
        bail!("webhooks of '{name}' are set up at the vendor's own pages: give it {address}");
    }
    let (id, connector) = (connection.id(), connection.connector.as_ref());
    let made = subscriptions::make(store.as_ref(), cli.clock.as_ref(), id, connector, &address);
    let made = made.await;
    let made = made.with_context(|| format!("'{name}' does not subscribe"))?;
    cli.output
        .show(&made, |_| format!("'{name}' sends webhooks from now on"))?;
    Ok(Ending::Fine)
}

async fn unregister(cli: &Invocation, name: &str) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Systems, String::new())
        .await?;
    let connection = hub.named(name)?;
    let ended = subscriptions::end(
        store.as_ref(),
        connection.id(),
        connection.connector.as_ref(),
    );
    let ended = ended.await;
    let ended = ended.with_context(|| format!("'{name}' does not let go of its subscription"))?;
    let Some(known) = ended else {
        bail!("no subscription of '{name}' is known here");
    };
    cli.output
        .show(&known, |_| format!("'{name}' sends no webhooks any more"))?;
    Ok(Ending::Fine)
}
