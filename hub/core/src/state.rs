//! What the hub knows, as values: entities, links, intents and what waits for a
//! person.  The store keeps them; `hub/sync` decides over them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ConnectionId, EntityId, FieldName, Fields, IntentId, RemoteId, RunId, StreamName, Timestamp,
};

/// Who put a value where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A change seen at this connection.
    Connection(ConnectionId),
    /// A decision made at the hub, with the person's name.
    Person(String),
}

/// One canonical field with where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    #[serde(rename = "v")]
    pub value: Value,
    #[serde(rename = "o")]
    pub origin: Origin,
    /// The edit happened after this moment …
    #[serde(rename = "a")]
    pub after: Timestamp,
    /// … and not after this one.  A vendor's one modified-at per record is only
    /// an upper bound for a field.
    #[serde(rename = "u")]
    pub until: Timestamp,
    /// How often the field changed since `fight_since`, by whichever systems.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub changes: u32,
    #[serde(rename = "w", default)]
    pub fight_since: Timestamp,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntityState {
    /// Seen, but not yet compared with the other entities: it is not created
    /// anywhere before that.
    Unmatched,
    Live,
    /// Its number lives on as this one.
    MergedInto(i64),
    Deleted,
}

/// One canonical record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entity {
    pub id: EntityId,
    pub state: EntityState,
    pub cells: BTreeMap<FieldName, Cell>,
    /// Some system may owe or be owed a write: emit has to look at it.
    pub dirty: bool,
}

impl Entity {
    pub fn new(id: EntityId) -> Self {
        Self {
            id,
            state: EntityState::Live,
            cells: BTreeMap::new(),
            dirty: true,
        }
    }

    /// The value of a field; `Null` where there is none.
    pub fn value(&self, field: &str) -> &Value {
        self.cells
            .get(field)
            .map_or(&Value::Null, |cell| &cell.value)
    }

    pub fn values(&self) -> Fields {
        self.cells
            .iter()
            .map(|(name, cell)| (name.to_string(), cell.value.clone()))
            .collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    Live,
    /// Not seen, and nothing says that it is gone: no writes, no propagation.
    Hidden,
    /// Gone for certain.  Kept as long as the entity lives; forbids a new create.
    Gone,
    /// Gone for certain, and its connection's deletes are carried to the other
    /// systems: it becomes `Gone` when that is over, or turned down.
    Deleted,
    /// The system merged it into another record.
    Merged,
    /// It left the scope of its connection: nothing is read or written.
    OutOfScope,
    /// A person keeps it out: nothing is read or written, whatever becomes of it.
    Excluded,
}

/// The key of a remote record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkKey {
    pub connection: ConnectionId,
    pub stream: StreamName,
    pub remote_id: RemoteId,
}

/// The tie between one remote record and one entity, with its two bases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    pub key: LinkKey,
    pub entity: EntityId,
    pub state: LinkState,
    pub version: Option<String>,
    pub modified_at: Option<Timestamp>,
    /// The mapped remote fields as the system gave them.  `stored[f]` of the
    /// design is what the lens of `f` reads from here.
    pub raw: Fields,
    /// `sent[f]`: the canonical value last in agreement, per canonical field.
    pub sent: Fields,
    /// Hash of the mapping and normalisers that the bases were made with.
    pub mapping: String,
    /// When the read that set `raw` was started.
    pub read_at: Timestamp,
    /// When the last answer to a write of ours came in.
    pub written_at: Option<Timestamp>,
    /// The last full walk that listed it.
    pub walk: i64,
    /// Read it again, not before this moment.
    pub again_at: Option<Timestamp>,
    /// When it was first found missing; cleared when it is seen.
    pub missing_since: Option<Timestamp>,
    /// Fields that differed at first contact and wait for the approved plan.
    pub first_contact: Vec<FieldName>,
    /// Canonical values that the system refused, per field: not sent again
    /// until the value changes.
    pub refused: Fields,
    /// What remote fields were last seen to hold that no lens could take: nonsense,
    /// or a reference to a record that is not there yet.  It is not written over.
    pub unread: Fields,
}

impl Link {
    /// What a remote field was last seen to hold, understood or not.
    pub fn last_seen(&self, name: &str) -> Option<&Value> {
        self.unread.get(name).or_else(|| self.raw.get(name))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntentAction {
    Create,
    Update,
    /// Carries a delete at another system on.
    Delete,
    /// An update that brings back what the system held before a run of ours.
    Restore,
    /// Deletes a record that a run of ours created.
    Withdraw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntentState {
    /// Durable, not yet sent.
    New,
    /// On its way: durable before the first byte leaves.
    Sent,
    /// Nobody knows whether it was done.
    InDoubt,
    Done,
    /// Outdated before it was sent.
    Dropped,
    /// Refused by the system, with the reason.
    Failed,
}

impl IntentState {
    /// At most one open intent exists per link.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            IntentState::New | IntentState::Sent | IntentState::InDoubt
        )
    }
}

/// One planned write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub id: IntentId,
    pub run: RunId,
    pub connection: ConnectionId,
    pub stream: StreamName,
    pub entity: EntityId,
    /// None while a create has no answer.
    pub remote_id: Option<RemoteId>,
    pub action: IntentAction,
    pub state: IntentState,
    /// Canonical values to bring over, by canonical field.
    pub values: Fields,
    /// `sent` of those fields when this was planned.
    pub before: Fields,
    /// The remote fields that were put on the wire, once sent.
    pub payload: Fields,
    /// In doubt: third values that were read before this was sent once more,
    /// per canonical field.
    pub seen: Fields,
    pub base_version: Option<String>,
    /// The version that the answer named.
    pub answer_version: Option<String>,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    /// The request cannot arrive after this moment.
    pub deadline: Option<Timestamp>,
    /// Not before this moment (a wait the system asked for, a settle time).
    pub not_before: Option<Timestamp>,
    /// How often it was tried or, in doubt, looked for in vain.
    pub attempts: u32,
    pub reason: String,
}

impl Intent {
    /// Some of it is on its way, or was: one that waits to be sent once more may
    /// have arrived the first time.
    pub fn has_left(&self) -> bool {
        self.state != IntentState::New || self.sent_at.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// Both sides changed since they last agreed.
    Edit,
    /// Two records that were linked for the first time differed.
    FirstContact,
    /// One side deleted what another changed.
    Delete,
    /// A value that was read and then overwritten or lost with its record.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Winner {
    Canonical,
    Remote,
    /// Waits for a person.
    Held,
}

/// Both sides changed since the base, to different values.  Always recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    pub id: i64,
    pub kind: ConflictKind,
    pub entity: EntityId,
    pub field: FieldName,
    pub link: LinkKey,
    pub base: Value,
    pub canonical: Value,
    pub remote: Value,
    pub rule: String,
    pub winner: Winner,
    pub at: Timestamp,
    /// Who decided a held one, and for what.
    pub decision: Option<Decision>,
    /// Where the two values came from; none of a conflict that was recorded
    /// before this was kept.
    pub provenance: Option<Provenance>,
}

/// Who put the two values of a conflict where they are, and when, so that other
/// rules can be tried on them later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Of the canonical value.
    pub origin: Origin,
    pub after: Timestamp,
    pub until: Timestamp,
    /// Of the system's value.
    pub edited_after: Timestamp,
    pub edited_until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub by: String,
    pub at: Timestamp,
    pub value: Value,
}

/// A field, or with no field a whole entity, that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    pub entity: EntityId,
    pub field: Option<FieldName>,
    pub reason: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The record is this entity.
    Link(EntityId),
    /// The record is none of the candidates.
    Apart,
}

/// A record that could be one of several entities, or none: a person decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    pub id: i64,
    pub link: LinkKey,
    pub kind: crate::Kind,
    pub candidates: Vec<EntityId>,
    pub reason: String,
    pub values: Fields,
    pub at: Timestamp,
    pub verdict: Option<Verdict>,
}

/// What happened to an entity, and through whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: i64,
    pub entity: EntityId,
    pub at: Timestamp,
    pub run: RunId,
    pub origin: Origin,
    /// `linked`, `changed`, `written`, `decided`, …
    pub what: String,
    /// Field, old value, new value.
    pub changes: Vec<(FieldName, Value, Value)>,
    pub link: Option<LinkKey>,
}

/// A record that could not be understood or absorbed; the rest went on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quarantined {
    pub connection: ConnectionId,
    pub stream: StreamName,
    /// Empty where the record did not even name itself.
    pub remote_id: RemoteId,
    pub reason: String,
    pub raw: String,
    pub at: Timestamp,
}

/// A reference to a record that is not linked yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub link: LinkKey,
    pub field: FieldName,
    pub wants_stream: StreamName,
    pub wants_id: RemoteId,
}

/// Where a connection stands in one of its streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    pub connection: ConnectionId,
    pub stream: StreamName,
    pub cursor: Option<String>,
    /// Number of the full walk under way or last finished.
    pub walk: i64,
    /// A full walk is under way.
    pub walking: bool,
    /// When a complete pull first finished.
    pub first_complete_at: Option<Timestamp>,
    pub last_full_at: Option<Timestamp>,
}

impl StreamState {
    pub fn new(connection: ConnectionId, stream: StreamName) -> Self {
        Self {
            connection,
            stream,
            cursor: None,
            walk: 0,
            walking: false,
            first_complete_at: None,
            last_full_at: None,
        }
    }
}

/// One configured account, as the store keeps it.  `config` is the document
/// that the admin applied; secrets are named in it, never held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRow {
    pub id: ConnectionId,
    pub name: String,
    pub connector: String,
    pub config: Value,
    /// When its first plan was approved.  Before, nothing is written to it.
    pub approved_at: Option<Timestamp>,
    /// Why it does not run, if it does not.
    pub held: Option<String>,
    pub removed: bool,
}

/// One run of a sync, for the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    pub id: RunId,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Counts per connection and how it ended.
    pub summary: Value,
}
