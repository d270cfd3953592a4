//! `concord plugin …`

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_core::Manifest;
use concord_core::manifest::OAuth;
use concord_engine::config::Config;
use concord_host::{Inspected, inspect_file};
use concord_sync::mapping::Mapping;
use concord_sync::schemas;
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{section, table};
use crate::wire::config;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the connectors that are found
    List(ListArguments),
    /// Show what a connector says about itself, without running any of it
    Inspect(InspectArguments),
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

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::List(_) => list(cli).await,
        Command::Inspect(arguments) => inspect(cli, arguments).await,
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
