//! `concord connection add`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use concord_engine::config::{ConnectionConfig, Network, SecretSource};

use crate::commands::apply::take_over;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::config;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord connection add crm --connector hubspot --secret token=env:CRM_TOKEN
  concord connection add book --connector carddav \\
      --config base_url=https://dav.example.com/ann/contacts/ \\
      --secret username=env:DAV_USER --secret password=file:/run/secrets/dav
  concord connection add news --connector mailchimp --secret token=sealed

A secret itself is never written on the command line. One that is sealed is kept
by the database: `concord secrets set` gives it.")]
pub struct Arguments {
    /// The connection's name, by which rules and other commands speak of it
    name: String,
    /// The connector's id, as `concord plugin list` shows it
    #[arg(long, value_name = "ID")]
    connector: String,
    /// A value that the connector asks for; may be given more than once
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// Where a secret is; may be given more than once
    #[arg(long, value_name = "NAME=env:VARIABLE|file:PATH|sealed", value_parser = secret)]
    secret: Vec<(String, SecretSource)>,
    /// Allow this connection to reach loopback and private networks
    #[arg(long)]
    allow_private: bool,
    /// A proxy that everything of this connection goes through
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".into()),
    }
}

fn secret(text: &str) -> Result<(String, SecretSource), String> {
    let (name, source) = pair(text)?;
    let source = match source.split_once(':') {
        None if source == "sealed" => SecretSource::Sealed,
        Some(("env", variable)) if !variable.is_empty() => SecretSource::Env(variable.to_owned()),
        Some(("file", path)) if !path.is_empty() => {
            let path = std::path::absolute(PathBuf::from(path)).map_err(|e| e.to_string())?;
            SecretSource::File(path)
        }
        // What was given may be the secret, so it is not repeated.
        _ => return Err("say where the secret is: env:VARIABLE, file:PATH or sealed".into()),
    };
    Ok((name, source))
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let mut config = config::stored(store.as_ref()).await?;
    let connection = ConnectionConfig {
        config: arguments.config.iter().cloned().collect(),
        secrets: arguments.secret.iter().cloned().collect(),
        network: Network {
            allow_private: arguments.allow_private,
            ca: None,
            proxy: arguments.proxy.clone(),
        },
        ..ConnectionConfig::of(&arguments.connector)
    };
    config
        .connections
        .insert(arguments.name.clone(), connection);
    let changes = take_over(cli, &config, "connection add").await?;
    let name = &arguments.name;
    cli.output.show(&changes, |changes| {
        if changes.is_empty() {
            return "nothing changed".into();
        }
        format!("+ connection {name}\nNext: `concord connection check {name}`")
    })?;
    Ok(Ending::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_and_never_given() {
        assert_eq!(
            secret("token=env:T"),
            Ok(("token".into(), SecretSource::Env("T".into())))
        );
        let (_, sealed) = secret("token=sealed").unwrap();
        assert_eq!(sealed, SecretSource::Sealed);
        let (_, file) = secret("token=file:/run/t").unwrap();
        assert_eq!(file, SecretSource::File("/run/t".into()));
        for wrong in [
            "token=s3cret",
            "token=env:",
            "token",
            "=env:T",
            "token=file:",
        ] {
            let error = secret(wrong).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        assert_eq!(
            pair("url=http://a/?b=c"),
            Ok(("url".into(), "http://a/?b=c".into()))
        );
        assert!(pair("url").is_err());
    }
}
