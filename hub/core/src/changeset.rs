//! Everything that one transaction writes, as a value.
//!
//! A page of observations, a batch of intents, a batch of outcomes: each is one
//! `Changeset`, committed whole or not at all.  There is no other way to write.

use serde::Serialize;

use crate::state::{
    Conflict, ConnectionRow, Entity, Event, Hold, Intent, Link, LinkKey, Quarantined, Review,
    RunRow, StreamState, Waiting,
};
use crate::{EntityId, FieldName, IntentId, Kind, RunId};

/// A value by which entities are found when a record is matched: the kind, the
/// key (`email:ann@example.com`) and the entity that holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct MatchKey {
    pub kind: Kind,
    pub key: String,
    pub entity: i64,
}

/// Written as JSON, as a recorded run keeps it, what is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changeset {
    /// Inserted or replaced by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity>,
    /// Entities of which every system has what it is owed, or is about to: not
    /// dirty any more, and as they are otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities_settled: Vec<EntityId>,
    /// Inserted or replaced by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links_removed: Vec<LinkKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys_added: Vec<MatchKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys_removed: Vec<MatchKey>,
    /// Inserted or replaced by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<Intent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intents_removed: Vec<IntentId>,
    /// Inserted or, with the same entity, field, link, base, canonical and
    /// remote value, left as it is: the same conflict is recorded once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Conflicts whose decision or winner is replaced, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts_decided: Vec<Conflict>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts_removed: Vec<i64>,
    /// Inserted, or left as it is where the entity and field are held already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds_cleared: Vec<(EntityId, Option<FieldName>)>,
    /// Inserted or replaced by the record they speak of; an open review of the
    /// same record keeps its id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<Review>,
    /// Reviews whose verdict is replaced, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reviews_decided: Vec<Review>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events_removed: Vec<(EntityId, i64)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<Quarantined>,
    /// Records that are well again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantine_cleared: Vec<LinkKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
    /// Links whose waiting references are all gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_cleared: Vec<LinkKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamState>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs_removed: Vec<RunId>,
    /// True where the commit must survive a power cut the moment it returns:
    /// an intent, a decision.  What can be read again does not need it.
    pub durable: bool,
}

impl Changeset {
    /// A changeset whose commit survives a power cut.
    pub fn durable() -> Self {
        Self {
            durable: true,
            ..Self::default()
        }
    }

    pub fn is_empty(&self) -> bool {
        *self
            == Self {
                durable: self.durable,
                ..Self::default()
            }
    }
}
