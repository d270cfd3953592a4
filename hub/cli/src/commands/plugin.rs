//! `concord plugin …`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use concord_core::Manifest;
use concord_core::manifest::OAuth;
use concord_engine::config::Config;
use concord_host::{Inspected, inspect_file};
use concord_sync::mapping::{Mapping, expected};
use concord_sync::schemas;
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section, table};
use crate::wire::{config, fixtures, recording};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the connectors that are found
    List(ListArguments),
    /// Show what a connector says about itself, without running any of it
    Inspect(InspectArguments),
    /// Make fixtures of a connector out of a recorded run
    Fixture(FixtureArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord plugin list
  concord --plugins target/plugins plugin list")]
pub struct ListArguments {}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord plugin inspect hubspot
  concord plugin inspect ./mine.wasm")]
pub struct InspectArguments {
    /// The connector's id, or the file of a component
    #[arg(value_name = "ID|FILE")]
    plugin: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord sync --record run.recording
  concord plugin fixture run.recording --connection crm --into fixtures/recorded
  concord plugin fixture run.recording --connection crm --into fixtures/recorded --masked

Each call of the connector becomes a file: what it was asked, what it sent, what
came back, and what it made of that. `concord_sdk::testing::recorded` runs the
connector on them natively. Secrets are masked always, and customers' records with
--masked: their words become others of the same shape, the same everywhere, and the
connector that was recorded is asked again with those. Names of fields, choices that
the connector knows, moments, small numbers and the connection's own settings stay.")]
pub struct FixtureArguments {
    /// What `concord sync --record` made
    file: PathBuf,
    /// Whose calls
    #[arg(long, value_name = "NAME")]
    connection: String,
    /// The folder for the files, made where it is not there
    #[arg(long, value_name = "FOLDER")]
    into: PathBuf,
    /// Put other words in place of customers' words
    #[arg(long)]
    masked: bool,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::List(_) => list(cli).await,
        Command::Inspect(arguments) => inspect(cli, arguments).await,
        Command::Fixture(arguments) => fixture(cli, arguments).await,
    }
}

/// Plugins can be looked at before there is a database.
async fn configured(cli: &Invocation) -> Result<Config> {
    if crate::wire::store::is_missing(&cli.global.db) {
        return Ok(Config::default());
    }
    let store = cli.reading().await?;
    Ok(config::stored(store.as_ref()).await?)
}

async fn list(cli: &Invocation) -> Result<Ending> {
    let config = configured(cli).await?;
    let plugins = cli.plugins(&config);
    let found: Vec<_> = plugins
        .iter()
        .map(|found| {
            let manifest = &found.inspected.manifest;
            json!({
                "id": manifest.id,
                "name": manifest.name,
                "version": manifest.version,
                "family": manifest.family,
                "path": found.path.display().to_string(),
            })
        })
        .collect();
    let broken: Vec<_> = plugins
        .broken
        .iter()
        .map(|broken| json!({ "path": broken.path.display().to_string(), "problem": broken.problem }))
        .collect();
    let document = json!({ "plugins": found, "broken": broken });
    cli.output.show(&document, |_| {
        let rows = plugins.iter().map(|found| {
            let manifest = &found.inspected.manifest;
            [
                manifest.id.clone(),
                manifest.name.clone(),
                manifest.version.clone(),
                manifest.family.clone(),
                found.path.display().to_string(),
            ]
        });
        let mut text = table(["id", "name", "version", "family", "file"], rows);
        if text.is_empty() {
            let folders: Vec<String> = cli
                .plugin_folders(&config)
                .iter()
                .map(|f| f.display().to_string())
                .collect();
            text = format!(
                "no connectors in {}: name their folder with --plugins\n",
                folders.join(", ")
            );
        }
        let broken: Vec<String> = plugins
            .broken
            .iter()
            .map(|broken| broken.problem.clone())
            .collect();
        text + &section("Cannot be used:", &broken)
    })?;
    Ok(Ending::Fine)
}

async fn inspect(cli: &Invocation, arguments: &InspectArguments) -> Result<Ending> {
    let path = Path::new(&arguments.plugin);
    let inspected = if path
        .extension()
        .is_some_and(|extension| extension == "wasm")
    {
        inspect_file(path)?
    } else {
        let config = configured(cli).await?;
        cli.plugins(&config)
            .get(&arguments.plugin)?
            .inspected
            .clone()
    };
    let document = json!({ "manifest": inspected.manifest, "mapping": inspected.mapping });
    let lenses = lenses(&inspected)?;
    cli.output
        .show(&document, |_| words(&inspected.manifest, &lenses))?;
    Ok(Ending::Fine)
}

async fn fixture(cli: &Invocation, arguments: &FixtureArguments) -> Result<Ending> {
    let name = &arguments.connection;
    let opened = recording::open(&arguments.file, cli.global.key.as_ref())?;
    let (header, mut tape) = opened.without_books()?;
    let mut known = header.connections.iter();
    let Some(connected) = known.find(|known| known.connection == *name) else {
        let names = header.connections.iter();
        let names: Vec<&str> = names.map(|known| known.connection.as_str()).collect();
        bail!(
            "no connection '{name}' was recorded; {}",
            expected(name, &names)
        );
    };
    let found = fixtures::gather(connected, &mut tape)?;
    let (found, otherwise) = match arguments.masked {
        true => {
            let plugins = cli.plugins(&configured(cli).await?);
            fixtures::masked(found, connected, header.made, &plugins).await?
        }
        false => (found, 0),
    };
    std::fs::create_dir_all(&arguments.into)
        .with_context(|| format!("{} cannot be made", arguments.into.display()))?;
    let mut files = Vec::new();
    for (at, call) in found.calls.iter().enumerate() {
        let path = arguments
            .into
            .join(format!("{:03}-{}.json", at + 1, call.name()));
        let text = serde_json::to_string_pretty(call)? + "\n";
        std::fs::write(&path, text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        files.push(path);
    }
    let document = json!({
        "files": files, "left_out": found.left_out, "otherwise": otherwise,
    });
    cli.output.show(&document, |_| {
        let mut text = format!(
            "{} of {name} in {}\n",
            count(files.len() as u64, "call"),
            arguments.into.display()
        );
        if found.left_out > 0 {
            text += &format!(
                "{} left out: cut short, or without a credential\n",
                count(found.left_out as u64, "call")
            );
        }
        if otherwise > 0 {
            text += &format!(
                "{} left out: with other words the connector goes another way there\n",
                count(otherwise as u64, "call")
            );
        }
        text
    })?;
    Ok(Ending::Fine)
}

/// Stream, entity, canonical field and remote fields of each default lens.
fn lenses(inspected: &Inspected) -> Result<Vec<[String; 4]>> {
    let Some(text) = &inspected.mapping else {
        return Ok(Vec::new());
    };
    let mapping = Mapping::parse(text, &schemas::builtin())?;
    let rows = mapping.streams.values().flat_map(|stream| {
        stream.lenses.iter().map(move |lens| {
            [
                stream.stream.to_string(),
                stream.kind.to_string(),
                lens.field.to_string(),
                lens.remote_fields().join(", "),
            ]
        })
    });
    Ok(rows.collect())
}

fn ways_to_sign_in(oauth: &OAuth) -> Vec<String> {
    let browser = oauth.authorize_url.iter();
    let code = oauth.device_url.iter();
    browser
        .map(|url| format!("in a browser, at {url}"))
        .chain(code.map(|url| format!("with a code, from {url}")))
        .chain((!oauth.scopes.is_empty()).then(|| format!("scopes: {}", oauth.scopes.join(" "))))
        .collect()
}

fn words(manifest: &Manifest, lenses: &[[String; 4]]) -> String {
    let mut text = format!(
        "{} {} ({}), contract {}\n{}\n",
        manifest.name, manifest.version, manifest.id, manifest.contract, manifest.description
    );
    let keys: Vec<String> = manifest
        .config
        .iter()
        .map(|key| {
            let need = if key.required { ", required" } else { "" };
            format!("{}: {}{need}. {}", key.key, key.label, key.help)
        })
        .collect();
    text += &section("Asks for:", &keys);
    let secrets: Vec<String> = manifest
        .auth
        .secrets()
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    text += &section("Secrets:", &secrets);
    if let Some(oauth) = &manifest.oauth {
        text += &section("Or an app of yours, with OAuth:", &ways_to_sign_in(oauth));
    }
    let mut hosts = manifest.egress.hosts.clone();
    hosts.extend(
        manifest
            .egress
            .from_config
            .iter()
            .map(|key| format!("the address in '{key}'")),
    );
    text += &section("Sends requests to:", &hosts);
    let streams = table(
        ["stream", "read", "create", "update", "delete"],
        manifest.streams.iter().map(|stream| {
            let yes = |it: bool| if it { "yes" } else { "" }.to_owned();
            [
                stream.name.to_string(),
                yes(stream.read),
                yes(stream.create),
                yes(stream.update),
                yes(stream.delete),
            ]
        }),
    );
    let lenses = table(
        ["stream", "entity", "field", "remote"],
        lenses.iter().cloned(),
    );
    format!("{text}\n{streams}\n{lenses}")
}
