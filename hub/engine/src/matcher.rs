//! Compares what is newly seen with what is known, once every stream of the
//! kind has been read to its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use concord_core::changeset::MatchKey;
use concord_core::names::LONGEST_KEY;
use concord_core::ports::{Sequence, Store};
use concord_core::record::RemoteRecord;
use concord_core::state::{Entity, EntityState, Link, LinkKey, LinkState, Review, Verdict};
use concord_core::{Changeset, EntityId, Fields, Kind, RunId};
use concord_sync::absorb::absorb_fields;
use concord_sync::identity::CAP;
use concord_sync::lens::Lens;
use concord_sync::matching::{self, Candidate, Match};
use concord_sync::observe::{Read, ReadKind};
use concord_sync::scene::Held;

use crate::error::EngineError;
use crate::hub::Hub;
use crate::likely::{Likeliest, Likely, told};
use crate::progress::Progress;
use crate::queue::Queue;
use crate::references::Known;

/// What a look at the unmatched entities of one kind came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Matched {
    pub linked: u64,
    pub new: u64,
    pub to_review: u64,
    /// Streams that have to be read to their end first.
    pub waits_for: Vec<String>,
}

/// Of those who hold a key so many are looked at, and of a block it is seen that
/// it is too large.
const MOST_HOLDERS: u32 = CAP as u32 + 1;

impl Hub {
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "match", skip_all)]
    pub(crate) async fn match_kind(&self, kind: &Kind, run: RunId) -> Result<Matched, EngineError> {
        let mut result = Matched {
            waits_for: self.unread(kind).await?,
            ..Matched::default()
        };
        if !result.waits_for.is_empty() {
            return Ok(result);
        }
        let likely = self.likely(kind).await?;
        let mut queue = Queue::of(self, kind).await?;
        let mut compared = 0;
        while let Some(chunk) = queue.next(self).await? {
            compared += chunk.len() as u64;
            self.match_chunk(chunk, likely.as_ref(), run, &mut result)
                .await?;
            self.watch.tell(Progress::Matching { compared });
            self.extend_lease().await?;
        }
        Ok(result)
    }

    async fn match_chunk(
        &self,
        chunk: Vec<Entity>,
        likely: Option<&Likely<'_>>,
        run: RunId,
        result: &mut Matched,
    ) -> Result<(), EngineError> {
        let mut table = Table::load(self, &chunk).await?;
        let mut out = Changeset::default();
        for entity in &chunk {
            let Some(link) = table.only_link(&entity.id) else {
                continue;
            };
            let key = link.key.clone();
            let review = table.reviews.get(&key).cloned();
            match review.as_ref().and_then(|review| review.verdict.clone()) {
                Some(Verdict::Link(known)) => {
                    if self
                        .unite(entity, &known, "linked", &mut table, run, &mut out)
                        .await?
                    {
                        result.linked += 1;
                    }
                    continue;
                }
                Some(Verdict::Apart) => {
                    result.new += 1;
                    table.settle_new(entity);
                    continue;
                }
                // It may wait for a person; somebody may have left meanwhile, so it
                // is compared again.
                None => {}
            }
            match table.compare(self, likely, entity) {
                Found::New => {
                    result.new += 1;
                    table.settle_new(entity);
                    out.reviews_decided.extend(closed(review, Verdict::Apart));
                }
                Found::Same(known, what) => {
                    if self
                        .unite(entity, &known, &what, &mut table, run, &mut out)
                        .await?
                    {
                        result.linked += 1;
                        out.reviews_decided
                            .extend(closed(review, Verdict::Link(known)));
                    }
                }
                Found::Ask(candidates, reason) => {
                    result.to_review += 1;
                    if review.is_none() {
                        out.reviews.push(Review {
                            id: self.numbers.next(&Sequence::Review).await?,
                            link: key,
                            kind: entity.id.kind.clone(),
                            candidates,
                            reason,
                            values: entity.values(),
                            at: self.clock.now(),
                            verdict: None,
                        });
                    }
                }
            }
        }
        table.collect(&mut out);
        self.store.commit(&out).await?;
        Ok(())
    }

    /// The record of an unmatched entity becomes another entity's.  False where
    /// that entity is not there any more.
    async fn unite(
        &self,
        unmatched: &Entity,
        known: &EntityId,
        what: &str,
        table: &mut Table,
        run: RunId,
        out: &mut Changeset,
    ) -> Result<bool, EngineError> {
        let Some(mut link) = table.only_link(&unmatched.id).cloned() else {
            return Ok(false);
        };
        let Some(entity) = table.entities.get(&known.number).cloned() else {
            return Ok(false);
        };
        let Some((connection, stream)) = self.place(&link.key.connection, &link.key.stream) else {
            return Ok(false);
        };
        let mut entity = entity;
        let before = self.keys_of(&entity);
        // The record meets the canonical values for the first time, so its
        // bases begin anew with what was last read of it.
        let record = RemoteRecord {
            id: link.key.remote_id.clone(),
            version: link.version.clone(),
            modified_at: link.modified_at,
            fields: std::mem::take(&mut link.raw),
            partial: false,
        };
        let read = Read {
            kind: ReadKind::Fetch,
            started: link.read_at,
        };
        let mut known_refs = Known::default();
        let fields = std::iter::once(&record.fields);
        known_refs
            .add_records(self.store.as_ref(), connection, stream, fields)
            .await?;
        // They never agreed, so a delete of either is not carried on to the other.
        let spared = table.links.get(&known.number).into_iter().flatten();
        for other in spared.filter(|other| other.state == LinkState::Deleted) {
            let mut other = other.clone();
            other.state = LinkState::Gone;
            out.links.push(other);
        }
        if link.state == LinkState::Deleted {
            link.state = LinkState::Gone;
        }
        link.entity = known.clone();
        link.sent = Fields::new();
        link.first_contact.clear();
        let scene = self.scene(connection, stream, &known_refs, self.clock.now());
        let none = |_: &Lens| false;
        // What was read then is no look at the record: it may be gone since.
        let absorbed = absorb_fields(
            &mut link,
            &mut entity,
            &record,
            read,
            &none,
            &Held::default(),
            &scene,
        );
        self.write_down(absorbed, &link, &entity, run, Some(what), out)
            .await?;
        entity.dirty = true;
        let mut merged = unmatched.clone();
        merged.state = EntityState::MergedInto(known.number);
        merged.dirty = false;
        table.move_keys(before, self.keys_of(&entity));
        table.drop_keys(self.keys_of(unmatched));
        table.occupied.insert((
            known.number,
            link.key.connection.0,
            link.key.stream.to_string(),
        ));
        let mut others = table.links.get(&unmatched.id.number).cloned();
        for mut other in others.take().into_iter().flatten() {
            if other.key != link.key {
                other.entity = known.clone();
                out.links.push(other);
            }
        }
        out.links.push(link);
        table.changed.insert(merged.id.number, merged);
        table.entities.remove(&unmatched.id.number);
        table.changed.insert(entity.id.number, entity.clone());
        table.entities.insert(entity.id.number, entity);
        Ok(true)
    }

    /// Everything that an entity is found by: what it is matched by, and whom it
    /// refers to.
    pub(crate) fn keys_of(&self, entity: &Entity) -> Vec<MatchKey> {
        let mut keys = self.matched_by(entity);
        keys.extend(self.refers_to(entity));
        keys
    }

    /// The keys of an entity, and the blocks that it is compared in.
    fn matched_by(&self, entity: &Entity) -> Vec<MatchKey> {
        self.with_blocks(entity, &self.blocks_of(entity))
    }

    fn with_blocks(&self, entity: &Entity, blocks: &[String]) -> Vec<MatchKey> {
        let kind = &entity.id.kind;
        let Some(schema) = self.schemas.get(kind.as_str()) else {
            return Vec::new();
        };
        let mut keys = matching::keys(entity, schema);
        keys.extend(blocks.iter().map(|key| MatchKey {
            kind: kind.clone(),
            key: key.clone(),
            entity: entity.id.number,
        }));
        // So long a value identifies nobody.
        keys.retain(|key| key.key.len() <= LONGEST_KEY);
        keys
    }

    fn blocks_of(&self, entity: &Entity) -> Vec<String> {
        let subject = self.subjects.get(&entity.id.kind);
        subject.map_or_else(Vec::new, |subject| subject.blocks(entity))
    }

    /// Writes down how the keys of an entity have changed since `before`.
    pub(crate) fn rekey(&self, before: &[MatchKey], entity: &Entity, out: &mut Changeset) {
        let now = self.keys_of(entity);
        let gone = before.iter().filter(|key| !now.contains(key)).cloned();
        out.keys_removed.extend(gone);
        out.keys_added
            .extend(now.into_iter().filter(|key| !before.contains(key)));
    }

    pub(crate) fn place(
        &self,
        connection: &concord_core::ConnectionId,
        stream: &concord_core::StreamName,
    ) -> Option<(&crate::hub::Connection, &crate::hub::Stream)> {
        let connection = self.connection(*connection)?;
        Some((connection, connection.stream(stream)?))
    }
}

/// A question that nobody has to answer any more.
fn closed(review: Option<Review>, verdict: Verdict) -> Option<Review> {
    let mut review = review?;
    review.verdict = Some(verdict);
    Some(review)
}

/// Who an unmatched entity was found to be.
enum Found {
    New,
    /// With what the event says.
    Same(EntityId, String),
    /// With what a person is told.
    Ask(Vec<EntityId>, String),
}

/// Everybody who shares a key with an entity of the chunk, kept up to date
/// while the chunk is worked through.
struct Table {
    holders: BTreeMap<String, BTreeSet<i64>>,
    entities: HashMap<i64, Entity>,
    links: HashMap<i64, Vec<Link>>,
    /// Entity, connection and stream where it has a record.
    occupied: BTreeSet<(i64, i64, String)>,
    reviews: HashMap<LinkKey, Review>,
    changed: BTreeMap<i64, Entity>,
    keys_added: Vec<MatchKey>,
    keys_removed: Vec<MatchKey>,
}

impl Table {
    async fn load(hub: &Hub, chunk: &[Entity]) -> Result<Self, EngineError> {
        let store = hub.store.as_ref();
        let mut table = Self {
            holders: BTreeMap::new(),
            entities: chunk.iter().map(|e| (e.id.number, e.clone())).collect(),
            links: HashMap::new(),
            occupied: BTreeSet::new(),
            reviews: HashMap::new(),
            changed: BTreeMap::new(),
            keys_added: Vec::new(),
            keys_removed: Vec::new(),
        };
        let Some(kind) = chunk.first().map(|entity| entity.id.kind.clone()) else {
            return Ok(table);
        };
        let (mut keys, mut blocks) = (BTreeSet::new(), BTreeSet::new());
        for entity in chunk {
            let mine = hub.blocks_of(entity);
            keys.extend(
                hub.with_blocks(entity, &mine)
                    .into_iter()
                    .map(|key| key.key),
            );
            blocks.extend(mine);
        }
        let keys: Vec<String> = keys.into_iter().collect();
        for key in store.entities_by_keys(&kind, &keys, MOST_HOLDERS).await? {
            table.holders.entry(key.key).or_default().insert(key.entity);
        }
        // Nobody is compared with those of a block that is too large.
        let is_looked_at = |(key, holders): &(&String, &BTreeSet<i64>)| {
            holders.len() <= CAP || !blocks.contains(*key)
        };
        let looked_at = table.holders.iter().filter(is_looked_at);
        let others: BTreeSet<i64> = looked_at.flat_map(|(_, all)| all).copied().collect();
        let missing: Vec<EntityId> = others
            .iter()
            .filter(|number| !table.entities.contains_key(number))
            .map(|number| EntityId {
                kind: kind.clone(),
                number: *number,
            })
            .collect();
        for entity in store.entities(&missing).await? {
            table.entities.insert(entity.id.number, entity);
        }
        let everybody: Vec<EntityId> = table.entities.values().map(|e| e.id.clone()).collect();
        for link in store.links_of(&everybody).await? {
            let number = link.entity.number;
            table
                .occupied
                .insert((number, link.key.connection.0, link.key.stream.to_string()));
            table.links.entry(number).or_default().push(link);
        }
        let keys: Vec<_> = chunk
            .iter()
            .filter_map(|e| table.only_link(&e.id))
            .map(|l| l.key.clone())
            .collect();
        for mut review in store.reviews_of(&keys).await? {
            if let Some(Verdict::Link(known)) = &mut review.verdict {
                table.follow(store, known).await?;
            }
            table.reviews.insert(review.link.clone(), review);
        }
        Ok(table)
    }

    /// Whom a person named may have become a part of another since; that one is
    /// meant then.
    async fn follow(&mut self, store: &dyn Store, known: &mut EntityId) -> Result<(), EngineError> {
        while let Some(entity) = store.entities(std::slice::from_ref(known)).await?.pop() {
            let EntityState::MergedInto(number) = entity.state else {
                self.entities.entry(known.number).or_insert(entity);
                break;
            };
            known.number = number;
        }
        Ok(())
    }

    /// An unmatched entity has exactly the link it was seen through, and perhaps
    /// what its system made a part of that record.
    fn only_link(&self, id: &EntityId) -> Option<&Link> {
        let links = self.links.get(&id.number)?;
        let is_there = |link: &&Link| link.state != LinkState::Merged;
        links.iter().find(is_there).or(links.first())
    }

    /// By its keys first; then, where they say nothing or leave a doubt, by what
    /// else is known of everybody in its blocks.
    fn compare(&self, hub: &Hub, likely: Option<&Likely<'_>>, entity: &Entity) -> Found {
        let (Some(schema), Some(link)) = (
            hub.schemas.get(entity.id.kind.as_str()),
            self.only_link(&entity.id),
        ) else {
            return Found::New;
        };
        let place = (link.key.connection.0, link.key.stream.to_string());
        let occupied = |number: i64| self.occupied.contains(&(number, place.0, place.1.clone()));
        let mut holders: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut candidates = BTreeMap::new();
        for key in matching::keys(entity, schema) {
            let numbers = self.holders.get(&key.key).cloned().unwrap_or_default();
            for number in &numbers {
                let Some(other) = self.entities.get(number) else {
                    continue;
                };
                let occupied = occupied(*number);
                // Somebody of another system who is not matched either has its
                // own turn, and then finds this one.
                if occupied || other.state == EntityState::Live {
                    candidates.insert(
                        *number,
                        Candidate {
                            entity: other,
                            occupied,
                            is_known: other.state == EntityState::Live,
                        },
                    );
                }
            }
            holders.insert(key.key, numbers.into_iter().collect());
        }
        let by_key = matching::find(entity, schema, &holders, &candidates);
        let Some(likely) = likely else {
            return match by_key {
                Match::New => Found::New,
                Match::Same(known) => Found::Same(known, "linked".into()),
                Match::Ask { candidates, reason } => Found::Ask(candidates, reason),
            };
        };
        match by_key {
            Match::Same(known) => Found::Same(known, "linked".into()),
            Match::Ask { candidates, reason } => {
                let others: Vec<&Entity> = candidates
                    .iter()
                    .filter_map(|id| self.entities.get(&id.number))
                    .collect();
                let why = told(&likely.weigh(entity, &others));
                Found::Ask(candidates, format!("{reason}; {why}"))
            }
            Match::New => {
                let block = self.block_of(hub, entity);
                let free = |other: &&Entity| {
                    other.state == EntityState::Live && !occupied(other.id.number)
                };
                let others: Vec<&Entity> = block.into_iter().filter(free).collect();
                if others.is_empty() {
                    return Found::New;
                }
                match likely.decide(entity, &others) {
                    Likeliest::Nobody => Found::New,
                    Likeliest::One(known, why) => Found::Same(known, format!("linked: {why}")),
                    Likeliest::Ask(candidates, why) => Found::Ask(candidates, why),
                }
            }
        }
    }

    /// Everybody else of the blocks that an entity is in.  What many share says
    /// too little, and comparing with all of them would cost too much.
    fn block_of(&self, hub: &Hub, entity: &Entity) -> Vec<&Entity> {
        let keys = hub.matched_by(entity).into_iter();
        let blocks = keys.filter_map(|key| self.holders.get(&key.key));
        let numbers: BTreeSet<i64> = blocks
            .filter(|block| block.len() <= CAP)
            .flatten()
            .copied()
            .filter(|number| *number != entity.id.number)
            .collect();
        let numbers = numbers.into_iter();
        numbers
            .filter_map(|number| self.entities.get(&number))
            .collect()
    }

    fn settle_new(&mut self, entity: &Entity) {
        let mut entity = entity.clone();
        entity.state = EntityState::Live;
        entity.dirty = true;
        self.entities.insert(entity.id.number, entity.clone());
        self.changed.insert(entity.id.number, entity);
    }

    fn move_keys(&mut self, before: Vec<MatchKey>, after: Vec<MatchKey>) {
        for key in after {
            if !before.contains(&key) {
                self.holders
                    .entry(key.key.clone())
                    .or_default()
                    .insert(key.entity);
                self.keys_added.push(key);
            }
        }
    }

    fn drop_keys(&mut self, keys: Vec<MatchKey>) {
        for key in keys {
            if let Some(holders) = self.holders.get_mut(&key.key) {
                holders.remove(&key.entity);
            }
            self.keys_removed.push(key);
        }
    }

    fn collect(self, out: &mut Changeset) {
        out.entities.extend(self.changed.into_values());
        out.keys_added.extend(self.keys_added);
        out.keys_removed.extend(self.keys_removed);
    }
}
