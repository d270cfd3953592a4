//! `concord secrets set` and `concord secrets remove`

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use concord_core::secret::{Secret, SecretStore as _};
use concord_engine::config::SecretSource;
use serde_json::json;
use zeroize::Zeroizing;

use super::named;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::{config, secrets};

/// Longer ones are no secret of any vendor, and probably the wrong file.
const LONGEST: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord key make concord.key
  concord --key concord.key secrets set crm token
  pass show crm | concord --key concord.key secrets set crm token

It is asked for, or read from standard input, and never stands on the command
line. Sealed with the key it is kept in the database, where the configuration
says `secrets: { token: sealed }`. The next sync uses it.")]
pub struct SetArguments {
    /// The connection's name
    connection: String,
    /// What its connector calls the secret
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord secrets remove crm token

That of a connection that was removed is kept until it is taken out here.")]
pub struct RemoveArguments {
    /// The connection's name
    connection: String,
    /// What its connector calls the secret
    name: String,
}

pub async fn set(cli: &Invocation, arguments: &SetArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let (connection, name) = (&arguments.connection, &arguments.name);
    let row = named(&store, connection).await?.remove(0);
    let config = config::stored(store.as_ref()).await?;
    let wish = config.connections.get(connection);
    let source = wish.and_then(|wish| wish.secrets.get(name));
    if source != Some(&SecretSource::Sealed) {
        bail!(
            "'{connection}' takes no sealed secret '{name}': write `secrets: {{ {name}: sealed }}` \
             into its configuration and apply it first"
        );
    }
    let vault = cli.vault(&store).await?;
    // Whoever has no key is not asked for a secret first.
    vault.ring(|| format!("the secret '{name}' is to be sealed"))?;
    let secret = ask(&format!("{name} of {connection}: "))?;
    let sealed = vault.seal(row.id, name, &secret, cli.clock.now())?;
    if !store.keep_secret(&sealed).await? {
        bail!("the secret '{name}' of '{connection}' was changed at the same time: set it again");
    }
    let document = json!({
        "connection": connection,
        "secret": name,
        "key": sealed.key,
        "revision": sealed.revision,
    });
    cli.output.show(&document, |_| {
        format!(
            "the secret '{name}' of {connection} is sealed with the key {}\n\
             Next: `concord connection check {connection}`",
            sealed.key
        )
    })?;
    Ok(Ending::Fine)
}

pub async fn remove(cli: &Invocation, arguments: &RemoveArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let (connection, name) = (&arguments.connection, &arguments.name);
    let mut dropped = false;
    for row in named(&store, connection).await? {
        dropped |= store.drop_secret(row.id, name).await?;
    }
    if !dropped {
        bail!("the database keeps no secret '{name}' of '{connection}'");
    }
    let document = json!({ "connection": connection, "secret": name });
    cli.output.show(&document, |_| {
        format!("the secret '{name}' of {connection} is not kept any more")
    })?;
    Ok(Ending::Fine)
}

/// Asks a person, or reads what another program gives.
fn ask(prompt: &str) -> Result<Secret> {
    let text = if std::io::stdin().is_terminal() {
        Zeroizing::new(rpassword::prompt_password(prompt).context("the secret was not read")?)
    } else {
        let mut text = Zeroizing::new(String::new());
        let mut input = std::io::stdin().lock().take(LONGEST + 1);
        input
            .read_to_string(&mut text)
            .context("the secret was not read from standard input")?;
        text
    };
    if text.len() as u64 > LONGEST {
        bail!("a secret takes at most {LONGEST} bytes: is this the right file?");
    }
    secrets::as_given(&text).context("no secret was given: type it, or give it on standard input")
}
