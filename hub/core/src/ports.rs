//! The ports: what the engine asks of the world.  All are object-safe, so that
//! a test or a simulation can stand behind any of them.

use std::time::Duration;

use async_trait::async_trait;

use crate::changeset::MatchKey;
use crate::record::{Change, Description, Op, Outcome, Page, RemoteRecord, Selection, StreamInfo};
pub use crate::secret::Secret;
use crate::state::{
    Conflict, ConnectionRow, Entity, Event, Hold, Intent, IntentState, Link, LinkKey, LinkState,
    Quarantined, Review, RunRow, StreamState, Waiting,
};
use crate::webhook::{Delivery, Hint};
use crate::{
    Changeset, ConnectionId, EntityId, Fault, Fields, IntentId, Kind, Manifest, RemoteId, RunId,
    StreamName, Timestamp,
};

mod quota;

pub use quota::{Allowance, Allowances, Busy, DayWish, Permit, Quota, Urgency};

/// Time.  The one real clock lives in `hub/engine`.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
    /// Time that never jumps, for leases and deadlines.
    fn monotonic(&self) -> Duration;
    async fn sleep(&self, span: Duration);
}

/// Chance.
pub trait Rng: Send + Sync {
    fn next_u64(&self) -> u64;
}

/// One connection's connector: a component in the host, or a fake in a test.
#[async_trait]
pub trait Connector: Send + Sync {
    fn manifest(&self) -> &Manifest;
    async fn check(&self) -> Result<Description, Fault>;
    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault>;
    async fn pull(
        &self,
        stream: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault>;
    async fn fetch(
        &self,
        stream: &StreamName,
        ids: &[RemoteId],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault>;
    async fn find(
        &self,
        stream: &StreamName,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault>;
    async fn push(&self, stream: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault>;
    /// Asks the system to send webhooks to this address; gives the subscription's
    /// name.
    async fn subscribe(&self, _address: &str) -> Result<String, Fault> {
        Err(no_webhooks())
    }
    async fn unsubscribe(&self, _subscription: &str) -> Result<(), Fault> {
        Err(no_webhooks())
    }
    /// Who changed, as far as a webhook says.
    async fn hints(&self, _delivery: &Delivery) -> Result<Vec<Hint>, Fault> {
        Err(no_webhooks())
    }
    /// Who waits for the calls from now on.  A connection's calls are made one
    /// after another, so one word for all of them is enough.
    fn hurry(&self, _urgency: Urgency) {}
}

fn no_webhooks() -> Fault {
    Fault::bug("the connector takes no webhooks")
}

/// A request of a connector, after the host has looked at it.
#[derive(Clone)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// Added last, dropped at a redirect to another origin, never logged.
    pub auth: Option<SecretHeader>,
    pub timeout: Duration,
    /// The answer's size at which reading stops with `TooLarge`.
    pub max_response_bytes: u64,
}

/// A header whose value is a secret.
#[derive(Clone)]
pub struct SecretHeader {
    pub name: String,
    pub value: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Sorted by what is known about the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("not sent, the connection's network policy refuses it: {0}")]
    Denied(String),
    #[error("not sent, no connection: {0}")]
    Unreachable(String),
    #[error("sent, but no whole answer came: {0}")]
    NoAnswer(String),
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: u64 },
}

/// One connection's way out.  The implementation holds the egress policy and
/// checks it for the URL, every resolved address, every redirect and the
/// address really connected to.
#[async_trait]
pub trait Http: Send + Sync {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}

/// No credential can be had; the message says what the admin can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A person has to act.
    #[error("{0}")]
    Person(String),
    /// It passes by itself.
    #[error("{0}")]
    Passing(String),
}

/// One connection's credentials.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// The header to add now; none where the connector needs no credentials.
    async fn header(&self) -> Result<Option<SecretHeader>, TokenError>;
    /// The header to try in place of one that the system answered with 401; none
    /// where there is no better one.
    async fn instead_of(
        &self,
        _refused: &SecretHeader,
    ) -> Result<Option<SecretHeader>, TokenError> {
        Ok(None)
    }
    /// Every secret text of this connection, to strike out of logs and errors.
    fn secrets(&self) -> Vec<Secret>;
}

/// Numbers that the store hands out in blocks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sequence {
    Entity(Kind),
    Intent,
    Conflict,
    Review,
    Event,
    Run,
    Connection,
}

/// Which intents to read.
#[derive(Clone, Debug, Default)]
pub struct IntentFilter {
    pub connection: Option<ConnectionId>,
    pub stream: Option<StreamName>,
    pub entity: Option<EntityId>,
    pub run: Option<RunId>,
    pub open_only: bool,
    /// Only those of which a request has left, whatever became of it.
    pub left_only: bool,
    pub state: Option<IntentState>,
    pub after: Option<IntentId>,
    /// At most so many; 0 means all.
    pub limit: u32,
}

/// Which conflicts to read.
#[derive(Clone, Debug, Default)]
pub struct ConflictFilter {
    pub entity: Option<EntityId>,
    /// Only those that wait for a person.
    pub held_only: bool,
    pub after: Option<i64>,
    /// At most so many; 0 means all.
    pub limit: u32,
}

/// How much there is of everything, for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Live entities per kind.
    pub entities: Vec<(String, i64)>,
    /// Connection, stream, link state, number.
    pub links: Vec<(i64, String, String, i64)>,
    pub open_intents: i64,
    pub failed_intents: i64,
    pub conflicts: i64,
    pub conflicts_held: i64,
    pub holds: i64,
    pub reviews_open: i64,
    pub quarantined: i64,
    pub waiting: i64,
}

/// Who has the right to write to this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    pub owner: String,
    pub until: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database is in use by {owner}; wait until it has finished, or end it first")]
    Busy { owner: String },
    #[error(
        "the records were moved to {to}: name that database, nothing is synced from here any more"
    )]
    Moved { to: String },
    #[error(
        "the database was written by a newer Concord (schema {found}, this one knows {known}): \
         use that version or a newer one"
    )]
    Newer { found: i64, known: i64 },
    #[error("the disk is full, nothing of this step was written: free some space and run again")]
    Full,
    #[error("the database holds something unexpected in {table}.{column} of {row}: {problem}")]
    Inconsistent {
        table: &'static str,
        column: &'static str,
        row: String,
        problem: String,
    },
    #[error("the database failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One tenant's records.  Look-ups return what there is; an id that is not
/// there is simply missing from the answer.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes all of it in one transaction, or nothing.
    async fn commit(&self, changes: &Changeset) -> Result<(), StoreError>;

    /// Takes `count` numbers of a sequence and returns the first.
    async fn reserve(&self, sequence: &Sequence, count: u32) -> Result<i64, StoreError>;

    /// Takes or extends the right to write; `Busy` while another holds it.
    async fn lease(&self, owner: &str, now: Timestamp, until: Timestamp) -> Result<(), StoreError>;
    async fn release(&self, owner: &str) -> Result<(), StoreError>;
    /// Gives the right to write to whoever waits for it: until it is taken again
    /// every commit is refused.
    async fn pass(&self, owner: &str) -> Result<(), StoreError>;
    /// Takes or extends the right to ask and write to a connection's system, by
    /// whoever has the right to write; gives its fence, none while another holds
    /// it.
    async fn claim(
        &self,
        connection: ConnectionId,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<i64>, StoreError>;
    /// Extends a claim of this fence; false where another took it meanwhile.
    async fn keep(
        &self,
        connection: ConnectionId,
        fence: i64,
        until: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Gives a claim of this fence up.
    async fn unclaim(&self, connection: ConnectionId, fence: i64) -> Result<(), StoreError>;
    async fn lease_holder(&self) -> Result<Option<LeaseHolder>, StoreError>;

    async fn connections(&self) -> Result<Vec<ConnectionRow>, StoreError>;
    async fn streams(&self, connection: ConnectionId) -> Result<Vec<StreamState>, StoreError>;
    /// A document by name: the applied configuration, its schemas and rules,
    /// mappings by hash.
    async fn document(&self, name: &str) -> Result<Option<String>, StoreError>;
    async fn set_document(&self, name: &str, text: &str) -> Result<(), StoreError>;

    async fn entities(&self, ids: &[EntityId]) -> Result<Vec<Entity>, StoreError>;
    /// Unmatched and live entities of a kind in order of their numbers.
    async fn scan_entities(
        &self,
        kind: &Kind,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Entity>, StoreError>;
    /// Records of entities in state `Unmatched`, with those entities, in no
    /// order: all, or so many of them.
    async fn unmatched_records(
        &self,
        kind: &Kind,
        limit: u32,
    ) -> Result<Vec<(LinkKey, EntityId)>, StoreError>;
    /// Live entities that emit has to look at, in order of their numbers.
    async fn dirty_entities(
        &self,
        kind: &Kind,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Entity>, StoreError>;
    /// Marks every unmatched and live entity of a kind dirty.
    async fn mark_dirty(&self, kind: &Kind) -> Result<(), StoreError>;
    /// Who holds these keys: of each key so many at most, those of the lowest
    /// numbers.
    async fn entities_by_keys(
        &self,
        kind: &Kind,
        keys: &[String],
        most: u32,
    ) -> Result<Vec<MatchKey>, StoreError>;

    async fn links(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        ids: &[RemoteId],
    ) -> Result<Vec<Link>, StoreError>;
    /// All links of these entities, of every connection and state.
    async fn links_of(&self, entities: &[EntityId]) -> Result<Vec<Link>, StoreError>;
    /// Links of a stream in order of their remote ids.
    async fn scan_links(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        after: Option<&RemoteId>,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError>;
    /// The records of a stream in order of their remote ids, with whose they are.
    async fn scan_records(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        after: Option<&RemoteId>,
        limit: u32,
    ) -> Result<Vec<(LinkKey, EntityId)>, StoreError>;
    /// Live or hidden links that a full walk did not list.
    async fn links_unseen(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        walk: i64,
        after: Option<&RemoteId>,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError>;
    /// All links in this state, in order of their keys.
    async fn links_in(&self, state: LinkState) -> Result<Vec<Link>, StoreError>;
    /// Links to be read again by now.
    async fn links_due(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError>;
    /// The earliest moment at which a link of this connection is to be read again.
    async fn next_due(&self, connection: ConnectionId) -> Result<Option<Timestamp>, StoreError>;

    async fn intents(&self, filter: &IntentFilter) -> Result<Vec<Intent>, StoreError>;
    /// Open intents of these links, and open creates of these entities.
    async fn open_intents_of(&self, entities: &[EntityId]) -> Result<Vec<Intent>, StoreError>;
    /// Creates that a system refused and that nobody has let go since.
    async fn refused_creates_of(&self, entities: &[EntityId]) -> Result<Vec<Intent>, StoreError>;

    async fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>, StoreError>;
    async fn holds(&self, entities: &[EntityId]) -> Result<Vec<Hold>, StoreError>;
    async fn all_holds(&self, limit: u32) -> Result<Vec<Hold>, StoreError>;
    async fn reviews(&self, open_only: bool, limit: u32) -> Result<Vec<Review>, StoreError>;
    async fn reviews_of(&self, links: &[LinkKey]) -> Result<Vec<Review>, StoreError>;
    async fn events(&self, entity: &EntityId) -> Result<Vec<Event>, StoreError>;
    /// Events in order of their entities and numbers, behind this one.
    async fn scan_events(
        &self,
        after: Option<(&EntityId, i64)>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError>;
    async fn quarantined(&self, limit: u32) -> Result<Vec<Quarantined>, StoreError>;
    /// References that wait for these records.
    async fn waiting_for(
        &self,
        connection: ConnectionId,
        stream: &StreamName,
        ids: &[RemoteId],
    ) -> Result<Vec<Waiting>, StoreError>;
    async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError>;
    async fn runs(&self, limit: u32) -> Result<Vec<RunRow>, StoreError>;
    /// Runs in order of their numbers.
    async fn scan_runs(&self, after: RunId, limit: u32) -> Result<Vec<RunRow>, StoreError>;
    async fn counts(&self) -> Result<Counts, StoreError>;
}
