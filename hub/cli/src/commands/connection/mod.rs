//! `concord connection …`

mod add;
mod awaited;
mod check;
mod list;
mod login;
mod logout;
pub mod signed;
mod tenant;

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_core::ports::Store as _;
use concord_engine::EngineError;
use serde_json::json;

use super::apply::take_over;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::hub::Reach;
use crate::wire::{config, subscriptions};

pub use list::rows;
use signed::Signed;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a connection, or replace the one of this name
    Add(add::Arguments),
    /// List the connections and where each stands
    List(list::Arguments),
    /// Ask the system who we are there, what it has, and what it cannot do
    Check(check::Arguments),
    /// Sign in to a system whose sign-in is OAuth
    Login(login::Arguments),
    /// Give a sign-in back
    Logout(logout::Arguments),
    /// Remove a connection; its system is left as it is
    Remove(RemoveArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord connection remove crm

What is known of its records is kept: added again under the same name, it goes
on from there. A sign-in is given back.")]
pub struct RemoveArguments {
    /// The connection's name
    name: String,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::Add(arguments) => add::run(cli, arguments).await,
        Command::List(arguments) => list::run(cli, arguments).await,
        Command::Check(arguments) => check::run(cli, arguments).await,
        Command::Login(arguments) => login::run(cli, arguments).await,
        Command::Logout(arguments) => logout::run(cli, arguments).await,
        Command::Remove(arguments) => remove(cli, arguments).await,
    }
}

async fn remove(cli: &Invocation, arguments: &RemoveArguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let name = &arguments.name;
    let mut config = config::stored(store.as_ref()).await?;
    let Some(wish) = config.connections.remove(name) else {
        return Err(EngineError::NoConnection(name.clone()).into());
    };
    // Looked up while the configuration still has it, given back once it has not.
    let signed = match &wish.oauth {
        Some(_) => Some(signed::look(cli, &store, name).await),
        None => None,
    };
    let unsubscribed = unsubscribe(cli, name).await;
    let changes = take_over(cli, &config, "connection remove").await?;
    let vendor = match signed {
        Some(signed) => Some(give_back(cli, signed).await),
        None => None,
    };
    let mut document = json!(changes);
    document["vendor"] = json!(vendor);
    document["webhooks"] = json!(unsubscribed);
    cli.output.show(&document, |_| {
        let said = [Some(format!("- connection {name}")), vendor, unsubscribed];
        let said: Vec<String> = said.into_iter().flatten().collect();
        said.join("\n")
    })?;
    Ok(Ending::Fine)
}

/// Asks for no more webhooks while the sign-in is still there.  A system that cannot
/// be reached does not keep its connection from going.
async fn unsubscribe(cli: &Invocation, name: &str) -> Option<String> {
    let ended = async {
        let store = cli.writing().await?;
        let rows = store.connections().await?;
        let row = rows.iter().find(|row| row.name == name && !row.removed);
        let known = match row {
            Some(row) => subscriptions::known(store.as_ref(), row.id).await?,
            None => None,
        };
        if known.is_none() {
            return Ok(None);
        }
        let hub = cli
            .hub(store.clone(), Reach::Systems, String::new())
            .await?;
        let connection = hub.named(name)?;
        let connector = connection.connector.as_ref();
        subscriptions::end(store.as_ref(), connection.id(), connector).await
    };
    match ended.await {
        Ok(None) => None,
        Ok(Some(_)) => Some("it sends no webhooks any more".into()),
        Err(error) => Some(format!(
            "it may still send webhooks ({error:#}): take them back at its own pages"
        )),
    }
}

/// The connection is gone already, so whatever fails is only told.
async fn give_back(cli: &Invocation, signed: Result<Signed>) -> String {
    let given_back = async {
        let signed = signed?;
        let revoked = signed.revoke().await?;
        signed.forget(&*cli.writing().await?).await?;
        Ok::<_, anyhow::Error>(revoked)
    };
    given_back.await.unwrap_or_else(|error| {
        format!(
            "its sign-in could not be given back ({error:#}): withdraw the app at the account's \
             own page"
        )
    })
}
