//! Takes a configuration over: checks all of it, says what changes, and writes
//! it down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use concord_core::ports::{Sequence, Store, StoreError};
use concord_core::state::ConnectionRow;
use concord_core::{Changeset, ConnectionId, Timestamp, Value};
use concord_engine::config::{Config, ConnectionConfig};
use concord_engine::history::Began;
use concord_engine::timetable::{Timetable, Unusable};
use serde::Serialize;

use super::alerts;
use super::blueprint;
use super::config::{self, ConfigError};
use super::hooks;
use super::hub::schemas;
use super::plugins::{self, Plugins};
use super::problem::Problems;
use super::rules::{self, Carried};

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("the configuration is not taken over:\n{0}")]
    Wrong(#[from] Problems),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "'{name}' is a connection of {old}; its links belong to that system. Remove it and add \
         {new} under another name"
    )]
    OtherConnector {
        name: String,
        old: String,
        new: String,
    },
    #[error("the connection '{name}' cannot be written down: {problem}")]
    Write { name: String, problem: String },
}

/// What an `apply` changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub added: Vec<String>,
    /// Connection, and the parts of its document that are different now.
    pub changed: BTreeMap<String, Vec<String>>,
    pub removed: Vec<String>,
    pub unchanged: Vec<String>,
    /// Parts of the document outside of the connections.
    pub settings: Vec<String>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
            && self.settings.is_empty()
    }
}

/// Looks for every mistake that shows without asking a system.
pub fn check(config: &Config, named: Option<&PathBuf>, now: Timestamp) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let schemas = match schemas(config) {
        Ok(schemas) => schemas,
        Err(error) => {
            problems.add("fields", error);
            return Err(problems);
        }
    };
    let mut carried = Carried::default();
    let plugins = Plugins::look(plugins::folders(named, &config.plugins));
    for (name, wish) in &config.connections {
        let place = format!("connections.{name}");
        if !is_name(name) {
            problems.add(&place, "a name takes letters, digits, '-', '_' and '.'");
        }
        match plugins.get(&wish.connector) {
            Err(error) => problems.add(format!("{place}.connector"), error),
            Ok(found) => match blueprint::draw(&place, wish, found, &schemas) {
                Err(more) => problems.join(more),
                Ok(blueprint) => {
                    carried.add(name, &blueprint.streams);
                    if let Err(broken) = blueprint.mapping.check_laws() {
                        problems.add(format!("{place}.mapping"), broken);
                    }
                }
            },
        }
    }
    rules::check(config, &schemas, &carried, &mut problems);
    if let Err(Unusable { place, error }) = Timetable::new(config, &Began::default(), now) {
        problems.add(place, error);
    }
    if let Some(webhooks) = &config.webhooks
        && let Some(problem) = hooks::problem(&webhooks.url)
    {
        problems.add("webhooks.url", problem);
    }
    alerts::check(&config.alerts, &mut problems);
    problems.or(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// Writes the configuration down.  The caller holds the lease and has checked
/// it.  Applied twice, it changes nothing the second time.
pub async fn commit(store: &dyn Store, config: &Config) -> Result<Changes, ApplyError> {
    let before = config::stored(store).await?;
    let rows = store.connections().await?;
    let mut changes = Changes {
        settings: settings(&before, config),
        ..Changes::default()
    };
    let mut out = Changeset::durable();
    for (name, wish) in &config.connections {
        let document = document(name, wish)?;
        let same_name = |row: &&ConnectionRow| row.name == *name;
        // What was removed and comes back is the account it was: its links
        // still hold.  Its plan has to be approved again.
        let known = rows.iter().find(|row| row.name == *name && !row.removed);
        let known = known.or_else(|| {
            rows.iter()
                .filter(same_name)
                .find(|row| row.connector == wish.connector)
        });
        let Some(row) = known else {
            changes.added.push(name.clone());
            out.connections.push(ConnectionRow {
                id: ConnectionId(store.reserve(&Sequence::Connection, 1).await?),
                name: name.clone(),
                connector: wish.connector.clone(),
                config: document,
                approved_at: None,
                held: None,
                removed: false,
            });
            continue;
        };
        if row.connector != wish.connector {
            return Err(ApplyError::OtherConnector {
                name: name.clone(),
                old: row.connector.clone(),
                new: wish.connector.clone(),
            });
        }
        let parts = different(&row.config, &document);
        let mut row = row.clone();
        if row.removed {
            changes.added.push(name.clone());
            row.removed = false;
            row.approved_at = None;
        } else if parts.is_empty() {
            changes.unchanged.push(name.clone());
            continue;
        }
        if parts
            .iter()
            .any(|part| part == "mapping" || part == "streams")
        {
            read_again(store, row.id, &mut out).await?;
        }
        if !changes.added.contains(name) {
            changes.changed.insert(name.clone(), parts);
        }
        row.config = document;
        out.connections.push(row);
    }
    let gone = rows
        .iter()
        .filter(|row| !row.removed && !config.connections.contains_key(&row.name));
    for row in gone {
        changes.removed.push(row.name.clone());
        out.connections.push(ConnectionRow {
            removed: true,
            ..row.clone()
        });
    }
    if changes.is_empty() {
        return Ok(changes);
    }
    store.commit(&out).await?;
    // Last: until it is written, the same file simply is applied again.
    config::keep(store, config).await?;
    owe_anew(store, config).await?;
    Ok(changes)
}

fn document(name: &str, wish: &ConnectionConfig) -> Result<Value, ApplyError> {
    serde_json::to_value(wish).map_err(|error| ApplyError::Write {
        name: name.to_owned(),
        problem: error.to_string(),
    })
}

/// Other lenses and filters look at other fields of records that have not
/// changed since, so the whole stream is read again.
async fn read_again(
    store: &dyn Store,
    connection: ConnectionId,
    out: &mut Changeset,
) -> Result<(), StoreError> {
    for mut state in store.streams(connection).await? {
        state.cursor = None;
        state.walking = true;
        state.walk += 1;
        out.streams.push(state);
    }
    Ok(())
}

/// Rules, filters and directions decide what is owed, so everything is looked
/// at once more.
async fn owe_anew(store: &dyn Store, config: &Config) -> Result<(), ApplyError> {
    let Ok(schemas) = schemas(config) else {
        return Ok(());
    };
    for schema in schemas.iter() {
        store.mark_dirty(&schema.kind).await?;
    }
    Ok(())
}

/// The parts of two documents that differ, by the names of their keys.
fn different(old: &Value, new: &Value) -> Vec<String> {
    let keys = |value: &Value| -> BTreeSet<String> {
        value
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys().cloned())
            .collect()
    };
    let all: BTreeSet<String> = keys(old).union(&keys(new)).cloned().collect();
    all.into_iter()
        .filter(|key| old.get(key) != new.get(key))
        .collect()
}

fn settings(before: &Config, after: &Config) -> Vec<String> {
    // Taken apart, so that a part that is added cannot be forgotten here.
    let Config {
        plugins,
        fields,
        rules,
        retention,
        schedule,
        webhooks,
        alerts,
        connections: _,
    } = after;
    let differs = [
        ("plugins", before.plugins != *plugins),
        ("fields", before.fields != *fields),
        ("rules", before.rules != *rules),
        ("retention", before.retention != *retention),
        ("schedule", before.schedule != *schedule),
        ("webhooks", before.webhooks != *webhooks),
        ("alerts", before.alerts != *alerts),
    ];
    differs
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::store::testing::fresh;

    fn config(text: &str) -> Config {
        serde_saphyr::from_str(text).unwrap()
    }

    const TWO: &str = "
connections:
  crm: { connector: toy, config: { base_url: 'http://a' } }
  mail: { connector: post }
";

    #[tokio::test]
    async fn applying_twice_changes_nothing_the_second_time() {
        let (_folder, store) = fresh().await;
        let first = commit(store.as_ref(), &config(TWO)).await.unwrap();
        assert_eq!(first.added, ["crm", "mail"]);
        let second = commit(store.as_ref(), &config(TWO)).await.unwrap();
        assert!(second.is_empty(), "{second:?}");
        assert_eq!(second.unchanged, ["crm", "mail"]);
        assert_eq!(config::stored(store.as_ref()).await.unwrap(), config(TWO));
    }

    #[tokio::test]
    async fn changes_are_named_and_a_removed_connection_keeps_its_number() {
        let (_folder, store) = fresh().await;
        commit(store.as_ref(), &config(TWO)).await.unwrap();
        let number = |rows: &[ConnectionRow], name: &str| {
            rows.iter().find(|row| row.name == name).unwrap().id
        };
        let before = store.connections().await.unwrap();
        let less =
            config("connections: { crm: { connector: toy, config: { base_url: 'http://b' } } }");
        let changes = commit(store.as_ref(), &less).await.unwrap();
        assert_eq!(changes.removed, ["mail"]);
        assert_eq!(changes.changed["crm"], ["config"]);
        let back = commit(store.as_ref(), &config(TWO)).await.unwrap();
        assert_eq!(back.added, ["mail"]);
        let after = store.connections().await.unwrap();
        assert_eq!(number(&before, "mail"), number(&after, "mail"));
        assert_eq!(after.len(), 2);
    }

    #[tokio::test]
    async fn a_connection_does_not_become_another_system() {
        let (_folder, store) = fresh().await;
        commit(store.as_ref(), &config(TWO)).await.unwrap();
        let other = config("connections: { crm: { connector: post } }");
        let error = commit(store.as_ref(), &other).await.unwrap_err();
        assert!(
            matches!(error, ApplyError::OtherConnector { .. }),
            "{error}"
        );
    }

    #[test]
    fn rules_and_fields_are_checked_without_a_system() {
        let check = |text: &str, expect: &[&str]| {
            let problems = super::check(&config(text), None, Timestamp::ZERO)
                .unwrap_err()
                .to_string();
            for part in expect {
                assert!(problems.contains(part), "{text}: {problems}");
            }
        };
        check(
            "rules: { person: { email: { owner: [crm] } } }",
            &["rules.person.email", "no connection 'crm'"],
        );
        check(
            "fields: { persn: { x: { type: string } } }",
            &["fields", "persn"],
        );
        check(
            "connections: { a b: { connector: toy } }",
            &["connections.a b", "letters"],
        );
        check(
            "connections: { crm: { connector: toy } }",
            &["connections.crm.connector", "'toy'"],
        );
    }
}
