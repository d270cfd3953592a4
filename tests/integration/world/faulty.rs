//! A store that dies with its hub: the n-th commit fails before or after it is
//! done, and everything later fails too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

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

/// Where the hub dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Before the n-th commit is done.
    Before(i64),
    /// After it is done and before anybody hears of it.
    After(i64),
}

pub struct Faulty {
    inner: Arc<dyn Store>,
    death: Death,
    commits: AtomicI64,
}

fn dead() -> StoreError {
    StoreError::Failed("the hub was killed here".into())
}

impl Faulty {
    pub fn new(inner: Arc<dyn Store>, death: Death) -> Self {
        Self {
            inner,
            death,
            commits: AtomicI64::new(0),
        }
    }

    /// True when the run never came to the place where it was to die.
    pub fn survived(&self) -> bool {
        let (Death::Before(n) | Death::After(n)) = self.death;
        self.commits.load(Ordering::Relaxed) < n
    }
}

macro_rules! faulty {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Store for Faulty {
            async fn commit(&self, changes: &Changeset) -> Result<(), StoreError> {
                let count = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
                match self.death {
                    Death::Before(n) if count >= n => Err(dead()),
                    Death::After(n) if count > n => Err(dead()),
                    Death::After(n) if count == n => {
                        self.inner.commit(changes).await?;
                        Err(dead())
                    }
                    _ => self.inner.commit(changes).await,
                }
            }

            $(async fn $name(&self, $($arg: $type),*) -> Result<$result, StoreError> {
                if !self.survived() {
                    return Err(dead());
                }
                self.inner.$name($($arg),*).await
            })*
        }
    };
}

faulty! {
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
