//! `concord connection logout`

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::signed;
use crate::exit::Ending;
use crate::invocation::Invocation;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord --key concord.key connection logout crm

Tells the vendor to forget the sign-in, where it can be told, and forgets it here.
The connection and everything that is known of its records stay.")]
pub struct Arguments {
    /// The connection's name
    name: String,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let name = &arguments.name;
    let signed = signed::look(cli, &store, name).await?;
    let revoked = signed.revoke().await?;
    if !signed.forget(&store).await? {
        bail!("nobody is signed in to '{name}'");
    }
    let document = json!({ "connection": name, "vendor": revoked });
    cli.output
        .show(&document, |_| format!("'{name}' is signed out; {revoked}"))?;
    Ok(Ending::Fine)
}
