//! Everything that a run needs, wired by the CLI or a test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use concord_core::chance::Seeded;
use concord_core::ports::{Clock, Connector, Rng, Store, StoreError};
use concord_core::state::ConnectionRow;
use concord_core::webhook::DeliveryStore;
use concord_core::{ConnectionId, FieldName, Kind, StreamName, Timestamp, manifest};
use concord_sync::delete::DeleteMode;
use concord_sync::guard::Guards;
use concord_sync::identity::Subject;
use concord_sync::lens::References;
use concord_sync::mapping::StreamMapping;
use concord_sync::retention::Retention;
use concord_sync::scene::{LensHistory, Rules, Scene};
use concord_sync::schemas::Schemas;
use concord_sync::scope::Filter;

use crate::config::Direction;
use crate::documents;
use crate::error::EngineError;
use crate::numbers::Numbers;
use crate::progress::Watch;
use crate::sharing::Sharing;

/// One stream of one connection, ready to run.
pub struct Stream {
    pub name: StreamName,
    pub direction: Direction,
    /// The manifest's entry, less what the direction takes away.
    pub caps: manifest::Stream,
    pub mapping: StreamMapping,
    pub read: Filter,
    pub write: Filter,
    /// The remote fields that a pull asks for.
    pub fields: Vec<String>,
}

impl Stream {
    pub fn new(
        caps: &manifest::Stream,
        mapping: StreamMapping,
        direction: Direction,
        create: bool,
        read: Filter,
        write: Filter,
    ) -> Self {
        let mut caps = caps.clone();
        caps.read &= direction.reads();
        caps.update &= direction.writes();
        caps.create &= direction.writes() && create;
        caps.delete &= direction.writes();
        let mut fields = mapping.remote_fields().to_vec();
        fields.extend(read.remote_fields().map(str::to_owned));
        fields.sort();
        fields.dedup();
        Self {
            name: caps.name.clone(),
            direction,
            caps,
            mapping,
            read,
            write,
            fields,
        }
    }

    pub fn kind(&self) -> &Kind {
        &self.mapping.kind
    }
}

/// One configured account with its connector.
pub struct Connection {
    pub row: ConnectionRow,
    pub connector: Arc<dyn Connector>,
    pub streams: Vec<Stream>,
    pub ways: Ways,
}

/// How a connection is treated, as its admin wrote.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    pub deletes: DeleteMode,
    pub guards: Guards,
    /// How often everything is read again; none leaves it to the stream.
    pub full_every: Option<Duration>,
}

/// How often a stream is read whole that does not tell of deleted records.
const WITHOUT_DELETE_FEED: Duration = Duration::from_secs(24 * 3600);
/// How often any stream is, to find what its changes never listed.
const TO_VERIFY: Duration = Duration::from_secs(7 * 24 * 3600);

impl Connection {
    pub fn id(&self) -> ConnectionId {
        self.row.id
    }

    pub fn approved(&self) -> bool {
        self.row.approved_at.is_some()
    }

    /// How long a full read of a stream stands before the next one.
    pub fn full_every(&self, stream: &Stream) -> Duration {
        let own = match stream.caps.delete_feed {
            true => TO_VERIFY,
            false => WITHOUT_DELETE_FEED,
        };
        self.ways.full_every.unwrap_or(own)
    }

    pub fn stream(&self, name: &StreamName) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name == *name)
    }
}

/// How a run behaves.
#[derive(Clone, Debug)]
pub struct Options {
    pub page_size: u32,
    /// So many unmatched are put in order in memory; more are found in order.
    pub unmatched: usize,
    /// A wait longer than this ends the connection's part of the run instead.
    pub longest_wait: Duration,
    /// How long a request may take; it ends before the lease does.
    pub request_timeout: Duration,
    pub lease: Duration,
    /// Who holds the lease, for the message to others.
    pub owner: String,
    /// How the database is shared with other hubs; none where it is not.
    pub sharing: Option<Arc<Sharing>>,
    /// How long the books are kept; none keeps all of them.
    pub retention: Option<Retention>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_size: 100,
            unmatched: 10_000,
            longest_wait: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
            lease: Duration::from_secs(120),
            owner: "concord".into(),
            sharing: None,
            retention: None,
        }
    }
}

pub struct Hub {
    pub store: Arc<dyn Store>,
    /// Where webhooks wait, if they are taken at all.
    pub deliveries: Option<Arc<dyn DeliveryStore>>,
    pub clock: Arc<dyn Clock>,
    /// From the clock, so that a run in virtual time is the same again; the
    /// program puts the machine's in its place.
    pub rng: Arc<dyn Rng>,
    pub watch: Arc<dyn Watch>,
    pub schemas: Schemas,
    /// What of each kind says who somebody is.
    pub(crate) subjects: BTreeMap<Kind, Subject>,
    pub rules: Rules,
    pub connections: Vec<Connection>,
    pub history: LensHistory,
    pub options: Options,
    pub numbers: Numbers,
    /// Set from outside: the run ends before its next step.
    pub stop: Arc<AtomicBool>,
    /// Until when the lease of the run is ours, in microseconds of monotonic
    /// time; 0 while there is none.
    pub(crate) leased_until: AtomicU64,
}

impl Hub {
    /// Loads what the store knows of earlier mappings, so that a changed lens is
    /// recognised at the next observation.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        watch: Arc<dyn Watch>,
        schemas: Schemas,
        rules: Rules,
        connections: Vec<Connection>,
        options: Options,
    ) -> Result<Self, EngineError> {
        let mut connections = connections;
        if let Some(sharing) = &options.sharing {
            for connection in &mut connections {
                connection.connector = sharing.yielding(connection.id(), &connection.connector);
            }
        }
        let history = lens_history(store.as_ref(), &connections).await?;
        let numbers = Numbers::new(Arc::clone(&store));
        let seed = clock.now().0.unsigned_abs();
        let subjects = schemas
            .iter()
            .filter_map(|schema| Some((schema.kind.clone(), Subject::of(schema)?)))
            .collect();
        Ok(Self {
            store,
            deliveries: None,
            clock,
            rng: Arc::new(Seeded::new(seed)),
            watch,
            schemas,
            subjects,
            rules,
            connections,
            history,
            options,
            numbers,
            stop: Arc::default(),
            leased_until: AtomicU64::new(0),
        })
    }

    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections
            .iter()
            .find(|connection| connection.id() == id)
    }

    pub fn named(&self, name: &str) -> Result<&Connection, EngineError> {
        self.connections
            .iter()
            .find(|connection| connection.row.name == name)
            .ok_or_else(|| EngineError::NoConnection(name.to_owned()))
    }

    pub fn is_approved(&self, id: ConnectionId) -> bool {
        // A connection that was removed cannot be asked any more; what it said
        // before was believed then.
        self.connection(id).is_none_or(Connection::approved)
    }

    pub fn scene<'a>(
        &'a self,
        connection: &'a Connection,
        stream: &'a Stream,
        refs: &'a dyn References,
        now: Timestamp,
    ) -> Scene<'a> {
        Scene {
            connection: connection.id(),
            approved: connection.approved(),
            mapping: &stream.mapping,
            stream: &stream.caps,
            refs,
            rules: &self.rules,
            history: &self.history,
            now,
        }
    }

    /// The kinds of entities that any stream carries.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = self
            .connections
            .iter()
            .flat_map(|connection| {
                connection
                    .streams
                    .iter()
                    .map(|stream| stream.kind().clone())
            })
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    /// More than one stream carries this kind, so a new record may be somebody
    /// who is known already.
    pub fn is_shared(&self, kind: &Kind) -> bool {
        let carriers = self
            .connections
            .iter()
            .flat_map(|c| &c.streams)
            .filter(|s| s.kind() == kind);
        carriers.count() > 1
    }

    /// The streams of a kind that have never been read to their end, by name.
    pub async fn unread(&self, kind: &Kind) -> Result<Vec<String>, StoreError> {
        let mut unread = Vec::new();
        for connection in &self.connections {
            let states = self.store.streams(connection.id()).await?;
            for stream in connection
                .streams
                .iter()
                .filter(|s| s.kind() == kind && s.caps.read)
            {
                let state = states.iter().find(|state| state.stream == stream.name);
                if state.is_none_or(|state| state.first_complete_at.is_none()) {
                    unread.push(format!("{}/{}", connection.row.name, stream.name));
                }
            }
        }
        Ok(unread)
    }
}

const HISTORY: &str = "lens-history";

/// What the store knows of earlier mappings, with the present ones.
async fn lens_history(
    store: &dyn Store,
    connections: &[Connection],
) -> Result<LensHistory, EngineError> {
    let known: Option<LensHistory> = documents::read(store, HISTORY).await?;
    let mut history = known.unwrap_or_default();
    for stream in connections.iter().flat_map(|c| &c.streams) {
        history
            .entry(stream.mapping.hash.clone())
            .or_insert_with(|| {
                let lenses = &stream.mapping.lenses;
                lenses
                    .iter()
                    .map(|l| (l.field.clone(), l.hash.clone()))
                    .collect::<BTreeMap<FieldName, String>>()
            });
    }
    Ok(history)
}

impl Hub {
    /// Writes the present mappings down, before any base is made with them.
    /// Opening does not, so that commands that only read need no right to write.
    pub(crate) async fn note_mappings(&self) -> Result<(), EngineError> {
        let text = serde_json::to_string(&self.history).map_err(|error| {
            EngineError::Refused(format!("the mappings cannot be written down: {error}"))
        })?;
        if self.store.document(HISTORY).await?.as_ref() != Some(&text) {
            self.store.set_document(HISTORY, &text).await?;
        }
        Ok(())
    }
}
