//! `concord connection …`

mod add;
mod check;
mod list;
mod login;
mod logout;
mod signed;
mod tenant;

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_engine::EngineError;
use serde_json::json;

use super::apply::take_over;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::config;

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
    let changes = take_over(cli, &config, "connection remove").await?;
    let vendor = match signed {
        Some(signed) => Some(give_back(cli, signed).await),
        None => None,
    };
    let mut document = json!(changes);
    document["vendor"] = json!(vendor);
    cli.output.show(&document, |_| {
        let vendor = vendor.map_or_else(String::new, |vendor| format!("\n{vendor}"));
        format!("- connection {name}{vendor}")
    })?;
    Ok(Ending::Fine)
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
