//! A small world for stories: systems in memory behind the Connector port, a
//! clock that a test moves, and the real engine on the real store.

mod account;
mod clock;
mod faulty;
mod ground;
mod passage;
mod system;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{Connector, Store};
use concord_core::schema::MergeRule;
use concord_core::state::ConnectionRow;
use concord_core::{Changeset, ConnectionId, FieldName, Kind, Timestamp};
use concord_engine::config::Direction;
use concord_engine::hub::{Connection, Options, Stream, Ways};
use concord_engine::progress::Unwatched;
use concord_engine::run::{Report, Request};
use concord_engine::{EngineError, Hub};
use concord_store::SqlStore;
use concord_sync::mapping::Mapping;
use concord_sync::retention::Retention;
use concord_sync::scene::Rules;
use concord_sync::schemas;
use concord_sync::scope::Filter;

pub use account::Account;
pub use clock::{WorldClock, breathe};
pub use faulty::{Death, Faulty};
pub use ground::{Ground, OnFile, OnServer};
pub use passage::{Passage, Stop};
pub use system::{Behaviour, HONEST, System};

/// The stream that every system of the world has, in its own field names.
pub const MAPPING: &str = "
version: 1
streams:
  people:
    entity: person
    fields:
      email: { path: mail }
      given_name: { path: first }
      family_name: { path: last }
      phone: { path: tel, phone: { region: US } }
      job_title: { path: title }
      tags: { path: tags, set: {} }
";

pub struct World<G> {
    pub clock: Arc<WorldClock>,
    pub systems: Vec<Arc<System>>,
    pub rules: Vec<(&'static str, MergeRule)>,
    mappings: BTreeMap<String, String>,
    filters: BTreeMap<String, (Filter, Filter)>,
    directions: BTreeMap<String, Direction>,
    ways: BTreeMap<String, Ways>,
    debounces: BTreeMap<String, Duration>,
    /// How long the books are kept; for ever where it is not said.
    pub retention: Option<Retention>,
    /// The companies of accounts that have a second stream.
    companies: BTreeMap<String, Arc<System>>,
    pub ground: G,
}

impl<G: Ground> World<G> {
    pub fn new(names: &[&str]) -> Self {
        Self::with(names.iter().map(|name| (*name, Behaviour::default())))
    }

    pub fn with<'a>(systems: impl IntoIterator<Item = (&'a str, Behaviour)>) -> Self {
        Self::on(G::fresh(), systems)
    }

    pub fn on<'a>(ground: G, systems: impl IntoIterator<Item = (&'a str, Behaviour)>) -> Self {
        let start = Timestamp::parse("2026-11-01T08:00:00Z").unwrap();
        let clock = Arc::new(WorldClock::new(start));
        let systems = systems
            .into_iter()
            .map(|(name, behaviour)| Arc::new(System::new(name, behaviour, clock.clone())))
            .collect();
        Self {
            clock,
            systems,
            rules: Vec::new(),
            mappings: BTreeMap::new(),
            filters: BTreeMap::new(),
            directions: BTreeMap::new(),
            ways: BTreeMap::new(),
            debounces: BTreeMap::new(),
            retention: None,
            companies: BTreeMap::new(),
            ground,
        }
    }

    pub fn map(&mut self, system: &str, mapping: &str) {
        self.mappings.insert(system.to_owned(), mapping.to_owned());
    }

    /// The account has companies as well; the mapping has to know of them.
    pub fn with_companies(&mut self, system: &str) -> Arc<System> {
        let name = format!("{system}-companies");
        let companies = System::of_stream(
            &name,
            "companies",
            Behaviour::default(),
            Arc::clone(&self.clock),
        );
        let companies = Arc::new(companies);
        self.companies
            .insert(system.to_owned(), Arc::clone(&companies));
        companies
    }

    pub fn filter(&mut self, system: &str, read: Filter, write: Filter) {
        self.filters.insert(system.to_owned(), (read, write));
    }

    pub fn direct(&mut self, system: &str, direction: Direction) {
        self.directions.insert(system.to_owned(), direction);
    }

    /// How long its records have to rest.
    pub fn debounce(&mut self, system: &str, rest: Duration) {
        self.debounces.insert(system.to_owned(), rest);
    }

    /// How a connection is treated.
    pub fn treat(&mut self, system: &str, ways: Ways) {
        self.ways.insert(system.to_owned(), ways);
    }

    pub fn system(&self, name: &str) -> &System {
        self.systems
            .iter()
            .find(|system| system.name == name)
            .unwrap()
    }

    pub async fn store(&self) -> Arc<SqlStore> {
        Arc::new(self.ground.open().await)
    }

    /// A hub as a fresh process would open it.
    pub async fn hub(&self) -> Hub {
        self.hub_on(self.store().await).await.unwrap()
    }

    pub async fn hub_on(&self, store: Arc<dyn Store>) -> Result<Hub, EngineError> {
        let options = Options {
            page_size: 3,
            retention: self.retention,
            ..Options::default()
        };
        let connector = |system: &Arc<System>| Arc::clone(system) as Arc<dyn Connector>;
        self.hub_with(store, options, connector).await
    }

    /// A hub that reaches the systems through something.
    pub async fn hub_with(
        &self,
        store: Arc<dyn Store>,
        options: Options,
        connector: impl Fn(&Arc<System>) -> Arc<dyn Connector>,
    ) -> Result<Hub, EngineError> {
        let schemas = schemas::builtin();
        let mut known = store.connections().await?;
        let mut connections = Vec::new();
        let mut rules = Rules::new(
            self.systems
                .iter()
                .zip(1..)
                .map(|(s, id)| (ConnectionId(id), s.name.clone())),
        );
        for (field, rule) in &self.rules {
            rules.set(Kind::new("person"), FieldName::new(field), rule.clone());
        }
        for (system, id) in self.systems.iter().zip(1..) {
            let id = ConnectionId(id);
            if let Some(rest) = self.debounces.get(&system.name) {
                rules.set_debounce(id, *rest);
            }
            let row = match known.iter().position(|row| row.id == id) {
                Some(at) => known.swap_remove(at),
                None => {
                    let row = ConnectionRow {
                        id,
                        name: system.name.clone(),
                        connector: "world".into(),
                        config: serde_json::Value::Null,
                        approved_at: None,
                        held: None,
                        removed: false,
                    };
                    let mut out = Changeset::durable();
                    out.connections.push(row.clone());
                    store.commit(&out).await?;
                    row
                }
            };
            let text = self
                .mappings
                .get(&system.name)
                .map_or(MAPPING, String::as_str);
            let mapping = Mapping::parse(text, &schemas).unwrap();
            let (read, write) = self.filters.get(&system.name).cloned().unwrap_or_default();
            let direction = self
                .directions
                .get(&system.name)
                .copied()
                .unwrap_or_default();
            let companies = self.companies.get(&system.name);
            let all: Vec<&Arc<System>> = std::iter::once(system).chain(companies).collect();
            let mut streams = Vec::new();
            for (name, mapping) in mapping.streams {
                let of = all.iter().find(|one| one.caps().name == name).unwrap();
                let (read, write) = (read.clone(), write.clone());
                streams.push(Stream::new(
                    of.caps(),
                    mapping,
                    direction,
                    true,
                    read,
                    write,
                ));
            }
            let connector: Arc<dyn Connector> = match companies {
                Some(companies) => Arc::new(Account {
                    people: Arc::clone(system),
                    companies: Arc::clone(companies),
                }),
                None => connector(system),
            };
            connections.push(Connection {
                row,
                connector,
                streams,
                ways: self.ways.get(&system.name).cloned().unwrap_or_default(),
            });
        }
        Hub::open(
            store,
            self.clock.clone(),
            Arc::new(Unwatched),
            schemas,
            rules,
            connections,
            options,
        )
        .await
    }

    /// One sync by a fresh hub.
    pub async fn sync(&self) -> Report {
        self.run(&Request::default()).await
    }

    /// A first sync whose plan is approved at once.
    pub async fn approve(&self) -> Report {
        self.run(&Request {
            approve: true,
            ..Request::default()
        })
        .await
    }

    pub async fn run(&self, request: &Request) -> Report {
        self.clock.advance(Duration::from_secs(60));
        self.hub().await.sync(request).await.unwrap()
    }

    /// The writes that reached each system since the last look.
    pub fn writes(&self) -> usize {
        self.systems.iter().map(|system| system.take_writes()).sum()
    }
}
