//! `concord secrets doctor`

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use concord_core::Timestamp;
use concord_core::ports::Store as _;
use concord_core::state::ConnectionRow;
use concord_engine::config::{Config, GrantKind, SecretSource};
use concord_engine::oauth::{GRANT, PENDING};
use concord_store::SqlStore;
use serde::Serialize;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{section, table};
use crate::wire::key::Key;
use crate::wire::vault::Vault;
use crate::wire::{config, secrets, sign_in};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord --key concord.key secrets doctor

Reads every secret that the configuration names and shows none. Ends with 2 where
something is to be done.")]
pub struct Arguments {}

#[derive(Serialize)]
struct Found {
    secrets: Vec<Looked>,
    /// Keys of the file that nothing in this database is sealed with.
    idle_keys: Vec<String>,
}

/// One secret, and whether it can be read.
#[derive(Serialize)]
pub struct Looked {
    connection: String,
    secret: String,
    source: String,
    /// The key that it is sealed with, and since when it is what it is.
    key: Option<String>,
    changed_at: Option<Timestamp>,
    problem: Option<String>,
}

impl Looked {
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

/// Reads every secret.
pub async fn look(cli: &Invocation, store: &SqlStore) -> Result<Vec<Looked>> {
    all(store, &cli.vault(store).await?).await
}

async fn all(store: &SqlStore, vault: &Vault) -> Result<Vec<Looked>> {
    let config = config::stored(store).await?;
    let connections = store.connections().await?;
    let mut secrets = wanted(&config, &connections, vault);
    secrets.extend(sign_ins(&config, &connections, vault));
    secrets.extend(unwanted(&config, &connections, vault));
    Ok(secrets)
}

pub async fn run(cli: &Invocation) -> Result<Ending> {
    let store = cli.reading().await?;
    let vault = cli.vault(&store).await?;
    let found = Found {
        secrets: all(&store, &vault).await?,
        idle_keys: idle_keys(&vault),
    };
    cli.output.show(&found, words)?;
    let is_well = found.secrets.iter().all(|looked| looked.problem.is_none());
    Ok(if is_well {
        Ending::Fine
    } else {
        Ending::SomethingToDo
    })
}

/// What the configuration names, each read.
fn wanted(config: &Config, connections: &[ConnectionRow], vault: &Vault) -> Vec<Looked> {
    let mut all = Vec::new();
    for row in connections.iter().filter(|row| !row.removed) {
        let Some(wish) = config.connections.get(&row.name) else {
            continue;
        };
        for (name, source) in &wish.secrets {
            let is_sealed = *source == SecretSource::Sealed;
            let kept = vault.row(row.id, name).filter(|_| is_sealed);
            let read = secrets::read_one(row.id, name, source, vault);
            all.push(Looked {
                connection: row.name.clone(),
                secret: name.clone(),
                source: place(source),
                key: kept.map(|kept| kept.key.clone()),
                changed_at: kept.map(|kept| kept.changed_at),
                problem: read.err().map(|error| error.to_string()),
            });
        }
    }
    all
}

/// The sign-ins of connections that have an app.
fn sign_ins(config: &Config, connections: &[ConnectionRow], vault: &Vault) -> Vec<Looked> {
    let mut all = Vec::new();
    for row in connections.iter().filter(|row| !row.removed) {
        let wish = config.connections.get(&row.name);
        let Some(app) = wish.and_then(|wish| wish.oauth.as_ref()) else {
            continue;
        };
        let kept = vault.row(row.id, GRANT);
        let by_itself = app.grant == GrantKind::ClientCredentials;
        let problem = match sign_in::grant(vault, row.id) {
            Ok(grant) => sign_in::missing(by_itself, grant.as_ref(), &row.name),
            Err(problem) => Some(problem),
        };
        all.push(Looked {
            connection: row.name.clone(),
            secret: GRANT.to_owned(),
            source: place(&SecretSource::Sealed),
            key: kept.map(|kept| kept.key.clone()),
            changed_at: kept.map(|kept| kept.changed_at),
            problem,
        });
    }
    all
}

/// What is sealed here and read by nobody.
fn unwanted<'a>(
    config: &'a Config,
    connections: &'a [ConnectionRow],
    vault: &'a Vault,
) -> impl Iterator<Item = Looked> + 'a {
    vault.rows().iter().filter_map(|kept| {
        let row = connections.iter().find(|row| row.id == kept.connection);
        let wish = row
            .filter(|row| !row.removed)
            .and_then(|row| config.connections.get(&row.name));
        let source = wish.and_then(|wish| wish.secrets.get(&kept.name));
        let is_sign_in = [GRANT, PENDING].contains(&kept.name.as_str())
            && wish.is_some_and(|wish| wish.oauth.is_some());
        if is_sign_in || source == Some(&SecretSource::Sealed) {
            return None;
        }
        let connection = row.map_or_else(String::new, |row| row.name.clone());
        // That of a removed connection waits for it to come back.
        let problem = wish.map(|_| {
            format!(
                "the configuration does not take '{0}' from here: write `{0}: sealed`, or \
                 `concord secrets remove {connection} {0}`",
                kept.name
            )
        });
        Some(Looked {
            connection,
            secret: kept.name.clone(),
            source: place(&SecretSource::Sealed),
            key: Some(kept.key.clone()),
            changed_at: Some(kept.changed_at),
            problem,
        })
    })
}

fn place(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(variable) => format!("variable {variable}"),
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Sealed => "sealed".to_owned(),
    }
}

fn idle_keys(vault: &Vault) -> Vec<String> {
    let used: BTreeSet<&str> = vault.rows().iter().map(|row| row.key.as_str()).collect();
    // Without a key there is nothing to say, and where one is needed a secret's
    // problem says so.
    let Ok(ring) = vault.ring(String::new) else {
        return Vec::new();
    };
    let before = ring.all().skip(1).map(Key::id);
    before.filter(|id| !used.contains(id.as_str())).collect()
}

fn words(found: &Found) -> String {
    let mut text = table(
        ["connection", "secret", "from", "key", "since", "is"],
        found.secrets.iter().map(|looked| {
            [
                looked.connection.clone(),
                looked.secret.clone(),
                looked.source.clone(),
                looked.key.clone().unwrap_or_default(),
                looked
                    .changed_at
                    .map_or_else(String::new, |at| at.to_string()),
                if looked.problem.is_none() {
                    "fine"
                } else {
                    "not fine"
                }
                .to_owned(),
            ]
        }),
    );
    if text.is_empty() {
        text = "no connection needs a secret\n".to_owned();
    }
    let problems = found.secrets.iter().filter_map(|looked| {
        let problem = looked.problem.as_ref()?;
        Some(format!("{}: {problem}", looked.connection))
    });
    text += &section("To be done:", &problems.collect::<Vec<_>>());
    text + &section(
        "Keys that nothing in this database is sealed with (backups and other databases may be):",
        &found.idle_keys,
    )
}
