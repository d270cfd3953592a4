//! What would be written, as values.  `emitter` makes intents of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use concord_core::state::{Entity, Intent, IntentAction, Link, LinkKey, LinkState, Review};
use concord_core::{ConnectionId, EntityId, Fields, Kind, RemoteId, StreamName};
use concord_sync::emit::{self, Debt, Target};
use concord_sync::guard::Tally;
use serde::{Deserialize, Serialize};

use crate::around::Around;
use crate::deletes::{self, Fate};
use crate::error::EngineError;
use crate::guard::{Granted, Guarded, Tallies};
use crate::hub::{Connection, Hub, Stream};
use crate::progress::Progress;
use crate::references::Known;

pub(crate) const CHUNK: u32 = 200;

const ASKED: emit::Reason =
    Cow::Borrowed("whose record it is waits for a person: decide with `concord matches list`");

/// One write of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedWrite {
    pub connection: String,
    pub stream: StreamName,
    pub entity: EntityId,
    pub remote_id: Option<RemoteId>,
    pub action: IntentAction,
    /// Canonical values to bring over, by field.
    pub values: Fields,
    /// What was last agreed on, for the same fields.
    pub before: Fields,
    /// The version of the record that this would be written over.
    pub base_version: Option<String>,
    /// Why it would not be done yet.
    pub blocked: Option<String>,
}

/// A difference at first contact that the plan's approval decides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FirstDifference {
    pub connection: String,
    pub entity: EntityId,
    pub field: String,
    pub canonical: concord_core::Value,
    pub remote: concord_core::Value,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    pub writes: Vec<PlannedWrite>,
    pub first_contact: Vec<FirstDifference>,
    /// Connections whose guard stops the next run before it writes there.
    pub guarded: Vec<Guarded>,
}

/// An entity at a connection's stream.
type Place = (EntityId, i64, String);

/// What stands around a chunk of entities.
pub(crate) struct Surroundings {
    pub around: Around,
    open: BTreeSet<Place>,
    /// What the entities refer to, by stream.
    known: BTreeMap<(ConnectionId, StreamName), Known>,
    /// Creates that their systems refused.
    refused: Vec<Intent>,
}

impl Surroundings {
    /// The system has refused to make a record of just these values.
    fn was_refused(&self, (entity, connection, stream): &Place, debt: &Debt) -> bool {
        let is_same = |intent: &Intent| {
            intent.entity == *entity
                && intent.connection.0 == *connection
                && intent.stream.as_str() == stream
                && intent.values == debt.values
        };
        debt.action == IntentAction::Create && self.refused.iter().any(is_same)
    }

    /// Some write of the entity is under way.
    pub fn is_busy(&self, entity: &EntityId) -> bool {
        self.open.iter().any(|(id, _, _)| id == entity)
    }

    /// One of several records in a stream waits for the open intent of another.
    pub fn is_crowded(&self, entity: &EntityId) -> bool {
        let links = self.around.links(entity).iter();
        let mut live: Vec<_> = links
            .filter(|link| link.state == LinkState::Live)
            .map(|link| (link.key.connection.0, link.key.stream.to_string()))
            .collect();
        live.sort();
        live.chunk_by(|a, b| a == b).any(|records| {
            let (connection, stream) = records[0].clone();
            records.len() > 1 && self.open.contains(&(entity.clone(), connection, stream))
        })
    }
}

/// What keeps creates back, found once per look.
pub(crate) struct Gates {
    unread: Vec<String>,
    /// Entities that a record of this stream may be, which a person decides.
    in_review: BTreeSet<Place>,
    /// Records of which a person says first whose they are.
    asked: BTreeSet<LinkKey>,
}

impl Gates {
    fn keeps_back(&self, link: &Link) -> bool {
        self.asked.contains(&link.key)
    }

    /// A record may be this entity's: were it deleted now, that one would be made
    /// anew everywhere as somebody else.
    fn is_asked_about(&self, entity: &EntityId) -> bool {
        let first = (entity.clone(), i64::MIN, String::new());
        let next = self.in_review.range(first..).next();
        next.is_some_and(|(id, _, _)| id == entity)
    }

    fn create(
        &self,
        entity: &EntityId,
        connection: ConnectionId,
        stream: &StreamName,
    ) -> Option<emit::Reason> {
        if !self.unread.is_empty() {
            let waits = self.unread.join(", ");
            return Some(Cow::Owned(format!(
                "{waits} has not been read to its end yet"
            )));
        }
        self.in_review
            .contains(&(entity.clone(), connection.0, stream.to_string()))
            .then_some(Cow::Borrowed(
                "a record there may be this one: decide with `concord matches list`",
            ))
    }
}

impl Hub {
    pub(crate) async fn gates(&self, kind: &Kind) -> Result<Gates, EngineError> {
        let reviews: Vec<Review> = self.store.reviews(true, 100_000).await?;
        let asked = reviews.iter().map(|review| review.link.clone()).collect();
        let in_review = reviews
            .into_iter()
            .flat_map(|review| {
                let (connection, stream) =
                    (review.link.connection.0, review.link.stream.to_string());
                review
                    .candidates
                    .into_iter()
                    .map(move |c| (c, connection, stream.clone()))
            })
            .collect();
        Ok(Gates {
            unread: self.unread(kind).await?,
            in_review,
            asked,
        })
    }

    /// Everything that is owed now, nothing written down.
    pub async fn plan(&self) -> Result<Plan, EngineError> {
        let mut plan = Plan::default();
        self.each_debt(async |chunk, gates| self.plan_chunk(chunk, gates, &mut plan).await)
            .await?;
        let mut tally = Tallies::new();
        for write in plan.writes.iter().filter(|write| write.blocked.is_none()) {
            let id = self.named(&write.connection)?.id();
            *tally.entry(id).or_default() += Tally::of(write.action, &write.values, &write.before);
        }
        plan.guarded = self.tripped(&tally, &Granted::default()).await?;
        Ok(plan)
    }

    /// Looks at every entity that somebody may owe or be owed a write, in chunks.
    async fn each_debt(
        &self,
        mut look: impl AsyncFnMut(&[Entity], &Gates) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        for kind in self.kinds() {
            let gates = self.gates(&kind).await?;
            let mut after = 0;
            let mut looked_at = 0;
            loop {
                let chunk = self.store.dirty_entities(&kind, after, CHUNK).await?;
                let Some(last) = chunk.last() else { break };
                after = last.id.number;
                looked_at += chunk.len() as u64;
                look(&chunk, &gates).await?;
                self.watch.tell(Progress::Planning { looked_at });
            }
        }
        Ok(())
    }

    /// How much each connection would be written, sort by sort, did nothing stop
    /// it.
    pub(crate) async fn tallies(&self) -> Result<Tallies, EngineError> {
        let mut tallies = Tallies::new();
        self.each_debt(async |chunk, gates| {
            let around = self.surroundings(chunk).await?;
            for entity in chunk {
                for (connection, _, debt, _) in self.debts(entity, &around, gates) {
                    if debt.blocked.is_none() {
                        let tally = tallies.entry(connection.id()).or_default();
                        *tally += Tally::of(debt.action, &debt.values, &debt.before);
                    }
                }
            }
            Ok(())
        })
        .await?;
        Ok(tallies)
    }

    /// Whether so few entities are to be looked at that no guard can trip.
    pub(crate) async fn is_a_handful(&self, fewest: u32) -> Result<bool, EngineError> {
        let mut left = fewest;
        for kind in self.kinds() {
            let some = self.store.dirty_entities(&kind, 0, left).await?.len();
            left -= u32::try_from(some).unwrap_or(left).min(left);
            if left == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn plan_chunk(
        &self,
        chunk: &[Entity],
        gates: &Gates,
        plan: &mut Plan,
    ) -> Result<(), EngineError> {
        let around = self.surroundings(chunk).await?;
        for entity in chunk {
            for (connection, stream, debt, link) in self.debts(entity, &around, gates) {
                plan.writes.push(PlannedWrite {
                    connection: connection.row.name.clone(),
                    stream: stream.name.clone(),
                    entity: entity.id.clone(),
                    remote_id: link.map(|link| link.key.remote_id.clone()),
                    action: debt.action,
                    values: debt.values,
                    before: debt.before,
                    base_version: link.and_then(|link| link.version.clone()),
                    blocked: debt.blocked.map(Cow::into_owned),
                });
            }
            for link in around.around.links(&entity.id) {
                let Some(connection) = self.connection(link.key.connection) else {
                    continue;
                };
                for field in &link.first_contact {
                    plan.first_contact.push(FirstDifference {
                        connection: connection.row.name.clone(),
                        entity: entity.id.clone(),
                        field: field.to_string(),
                        canonical: entity.value(field.as_str()).clone(),
                        remote: link.sent.get(field.as_str()).cloned().unwrap_or_default(),
                    });
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn surroundings(&self, chunk: &[Entity]) -> Result<Surroundings, EngineError> {
        let ids: Vec<EntityId> = chunk.iter().map(|entity| entity.id.clone()).collect();
        let around = Around::load(self.store.as_ref(), &ids).await?;
        let intents = self.store.open_intents_of(&ids).await?;
        let open = intents
            .into_iter()
            .map(|i| (i.entity, i.connection.0, i.stream.to_string()))
            .collect();
        let mut known = BTreeMap::new();
        for connection in &self.connections {
            for stream in connection.streams.iter().filter(|s| writes_references(s)) {
                let store = self.store.as_ref();
                let of = Known::of_entities(store, connection, stream, chunk).await?;
                known.insert((connection.id(), stream.name.clone()), of);
            }
        }
        Ok(Surroundings {
            around,
            open,
            known,
            refused: self.store.refused_creates_of(&ids).await?,
        })
    }

    /// What every stream of the entity's kind is owed.
    pub(crate) fn debts<'a>(
        &'a self,
        entity: &Entity,
        around: &'a Surroundings,
        gates: &Gates,
    ) -> Vec<(&'a Connection, &'a Stream, Debt, Option<&'a Link>)> {
        match self.fate(entity, around) {
            Fate::Lives => {}
            // A record that is to go gets nothing new.
            Fate::Waits | Fate::Contested(_) | Fate::Over => return Vec::new(),
            Fate::Follows(targets) => {
                let is_asked_about = gates.is_asked_about(&entity.id);
                let follows = targets.into_iter();
                return follows
                    .map(|(connection, stream, link)| {
                        let mut debt = deletes::debt();
                        let waits = is_asked_about || gates.keeps_back(link);
                        debt.blocked = waits.then_some(ASKED);
                        (connection, stream, debt, Some(link))
                    })
                    .collect();
            }
        }
        let held = around.around.held(&entity.id);
        let nothing_known = Known::default();
        let now = self.clock.now();
        let mut debts = Vec::new();
        for connection in &self.connections {
            for stream in connection
                .streams
                .iter()
                .filter(|s| *s.kind() == entity.id.kind)
            {
                if !stream.caps.writes() {
                    continue;
                }
                let place = (
                    entity.id.clone(),
                    connection.id().0,
                    stream.name.to_string(),
                );
                let at = (connection.id(), stream.name.clone());
                let known = around.known.get(&at).unwrap_or(&nothing_known);
                for link in around.around.to_write(&entity.id, &at) {
                    let target = Target {
                        scene: self.scene(connection, stream, known, now),
                        write: &stream.write,
                        link,
                        open: around.open.contains(&place),
                        create_blocked: gates.create(&entity.id, connection.id(), &stream.name),
                    };
                    let debt = emit::debt(entity, &target, &held, &|id| self.is_approved(id));
                    let debt = debt.filter(|debt| !around.was_refused(&place, debt));
                    debts.extend(debt.map(|mut debt| {
                        if link.is_some_and(|link| gates.keeps_back(link)) {
                            debt.blocked = Some(ASKED);
                        }
                        (connection, stream, debt, link)
                    }));
                }
            }
        }
        debts
    }
}

/// Only what is written has to know where a reference leads.
fn writes_references(stream: &Stream) -> bool {
    let mut lenses = stream.mapping.lenses.iter();
    stream.caps.writes() && lenses.any(|lens| lens.writes() && lens.refers_to().is_some())
}

/// Counts per connection and action, for the summary above a plan.
pub fn summary(plan: &Plan) -> BTreeMap<String, BTreeMap<&'static str, u64>> {
    let mut counts: BTreeMap<String, BTreeMap<&'static str, u64>> = BTreeMap::new();
    for write in &plan.writes {
        let what = match write.action {
            IntentAction::Create => "create",
            IntentAction::Update => "update",
            IntentAction::Delete | IntentAction::Withdraw => "delete",
            IntentAction::Restore => "restore",
        };
        *counts
            .entry(write.connection.clone())
            .or_default()
            .entry(what)
            .or_default() += 1;
    }
    for difference in &plan.first_contact {
        *counts
            .entry(difference.connection.clone())
            .or_default()
            .entry("differ")
            .or_default() += 1;
    }
    counts
}
