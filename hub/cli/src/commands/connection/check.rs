//! `concord connection check`

use anyhow::{Context, Result, bail};
use clap::Args;
use concord_core::record::{Description, StreamInfo};
use concord_core::{StreamName, manifest};
use concord_engine::EngineError;
use concord_engine::hub::{Connection, Stream};
use serde::Serialize;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{section, table};
use crate::wire::blueprint::{self, Blueprint};
use crate::wire::config;
use crate::wire::hub::{Reach, schemas};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord connection check crm

Signs in, lists what the account has, compares the lenses with it, and says what
this system cannot guarantee. Nothing is written there.")]
pub struct Arguments {
    /// The connection's name
    name: String,
}

#[derive(Serialize)]
struct Checked {
    connection: String,
    connector: String,
    version: String,
    account: Description,
    streams: Vec<CheckedStream>,
    /// Lenses that the account does not fit.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct CheckedStream {
    name: StreamName,
    entity: String,
    reads: bool,
    writes: bool,
    /// Fields that the account has, and how many of them lenses use.
    fields: usize,
    mapped: usize,
    /// What cannot be had from this system.
    limits: Vec<&'static str>,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    // A token may have to be renewed on the way, and is kept.
    let store = cli.writing().await?;
    let config = config::stored(store.as_ref()).await?;
    let name = &arguments.name;
    let wish = config
        .connections
        .get(name)
        .ok_or_else(|| EngineError::NoConnection(name.clone()))?;
    let plugins = cli.plugins(&config);
    let found = plugins.get(&wish.connector)?;
    let place = format!("connections.{name}");
    let blueprint = blueprint::draw(&place, wish, found, &schemas(&config)?)?;
    let hub = cli
        .hub(store.clone(), Reach::Systems, String::new())
        .await?;
    let connection = hub.named(name)?;
    if let Some(reason) = &connection.row.held {
        bail!("'{name}' cannot run: {reason}");
    }
    let checked = check(connection, &blueprint).await?;
    let fits = checked.problems.is_empty();
    cli.output.show(&checked, words)?;
    if !fits {
        bail!("the lenses do not fit the account: change the mapping, or the account");
    }
    Ok(Ending::Fine)
}

async fn check(connection: &Connection, blueprint: &Blueprint) -> Result<Checked> {
    let name = &connection.row.name;
    let asked = connection.connector.check().await;
    let account = asked.with_context(|| format!("'{name}' does not answer as it should"))?;
    let discovered = connection.connector.discover().await;
    let there = discovered.with_context(|| format!("'{name}' does not say what it has"))?;
    let ours = |stream: &str| connection.streams.iter().any(|s| s.name.as_str() == stream);
    let mapping = &blueprint.mapping;
    let problems = mapping.check_against(&there);
    let unavailable = account
        .unavailable
        .iter()
        .filter(|(stream, _)| ours(stream));
    Ok(Checked {
        connection: name.clone(),
        connector: blueprint.manifest.name.clone(),
        version: blueprint.manifest.version.clone(),
        streams: connection
            .streams
            .iter()
            .map(|stream| look(stream, &there))
            .collect(),
        problems: problems
            .iter()
            .map(ToString::to_string)
            .chain(unavailable.map(|(stream, reason)| format!("stream '{stream}': {reason}")))
            .collect(),
        account,
    })
}

fn look(stream: &Stream, there: &[StreamInfo]) -> CheckedStream {
    let info = there.iter().find(|info| info.name == stream.name.as_str());
    CheckedStream {
        name: stream.name.clone(),
        entity: stream.kind().to_string(),
        reads: stream.caps.read,
        writes: stream.caps.writes(),
        fields: info.map_or(0, |info| info.fields.len()),
        mapped: stream.mapping.remote_fields().len(),
        limits: limits(&stream.caps),
    }
}

/// What follows from capabilities that a system does not have (design: what
/// cannot be had is said instead).
fn limits(caps: &manifest::Stream) -> Vec<&'static str> {
    let mut limits = Vec::new();
    if caps.update && !caps.etags {
        limits.push(
            "no conditional writes: a person's edit in the moment before a write of ours can be \
             lost there; what was read last is kept",
        );
    }
    if caps.create && caps.create_safe == Some(manifest::CreateSafe::Lookup) {
        limits.push("no unique key: a create whose answer is lost may come twice, and is reported");
    }
    if caps.read && !caps.delete_feed && !caps.not_found_means_gone {
        limits.push(
            "a deleted record cannot be told from a hidden one: deletes go nowhere from here",
        );
    }
    if caps.delete && !caps.merged_into {
        limits.push("a merge looks like a delete: deletes only unlink");
    }
    if caps.update && !caps.exact_modified {
        limits.push("edits are dated per record or not exactly: close edits wait for a person");
    }
    limits
}

fn words(checked: &Checked) -> String {
    let Checked {
        connection,
        connector,
        version,
        account,
        ..
    } = checked;
    let mut text = format!(
        "{connection}: {connector} {version}, account {} ({})\n\n",
        account.account_name, account.account_id
    );
    text += &table(
        ["stream", "entity", "reads", "writes", "fields", "mapped"],
        checked.streams.iter().map(|stream| {
            let yes = |it: bool| if it { "yes" } else { "no" }.to_owned();
            [
                stream.name.to_string(),
                stream.entity.clone(),
                yes(stream.reads),
                yes(stream.writes),
                stream.fields.to_string(),
                stream.mapped.to_string(),
            ]
        }),
    );
    for stream in &checked.streams {
        let limits: Vec<String> = stream
            .limits
            .iter()
            .map(|limit| format!("- {limit}"))
            .collect();
        text += &section(&format!("What {} cannot guarantee:", stream.name), &limits);
    }
    text + &section("What does not fit:", &checked.problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of design.md §5, "What cannot be had", for a system with nothing.
    #[test]
    fn what_a_system_lacks_is_said() {
        let text = r#"{
            "name": "contacts", "read": true, "create": true, "update": true, "delete": true,
            "create-safe": "lookup"
        }"#;
        let mut caps: manifest::Stream = serde_json::from_str(text).unwrap();
        assert_eq!(limits(&caps).len(), 5);
        caps.etags = true;
        caps.exact_modified = true;
        caps.merged_into = true;
        caps.delete_feed = true;
        caps.create_safe = Some(manifest::CreateSafe::Key);
        assert!(limits(&caps).is_empty());
    }
}
