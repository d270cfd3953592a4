//! Which connections take webhooks, and what they are checked with.

use std::collections::BTreeMap;

use concord_core::ports::{Store, StoreError};
use concord_core::secret::SealedSecret;
use concord_engine::config::{Config, ConnectionConfig, WebhooksConfig};
use concord_server::webhooks::Hook;
use url::Url;

use super::plugins::Plugins;
use super::secrets;
use super::vault::Vault;

/// What is wrong with the address that systems are given.
pub fn problem(url: &str) -> Option<String> {
    let is_plain = |url: &Url| {
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        matches!(url.scheme(), "http" | "https") && url.has_host() && bare
    };
    match Url::parse(url) {
        Ok(url) if is_plain(&url) => None,
        _ => Some(format!(
            "'{url}' is not an address of a hub; it is like https://hub.example.com"
        )),
    }
}

/// What the hooks follow from; while it is the same, so are they.
#[derive(PartialEq)]
pub struct Basis {
    webhooks: Option<WebhooksConfig>,
    connections: BTreeMap<String, ConnectionConfig>,
    secrets: Vec<(i64, String, i64)>,
}

impl Basis {
    pub fn of(config: &Config, rows: &[SealedSecret]) -> Self {
        let row = |row: &SealedSecret| (row.connection.0, row.name.clone(), row.revision);
        Self {
            webhooks: config.webhooks.clone(),
            connections: config.connections.clone(),
            secrets: rows.iter().map(row).collect(),
        }
    }
}

/// The hooks by connection, with a line for each that lacks something.
pub async fn load(
    store: &dyn Store,
    config: &Config,
    plugins: &Plugins,
    vault: &Vault,
) -> Result<(BTreeMap<String, Hook>, Vec<String>), StoreError> {
    let mut hooks = BTreeMap::new();
    let mut lacking = Vec::new();
    for row in store.connections().await? {
        let wish = config.connections.get(&row.name).filter(|_| !row.removed);
        let Some((connection, found)) =
            wish.and_then(|wish| Some((wish, plugins.get(&wish.connector).ok()?)))
        else {
            continue;
        };
        let Some(wish) = found.inspected.manifest.webhooks.clone() else {
            continue;
        };
        let Some(source) = connection.secrets.get(&wish.secret) else {
            continue;
        };
        let secret = secrets::read_one(row.id, &wish.secret, source, vault);
        if let Err(error) = &secret {
            lacking.push(format!("'{}' takes no webhooks: {error}", row.name));
        }
        let hook = Hook {
            connection: row.id,
            wish,
            secret: secret.ok(),
        };
        hooks.insert(row.name, hook);
    }
    Ok((hooks, lacking))
}
