//! What stands between the hub and the world: nothing, a recorder, a recording in
//! place of the world, or somebody who looks at the exchanges.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use concord_core::ports::{Clock, Connector, Http, Store, Tokens};
use concord_engine::recorder::{
    Connected, Mask, PlayedClock, PlayedHttp, PlayedTokens, Player, Recorder, RecordingClock,
    RecordingHttp, RecordingTokens, Unlimited, Witness, WitnessedConnector, WitnessedStore,
};
use concord_host::{Limits, Plugin, Redactor, Runtime};

/// How the hub meets the world.
#[derive(Clone, Default)]
pub enum Flight {
    #[default]
    Live,
    Recorded(Arc<Recording>),
    Replayed(Arc<Replaying>),
    Watched(Arc<dyn Lookout>),
}

/// Stands at the way out of every connection.
pub trait Lookout: Send + Sync {
    fn at(&self, connection: &str, http: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Arc<dyn Http>;
}

/// A recorder and what it is told of the connections.
#[derive(Default)]
pub struct Recording {
    pub recorder: Arc<Recorder>,
    connected: Mutex<Vec<Connected>>,
}

/// A player, the connections as they were recorded, and as they are now.
pub struct Replaying {
    pub player: Arc<Player>,
    pub recorded: Vec<Connected>,
    connected: Mutex<Vec<Connected>>,
}

impl Recording {
    pub fn connected(&self) -> Vec<Connected> {
        taken(&self.connected)
    }
}

impl Replaying {
    pub fn new(player: Arc<Player>, recorded: Vec<Connected>) -> Self {
        Self {
            player,
            recorded,
            connected: Mutex::default(),
        }
    }

    pub fn connected(&self) -> Vec<Connected> {
        taken(&self.connected)
    }

    pub(super) fn recorded(&self, connection: &str) -> Option<&Connected> {
        let mut recorded = self.recorded.iter();
        recorded.find(|known| known.connection == connection)
    }
}

fn taken(connected: &Mutex<Vec<Connected>>) -> Vec<Connected> {
    let mut connected = connected.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut connected)
}

impl Flight {
    fn witness(&self) -> Option<Arc<dyn Witness>> {
        match self {
            Flight::Live | Flight::Watched(_) => None,
            Flight::Recorded(recording) => Some(Arc::clone(&recording.recorder) as _),
            Flight::Replayed(replaying) => Some(Arc::clone(&replaying.player) as _),
        }
    }

    pub(super) fn store(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        match self.witness() {
            Some(witness) => Arc::new(WitnessedStore::new(store, witness)),
            None => store,
        }
    }

    /// The clock of the run itself.  Leases, quotas and tokens go by the real one,
    /// and what becomes of them is seen in what is recorded.
    pub(super) fn clock(&self, clock: Arc<dyn Clock>) -> Arc<dyn Clock> {
        match self {
            Flight::Live | Flight::Watched(_) => clock,
            Flight::Recorded(recording) => {
                Arc::new(RecordingClock::new(clock, Arc::clone(&recording.recorder)))
            }
            Flight::Replayed(replaying) => Arc::new(PlayedClock(Arc::clone(&replaying.player))),
        }
    }

    /// Ties the plugin to its connection, with whoever looks on around it.
    pub(super) fn connect(&self, plugin: &Plugin, mut runtime: Runtime) -> Arc<dyn Connector> {
        let name = runtime.connection.clone();
        self.note(Connected {
            connection: name.clone(),
            plugin: plugin.manifest().id.clone(),
            version: plugin.manifest().version.clone(),
            blake3: plugin.hash().to_owned(),
            config: runtime.config.clone(),
            held: None,
        });
        if let Flight::Watched(lookout) = self {
            runtime.http = lookout.at(&name, runtime.http, Arc::clone(&runtime.clock));
        }
        if let Flight::Recorded(recording) = self {
            let recorder = &recording.recorder;
            let tokens = Arc::clone(&runtime.tokens);
            let mask: Mask = Arc::new(move |text| Redactor::new(&tokens.secrets()).clean(text));
            runtime.http = Arc::new(RecordingHttp::new(
                runtime.http,
                Arc::clone(recorder),
                &name,
                Arc::clone(&mask),
            ));
            runtime.tokens = Arc::new(RecordingTokens::new(
                runtime.tokens,
                Arc::clone(recorder),
                &name,
                mask,
            ));
        }
        let connector = Arc::new(plugin.connect(runtime));
        match self.witness() {
            Some(witness) => Arc::new(WitnessedConnector::new(connector, witness, name)),
            None => connector,
        }
    }

    fn note(&self, one: Connected) {
        let connected = match self {
            Flight::Live | Flight::Watched(_) => return,
            Flight::Recorded(recording) => &recording.connected,
            Flight::Replayed(replaying) => &replaying.connected,
        };
        let mut connected = connected.lock().unwrap_or_else(PoisonError::into_inner);
        connected.push(one);
    }
}

impl Replaying {
    /// What a connector works with in place of the world.
    pub(super) fn runtime(
        &self,
        connection: &str,
        mut config: BTreeMap<String, String>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Runtime {
        // What came with a sign-in is not in the books.
        let recorded = self.recorded(connection).into_iter();
        for (key, value) in recorded.flat_map(|recorded| recorded.config.clone()) {
            config.entry(key).or_insert(value);
        }
        let player = Arc::clone(&self.player);
        let (http, tokens): (Arc<dyn Http>, Arc<dyn Tokens>) = (
            Arc::new(PlayedHttp {
                player: Arc::clone(&player),
                connection: connection.to_owned(),
            }),
            Arc::new(PlayedTokens {
                player,
                connection: connection.to_owned(),
            }),
        );
        Runtime {
            connection: connection.to_owned(),
            config,
            http,
            quota: Arc::new(Unlimited),
            tokens,
            clock,
            limits,
        }
    }
}
