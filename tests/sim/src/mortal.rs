//! A hub that can be killed: before or after any call of its ports, and from
//! then on nothing that it does has any effect.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::changeset::MatchKey;
use concord_core::ports::{
    ConflictFilter, Counts, IntentFilter, LeaseHolder, Sequence, Store, StoreError,
};
use concord_core::state::{
    Conflict, ConnectionRow, Entity, Event, Hold, Intent, Link, LinkKey, LinkState, Quarantined,
    Review, RunRow, StreamState, Waiting,
};
use concord_core::{
    Changeset, ConnectionId, EntityId, Kind, RemoteId, RunId, StreamName, Timestamp,
};
use tokio::sync::Notify;

use crate::allowance::Allowance;
use crate::clock::lock;
use crate::town::Town;

/// What befalls a hub at its n-th call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    DiesBefore(u64),
    DiesAfter(u64),
    /// It stands still, as a process does that is stopped or swapped out, until
    /// another hub has worked on the same connections.
    StallsBefore(u64),
    StallsAfter(u64),
}

impl Fate {
    fn call(self) -> u64 {
        match self {
            Fate::DiesBefore(n)
            | Fate::DiesAfter(n)
            | Fate::StallsBefore(n)
            | Fate::StallsAfter(n) => n,
        }
    }
}

/// More calls than any run makes: it would go on for ever.
const ENDLESS: u64 = 20_000;

/// So long stands a hub that stands still: long enough for another to take over.
pub(crate) const STILL: Duration = Duration::from_secs(300);

/// One life of a hub.
#[derive(Default)]
pub(crate) struct Life {
    /// What the hub is called.
    pub hub: &'static str,
    fate: Mutex<Option<Fate>>,
    calls: AtomicU64,
    dead: AtomicBool,
    pub stalled: Notify,
    pub go_on: Notify,
    pub has_stalled: AtomicBool,
    endless: AtomicBool,
    /// What it may plan.
    pub allowance: Allowance,
}

/// The hub is dead: the call has no effect or nobody hears of it.
pub(crate) struct Dead;

impl Life {
    pub(crate) fn new(hub: &'static str, fate: Option<Fate>) -> Self {
        Self {
            hub,
            fate: Mutex::new(fate),
            ..Self::default()
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// It was killed because it came to no end.
    pub(crate) fn is_endless(&self) -> bool {
        self.endless.load(Ordering::Relaxed)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Does the work of one call, unless death comes first.
    pub(crate) async fn call<T>(
        &self,
        town: &Town,
        work: impl Future<Output = T>,
    ) -> Result<T, Dead> {
        if self.is_dead() {
            return Err(Dead);
        }
        let count = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if count > ENDLESS {
            self.endless.store(true, Ordering::Relaxed);
            self.dead.store(true, Ordering::Relaxed);
            return Err(Dead);
        }
        let due = lock(&self.fate).filter(|fate| fate.call() == count);
        match due {
            Some(Fate::DiesBefore(_)) => {
                self.dead.store(true, Ordering::Relaxed);
                return Err(Dead);
            }
            Some(Fate::StallsBefore(_)) => self.stall(town).await,
            _ => {}
        }
        let result = work.await;
        match due {
            Some(Fate::DiesAfter(_)) => {
                self.dead.store(true, Ordering::Relaxed);
                return Err(Dead);
            }
            Some(Fate::StallsAfter(_)) => self.stall(town).await,
            _ => town.clock.racers.step().await,
        }
        Ok(result)
    }

    /// A request that is about to leave cannot be called back.  True: it will,
    /// long after its hub has looked at its lease for the last time.  Where a
    /// system has no preconditions nothing stops it either, so it stalls there
    /// when it is answered.
    pub(crate) fn leaves_late(&self, has_preconditions: bool) -> bool {
        let mut fate = lock(&self.fate);
        let next = self.calls() + 1;
        if *fate != Some(Fate::StallsBefore(next)) {
            return false;
        }
        if !has_preconditions {
            *fate = Some(Fate::StallsAfter(next));
        }
        has_preconditions
    }

    async fn stall(&self, town: &Town) {
        self.has_stalled.store(true, Ordering::Relaxed);
        if town.clock.racers.is_race() {
            lock(&town.ledger).counts.stalls += 1;
            town.tell(|| format!("{} stands still until the other is through", self.hub));
            town.clock.advance(STILL);
            return town.clock.racers.stand_still().await;
        }
        self.stalled.notify_one();
        self.go_on.notified().await;
    }
}

/// The store as a hub sees it that can be killed.
pub(crate) struct MortalStore {
    pub inner: Arc<dyn Store>,
    pub life: Arc<Life>,
    pub town: Arc<Town>,
}

fn dead(_: Dead) -> StoreError {
    StoreError::Failed("the hub was killed here".into())
}

macro_rules! mortal {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Store for MortalStore {
            async fn commit(&self, changes: &Changeset) -> Result<(), StoreError> {
                let work = async {
                    let result = self.inner.commit(changes).await;
                    if result.is_ok() {
                        self.life.allowance.count(&self.town, changes);
                    }
                    let mut ledger = lock(&self.town.ledger);
                    match &result {
                        Ok(()) => ledger.remember(self.life.hub),
                        Err(_) => ledger.forget(self.life.hub),
                    }
                    result
                };
                self.life.call(&self.town, work).await.map_err(dead)?
            }

            $(async fn $name(&self, $($arg: $type),*) -> Result<$result, StoreError> {
                self.life.call(&self.town, self.inner.$name($($arg),*)).await.map_err(dead)?
            })*
        }
    };
}

mortal! {
    reserve(sequence: &Sequence, count: u32) -> i64;
    lease(owner: &str, now: Timestamp, until: Timestamp) -> ();
    release(owner: &str) -> ();
    pass(owner: &str) -> ();
    claim(connection: ConnectionId, owner: &str, now: Timestamp, until: Timestamp) -> Option<i64>;
    keep(connection: ConnectionId, fence: i64, until: Timestamp) -> bool;
    unclaim(connection: ConnectionId, fence: i64) -> ();
    lease_holder() -> Option<LeaseHolder>;
    connections() -> Vec<ConnectionRow>;
    streams(connection: ConnectionId) -> Vec<StreamState>;
    document(name: &str) -> Option<String>;
    set_document(name: &str, text: &str) -> ();
    entities(ids: &[EntityId]) -> Vec<Entity>;
    scan_entities(kind: &Kind, after: i64, limit: u32) -> Vec<Entity>;
    unmatched_records(kind: &Kind, limit: u32) -> Vec<(LinkKey, EntityId)>;
    dirty_entities(kind: &Kind, after: i64, limit: u32) -> Vec<Entity>;
    mark_dirty(kind: &Kind) -> ();
    entities_by_keys(kind: &Kind, keys: &[String], most: u32) -> Vec<MatchKey>;
    links(connection: ConnectionId, stream: &StreamName, ids: &[RemoteId]) -> Vec<Link>;
    links_of(entities: &[EntityId]) -> Vec<Link>;
    scan_links(connection: ConnectionId, stream: &StreamName, after: Option<&RemoteId>, limit: u32) -> Vec<Link>;
    scan_records(connection: ConnectionId, stream: &StreamName, after: Option<&RemoteId>, limit: u32) -> Vec<(LinkKey, EntityId)>;
    links_unseen(connection: ConnectionId, stream: &StreamName, walk: i64, after: Option<&RemoteId>, limit: u32) -> Vec<Link>;
    links_in(state: LinkState) -> Vec<Link>;
    links_due(connection: ConnectionId, stream: &StreamName, now: Timestamp, limit: u32) -> Vec<Link>;
    next_due(connection: ConnectionId) -> Option<Timestamp>;
    intents(filter: &IntentFilter) -> Vec<Intent>;
    open_intents_of(entities: &[EntityId]) -> Vec<Intent>;
    refused_creates_of(entities: &[EntityId]) -> Vec<Intent>;
    conflicts(filter: &ConflictFilter) -> Vec<Conflict>;
    holds(entities: &[EntityId]) -> Vec<Hold>;
    all_holds(limit: u32) -> Vec<Hold>;
    reviews(open_only: bool, limit: u32) -> Vec<Review>;
    reviews_of(links: &[LinkKey]) -> Vec<Review>;
    events(entity: &EntityId) -> Vec<Event>;
    scan_events(after: Option<(&EntityId, i64)>, limit: u32) -> Vec<Event>;
    quarantined(limit: u32) -> Vec<Quarantined>;
    waiting_for(connection: ConnectionId, stream: &StreamName, ids: &[RemoteId]) -> Vec<Waiting>;
    waiting(limit: u32) -> Vec<Waiting>;
    runs(limit: u32) -> Vec<RunRow>;
    scan_runs(after: RunId, limit: u32) -> Vec<RunRow>;
    counts() -> Counts;
}
