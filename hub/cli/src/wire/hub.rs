//! Builds the hub from what was applied.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{Allowances, Clock, Connector, Http, Store, StoreError, Tokens};
use concord_core::secret::SecretStore;
use concord_core::state::ConnectionRow;
use concord_core::webhook::DeliveryStore;
use concord_core::{Manifest, manifest};
use concord_engine::clock::SystemRng;
use concord_engine::config::{Config, ConnectionConfig, GrantKind};
use concord_engine::hub::{Connection, Options, Ways};
use concord_engine::oauth::{GRANT, Keeper, KeeperParts};
use concord_engine::progress::Watch;
use concord_engine::quota::{Budgets, ConnectionQuota};
use concord_engine::tokens::StaticTokens;
use concord_engine::{EngineError, Hub};
use concord_host::{Host, HostError, HostOptions, Limits, Runtime};
use concord_net::ObservedHttp;
use concord_sync::schemas::{self, AddFieldError, Schemas};

use super::blueprint::{self, Blueprint};
use super::config::{self, ConfigError};
use super::flight::Flight;
use super::plugins::{self, Plugins};
use super::rules::{self, Carried};
use super::secrets;
use super::sign_in;
use super::unusable::Unusable;
use super::vault::Vault;
use super::way_out;
use super::while_claimed::WhileClaimed;

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("a field of the configuration cannot be added: {0}")]
    Field(#[from] AddFieldError),
}

/// What a command needs of the systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing is asked of them: no secret is read and no component is loaded.
    Records,
    Systems,
}

/// What the hub is built from.
pub struct Parts {
    pub store: Arc<dyn Store>,
    /// Where sign-ins are kept while they change.
    pub secrets: Arc<dyn SecretStore>,
    pub deliveries: Arc<dyn DeliveryStore>,
    /// What hubs of this database share of the vendors' allowances.
    pub allowances: Arc<dyn Allowances>,
    /// What this process knows of them.
    pub budgets: Arc<Budgets>,
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    pub watch: Arc<dyn Watch>,
    pub options: Options,
    /// The folder named on the command line.
    pub plugins: Option<PathBuf>,
    /// Where compiled components are kept.
    pub cache: Option<PathBuf>,
    pub reach: Reach,
    /// Whether the run is recorded, or replayed.
    pub flight: Flight,
}

/// The schemas with the admin's own fields.
pub fn schemas(config: &Config) -> Result<Schemas, AddFieldError> {
    let mut schemas = schemas::builtin();
    for (kind, fields) in &config.fields {
        for (name, property) in fields {
            schemas.add_field(kind.as_str(), name.as_str(), property)?;
        }
    }
    Ok(schemas)
}

/// Builds the hub.  A connection that cannot run is part of it all the same and
/// says why in `row.held`; the others are not stopped by it.
pub async fn build(mut parts: Parts) -> Result<Hub, WireError> {
    let config = config::stored(parts.store.as_ref()).await?;
    parts.options.retention = Some(config.retention);
    let schemas = schemas(&config)?;
    let rows = parts.store.connections().await?;
    // A removed connection still owns what it said, unless its name lives on.
    let mut names = BTreeMap::new();
    for row in &rows {
        if !row.removed || !names.contains_key(&row.name) {
            names.insert(row.name.clone(), row.id);
        }
    }
    let plugins = Plugins::look(plugins::folders(parts.plugins.as_ref(), &config.plugins));
    let mut wiring = Wiring {
        parts,
        schemas,
        plugins,
        host: None,
    };
    let mut connections = Vec::new();
    for row in rows.into_iter().filter(|row| !row.removed) {
        // A row without its document is half of a change that was cut short.
        if let Some(wish) = config.connections.get(&row.name) {
            connections.push(wiring.connection(row, wish)?);
        }
    }
    let mut carried = Carried::default();
    for connection in &connections {
        carried.add(&connection.row.name, &connection.streams);
    }
    let rules = rules::build(&config, &carried, &names);
    let Wiring { parts, schemas, .. } = wiring;
    let deliveries = parts.deliveries;
    let hub = Hub::open(
        parts.flight.store(parts.store),
        parts.flight.clock(parts.clock),
        parts.watch,
        schemas,
        rules,
        connections,
        parts.options,
    );
    let mut hub = hub.await?;
    hub.deliveries = Some(deliveries);
    hub.rng = Arc::new(SystemRng::default());
    Ok(hub)
}

struct Wiring {
    parts: Parts,
    schemas: Schemas,
    plugins: Plugins,
    /// Started when the first component is loaded.
    host: Option<Host>,
}

impl Wiring {
    fn connection(
        &mut self,
        mut row: ConnectionRow,
        wish: &ConnectionConfig,
    ) -> Result<Connection, WireError> {
        let place = format!("connections.{}", row.name);
        let found = match self.plugins.get(&wish.connector) {
            Ok(found) => found,
            Err(error) => return Ok(without_plugin(row, wish, error.to_string())),
        };
        let blueprint = match blueprint::draw(&place, wish, found, &self.schemas) {
            Ok(blueprint) => blueprint,
            Err(problems) => return Ok(without_plugin(row, wish, problems.to_string())),
        };
        let connector = match self.parts.reach {
            Reach::Records => {
                let reason = "this command asks nothing of the systems".to_owned();
                Ok(Arc::new(Unusable::new(blueprint.manifest.clone(), reason))
                    as Arc<dyn Connector>)
            }
            Reach::Systems => self.connector(&row, wish, &blueprint)?,
        };
        let connector: Arc<dyn Connector> = match connector {
            Ok(connector) => {
                if self.parts.reach == Reach::Systems {
                    row.held = None;
                }
                connector
            }
            Err(reason) => {
                row.held = Some(reason.clone());
                Arc::new(Unusable::new(blueprint.manifest, reason))
            }
        };
        Ok(Connection {
            row,
            connector,
            streams: blueprint.streams,
            ways: ways(wish),
        })
    }

    /// The connector with everything around it, or why it cannot run.
    fn connector(
        &mut self,
        row: &ConnectionRow,
        wish: &ConnectionConfig,
        blueprint: &Blueprint,
    ) -> Result<Result<Arc<dyn Connector>, String>, WireError> {
        let host = match &mut self.host {
            Some(host) => host,
            empty => {
                let cache_dir = self.parts.cache.clone();
                empty.insert(Host::new(HostOptions {
                    cache_dir,
                    ..HostOptions::default()
                })?)
            }
        };
        let vault = &self.parts.vault;
        let secret_store = &self.parts.secrets;
        let (budgets, allowances) = (&self.parts.budgets, &self.parts.allowances);
        let clock = Arc::clone(&self.parts.clock);
        let sharing = self.parts.options.sharing.as_ref();
        let limits = Limits {
            http_timeout: self.parts.options.request_timeout,
            ..Limits::default()
        };
        let flight = &self.parts.flight;
        let connect = || -> Result<Arc<dyn Connector>, String> {
            let load = || {
                host.load(&blueprint.path)
                    .map_err(|error| error.to_string())
            };
            if let Flight::Replayed(replaying) = flight {
                // It ran or it did not, whatever is here of its secrets.
                let recorded = replaying.recorded(&row.name);
                if let Some(reason) = recorded.and_then(|recorded| recorded.held.clone()) {
                    return Err(reason);
                }
                let values = blueprint.values.clone();
                let clock = flight.clock(clock);
                let runtime = replaying.runtime(&row.name, values, clock, limits);
                return Ok(flight.connect(&load()?, runtime));
            }
            let guarded = |http: Arc<dyn Http>| -> Arc<dyn Http> {
                let name = row.name.clone();
                let http = Arc::new(ObservedHttp::new(http, name, Arc::clone(&clock)));
                match sharing {
                    Some(sharing) => Arc::new(WhileClaimed::new(http, sharing.claim(row.id))),
                    None => http,
                }
            };
            let mut values = blueprint.values.clone();
            let tokens: Arc<dyn Tokens> = match &blueprint.sign_in {
                Some(plan) => {
                    let grant = sign_in::grant(vault, row.id)?;
                    if let Some(reason) =
                        sign_in::missing(plan.by_itself(), grant.as_ref(), &row.name)
                    {
                        return Err(reason);
                    }
                    // What the admin says goes before what the vendor told.
                    for (key, value) in grant.into_iter().flat_map(|grant| grant.values) {
                        values.entry(key).or_insert(value);
                    }
                    let app = plan.app(row.id, &row.name, wish, vault);
                    let http = plan.http(row.id, wish, vault);
                    let http = http.map_err(|error| error.to_string())?;
                    let keeper = Keeper::new(KeeperParts {
                        app: app.map_err(|error| error.to_string())?,
                        header: sign_in::header(&blueprint.manifest.auth),
                        kept: vault.kept(
                            row.id,
                            GRANT,
                            Arc::clone(secret_store),
                            Arc::clone(&clock),
                        ),
                        transport: sign_in::transport(guarded(http), limits.http_timeout),
                        clock: Arc::clone(&clock),
                        rng: Arc::new(SystemRng::default()),
                    });
                    Arc::new(keeper.map_err(|error| error.to_string())?)
                }
                None => {
                    let secrets = secrets::read(row.id, &wish.secrets, vault)
                        .map_err(|error| error.to_string())?;
                    let tokens = StaticTokens::new(&blueprint.manifest.auth, &secrets);
                    Arc::new(tokens.map_err(|error| error.to_string())?)
                }
            };
            let http = way_out::open(row.id, wish, blueprint.policy.clone(), vault);
            let http = guarded(http.map_err(|error| error.to_string())?);
            let runtime = Runtime {
                connection: row.name.clone(),
                config: values,
                http,
                quota: Arc::new(ConnectionQuota::new(
                    &blueprint.manifest.quotas,
                    &name_of(row),
                    &app_of(wish),
                    budgets,
                    &clock,
                    allowances,
                )),
                tokens,
                clock: flight.clock(clock),
                limits,
            };
            Ok(flight.connect(&load()?, runtime))
        };
        Ok(connect())
    }
}

/// Looks again at the sign-ins, one of which may have ended while a run used it.
pub async fn look_at_sign_ins(hub: &mut Hub, vault: &Vault) -> Result<(), WireError> {
    let config = config::stored(hub.store.as_ref()).await?;
    for connection in &mut hub.connections {
        let row = &mut connection.row;
        let wish = config.connections.get(&row.name);
        let Some(app) = wish.and_then(|wish| wish.oauth.as_ref()) else {
            continue;
        };
        // Whatever else is the matter with it was told when the run began.
        if row.held.is_none()
            && let Ok(grant) = sign_in::grant(vault, row.id)
        {
            let by_itself = app.grant == GrantKind::ClientCredentials;
            row.held = sign_in::missing(by_itself, grant.as_ref(), &row.name);
        }
    }
    Ok(())
}

/// Nothing is known of its streams, so nothing of it runs.
fn without_plugin(mut row: ConnectionRow, wish: &ConnectionConfig, reason: String) -> Connection {
    let manifest = Manifest {
        id: wish.connector.clone(),
        name: wish.connector.clone(),
        version: String::new(),
        contract: String::new(),
        family: String::new(),
        description: String::new(),
        auth: manifest::Auth::None,
        oauth: None,
        config: Vec::new(),
        egress: manifest::EgressWish {
            hosts: Vec::new(),
            from_config: Vec::new(),
        },
        quotas: Vec::new(),
        webhooks: None,
        streams: Vec::new(),
    };
    row.held = Some(reason.clone());
    let connector = Arc::new(Unusable::new(manifest, reason));
    Connection {
        row,
        connector,
        streams: Vec::new(),
        ways: ways(wish),
    }
}

/// A connection as its allowances name it.
pub fn name_of(row: &ConnectionRow) -> String {
    format!("connection/{}", row.id.0)
}

/// The app whose budget a connection spends; those that sign in without one
/// count as one per system.
pub fn app_of(wish: &ConnectionConfig) -> String {
    match &wish.oauth {
        Some(app) => format!("app/{}/{}", wish.connector, app.client_id),
        None => format!("app/{}", wish.connector),
    }
}

/// How the admin wants this connection to be treated.
fn ways(wish: &ConnectionConfig) -> Ways {
    let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3600);
    Ways {
        deletes: wish.deletes,
        guards: wish.guards,
        full_every: wish.full_every_hours.map(hours),
    }
}

/// Where compiled components are kept unless the environment says otherwise:
/// they are made for this machine and can always be made again.
pub fn default_cache() -> Option<PathBuf> {
    let named = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
    Some(cache.join("concord").join("plugins"))
}

/// Connections that cannot run, with the reason of each.
pub fn held(hub: &Hub) -> BTreeMap<String, String> {
    hub.connections
        .iter()
        .filter_map(|connection| Some((connection.row.name.clone(), connection.row.held.clone()?)))
        .collect()
}
