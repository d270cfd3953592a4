//! Everything that one transaction writes, as a value.
//!
//! A page of observations, a batch of intents, a batch of outcomes: each is one
//! `Changeset`, committed whole or not at all.  There is no other way to write.

use crate::state::{
    Conflict, ConnectionRow, Entity, Event, Hold, Intent, Link, LinkKey, Quarantined, Review,
    RunRow, StreamState, Waiting,
};
use crate::{EntityId, FieldName, IntentId, Kind, RunId};

/// A value by which entities are found when a record is matched: the kind, the
/// key (`email:ann@example.com`) and the entity that holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchKey {
    pub kind: Kind,
    pub key: String,
    pub entity: i64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changeset {
    /// Inserted or replaced by id.
    pub entities: Vec<Entity>,
    /// Entities of which every system has what it is owed, or is about to: not
    /// dirty any more, and as they are otherwise.
    pub entities_settled: Vec<EntityId>,
    /// Inserted or replaced by key.
    pub links: Vec<Link>,
    pub links_removed: Vec<LinkKey>,
    pub keys_added: Vec<MatchKey>,
    pub keys_removed: Vec<MatchKey>,
    /// Inserted or replaced by id.
    pub intents: Vec<Intent>,
    pub intents_removed: Vec<IntentId>,
    /// Inserted or, with the same entity, field, link, base, canonical and
    /// remote value, left as it is: the same conflict is recorded once.
    pub conflicts: Vec<Conflict>,
    /// Conflicts whose decision or winner is replaced, by id.
    pub conflicts_decided: Vec<Conflict>,
    pub conflicts_removed: Vec<i64>,
    /// Inserted, or left as it is where the entity and field are held already.
    pub holds: Vec<Hold>,
    pub holds_cleared: Vec<(EntityId, Option<FieldName>)>,
    /// Inserted or replaced by the record they speak of; an open review of the
    /// same record keeps its id.
    pub reviews: Vec<Review>,
    /// Reviews whose verdict is replaced, by id.
    pub reviews_decided: Vec<Review>,
    pub events: Vec<Event>,
    pub events_removed: Vec<(EntityId, i64)>,
    pub quarantined: Vec<Quarantined>,
    /// Records that are well again.
    pub quarantine_cleared: Vec<LinkKey>,
    pub waiting: Vec<Waiting>,
    /// Links whose waiting references are all gone.
    pub waiting_cleared: Vec<LinkKey>,
    pub streams: Vec<StreamState>,
    pub connections: Vec<ConnectionRow>,
    pub runs: Vec<RunRow>,
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
