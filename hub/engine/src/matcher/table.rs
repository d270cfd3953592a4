//! Everybody whom the entities of a chunk are compared with.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use concord_core::changeset::MatchKey;
use concord_core::ports::Store;
use concord_core::state::{Entity, EntityState, Link, LinkKey, LinkState, Review, Verdict};
use concord_core::{Changeset, EntityId};
use concord_sync::identity::CAP;
use concord_sync::matching::{self, Candidate, Match};

use crate::error::EngineError;
use crate::hub::Hub;
use crate::likely::{Likeliest, Likely, told};

/// Of those who hold a key so many are looked at, and of a block it is seen that
/// it is too large.
const MOST_HOLDERS: u32 = CAP as u32 + 1;

/// Who an unmatched entity was found to be.
pub(super) enum Found {
    New,
    /// With what the event says.
    Same(EntityId, String),
    /// With what a person is told.
    Ask(Vec<EntityId>, String),
}

/// Everybody who shares a key with an entity of the chunk, kept up to date
/// while the chunk is worked through.
pub(super) struct Table {
    holders: BTreeMap<String, BTreeSet<i64>>,
    pub(super) entities: HashMap<i64, Entity>,
    pub(super) links: HashMap<i64, Vec<Link>>,
    /// Entity, connection and stream where it has a record.
    pub(super) occupied: BTreeSet<(i64, i64, String)>,
    pub(super) reviews: HashMap<LinkKey, Review>,
    pub(super) changed: BTreeMap<i64, Entity>,
    keys_added: Vec<MatchKey>,
    keys_removed: Vec<MatchKey>,
}

impl Table {
    pub(super) async fn load(hub: &Hub, chunk: &[Entity]) -> Result<Self, EngineError> {
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
    pub(super) fn only_link(&self, id: &EntityId) -> Option<&Link> {
        let links = self.links.get(&id.number)?;
        let is_there = |link: &&Link| link.state != LinkState::Merged;
        links.iter().find(is_there).or(links.first())
    }

    /// By its keys first; then, where they say nothing or leave a doubt, by what
    /// else is known of everybody in its blocks.
    pub(super) fn compare(&self, hub: &Hub, likely: Option<&Likely<'_>>, entity: &Entity) -> Found {
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

    pub(super) fn settle_new(&mut self, entity: &Entity) {
        let mut entity = entity.clone();
        entity.state = EntityState::Live;
        entity.dirty = true;
        self.entities.insert(entity.id.number, entity.clone());
        self.changed.insert(entity.id.number, entity);
    }

    pub(super) fn move_keys(&mut self, before: Vec<MatchKey>, after: Vec<MatchKey>) {
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

    pub(super) fn drop_keys(&mut self, keys: Vec<MatchKey>) {
        for key in keys {
            if let Some(holders) = self.holders.get_mut(&key.key) {
                holders.remove(&key.entity);
            }
            self.keys_removed.push(key);
        }
    }

    pub(super) fn collect(self, out: &mut Changeset) {
        out.entities.extend(self.changed.into_values());
        out.keys_added.extend(self.keys_added);
        out.keys_removed.extend(self.keys_removed);
    }
}
