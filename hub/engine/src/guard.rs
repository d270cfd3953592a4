//! Stops a run before it writes more to a connection than its guards let
//! through, until a person has looked at the plan and approved it.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::ConnectionId;
use concord_core::ports::Store;
use concord_core::state::LinkState;
use concord_sync::guard::Tally;
use serde::Serialize;

use crate::documents;
use crate::error::EngineError;
use crate::hub::{Connection, Hub};

/// Connections that nothing is planned for in this run.
pub(crate) type Stopped = BTreeSet<ConnectionId>;

pub(crate) type Tallies = BTreeMap<ConnectionId, Tally>;

/// Fewer changed entities than these trip no guard, but one with a smaller number.
const HANDFUL: u32 = 10;

/// The document that keeps what tripped, so that an approval lets through what
/// was shown and no more.
const DOCUMENT: &str = "guards";

/// A connection that a guard keeps from being written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guarded {
    pub connection: String,
    /// What it would be written, sort by sort.
    pub tally: Tally,
    /// What is too much of it, in words.
    pub tripped: Vec<String>,
}

/// What a person has approved: of what was shown, by connection, and everything
/// to those whose first plan was approved just now.
#[derive(Default)]
pub(crate) struct Granted {
    shown: BTreeMap<String, Tally>,
    whole: BTreeSet<String>,
}

impl Granted {
    /// What an approval of these connections lets through.
    pub async fn load(
        store: &dyn Store,
        asked: bool,
        only: Option<&str>,
        approved: &[String],
    ) -> Result<Self, EngineError> {
        let mut shown = match asked {
            true => kept(store).await?,
            false => BTreeMap::new(),
        };
        shown.retain(|name, _| only.is_none_or(|only| only == name));
        Ok(Self {
            shown,
            whole: approved.iter().cloned().collect(),
        })
    }

    fn of(&self, connection: &Connection) -> Tally {
        let shown = self.shown.get(&connection.row.name);
        shown.copied().unwrap_or_default()
    }
}

async fn kept(store: &dyn Store) -> Result<BTreeMap<String, Tally>, EngineError> {
    let kept: Option<_> = documents::read(store, DOCUMENT).await?;
    Ok(kept.unwrap_or_default())
}

/// The guards' view of one run.
pub(crate) struct Watchman {
    granted: Granted,
    /// Connections that this run does not write to.  What they are owed is looked
    /// at once, so that an approval that was asked for stays asked for.
    left: Stopped,
    /// What this run has planned so far.
    passed: Tallies,
    pub stopped: Stopped,
    pub guarded: Vec<Guarded>,
}

impl Watchman {
    pub fn new(granted: Granted, left: Stopped) -> Self {
        Self {
            granted,
            left,
            passed: Tallies::new(),
            stopped: Stopped::new(),
            guarded: Vec::new(),
        }
    }
}

impl Hub {
    /// Looks at everything that is owed before any of it is written down.
    pub(crate) async fn guard(&self, watchman: &mut Watchman) -> Result<(), EngineError> {
        self.look_at_debts(watchman).await?;
        watchman.passed.retain(|id, _| !watchman.left.contains(id));
        watchman.stopped.append(&mut watchman.left);
        Ok(())
    }

    async fn look_at_debts(&self, watchman: &mut Watchman) -> Result<(), EngineError> {
        let mut guards = self.connections.iter().map(|one| one.ways.guards);
        let is_tight = guards.any(|guards| guards.stop_fewer_than(HANDFUL.into()));
        if !is_tight && watchman.passed.is_empty() && self.is_a_handful(HANDFUL).await? {
            return Ok(());
        }
        let mut tallies = self.tallies().await?;
        tallies.retain(|id, _| !watchman.stopped.contains(id));
        for (id, passed) in &watchman.passed {
            *tallies.entry(*id).or_default() += *passed;
        }
        let guarded = self.tripped(&tallies, &watchman.granted).await?;
        for one in guarded {
            let id = self.named(&one.connection)?.id();
            tracing::warn!(connection = one.connection, "stopped by a guard");
            tallies.remove(&id);
            watchman.stopped.insert(id);
            watchman.guarded.push(one);
        }
        watchman.passed = tallies;
        Ok(())
    }

    /// The connections of which a guard trips.
    pub(crate) async fn tripped(
        &self,
        tallies: &Tallies,
        granted: &Granted,
    ) -> Result<Vec<Guarded>, EngineError> {
        if tallies.values().all(|tally| *tally == Tally::default()) {
            return Ok(Vec::new());
        }
        let counts = self.store.counts().await?;
        let live = |id: ConnectionId| -> u64 {
            let word = serde_json::to_value(LinkState::Live).unwrap_or_default();
            let of = counts
                .links
                .iter()
                .filter(|(connection, _, state, _)| *connection == id.0 && word == *state.as_str());
            of.map(|(.., number)| u64::try_from(*number).unwrap_or(0))
                .sum()
        };
        let mut guarded = Vec::new();
        for connection in &self.connections {
            let Some(tally) = tallies.get(&connection.id()) else {
                continue;
            };
            if granted.whole.contains(&connection.row.name) {
                continue;
            }
            let guards = &connection.ways.guards;
            let approved = granted.of(connection);
            let tripped = guards.trips(*tally, live(connection.id()), approved);
            if !tripped.is_empty() {
                guarded.push(Guarded {
                    connection: connection.row.name.clone(),
                    tally: *tally,
                    tripped,
                });
            }
        }
        Ok(guarded)
    }

    /// Writes down what tripped, for the approval that may follow.
    pub(crate) async fn keep_guarded(&self, guarded: &[Guarded]) -> Result<(), EngineError> {
        let shown: BTreeMap<&String, Tally> = guarded
            .iter()
            .map(|one| (&one.connection, one.tally))
            .collect();
        let text = serde_json::to_string(&shown).map_err(|error| {
            EngineError::Refused(format!("what the guards found cannot be written: {error}"))
        })?;
        let is_known = self.store.document(DOCUMENT).await?;
        if is_known.as_deref().unwrap_or("{}") != text {
            self.store.set_document(DOCUMENT, &text).await?;
        }
        Ok(())
    }
}
