//! An operator who says at the hub that two customers are one, and takes that
//! back again: at any moment between two syncs, by a program that may die.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use concord_core::state::{EntityState, LinkKey};
use concord_core::{Entity, EntityId, Kind};
use concord_engine::EngineError;

use crate::clock::lock;
use crate::mortal::{Fate, Life, MortalStore};
use crate::value::{Unit, is_empty, tokens};
use crate::world::World;

/// What the world remembers of a merge, without asking the hub.
#[derive(Clone)]
struct Memory {
    lives: EntityId,
    /// Both as they were.
    one: Entity,
    two: Entity,
    /// The records of the one that ended.
    records: BTreeSet<LinkKey>,
    /// Values with higher numbers were written later.
    last: u64,
}

#[derive(Default)]
pub(crate) struct Operator {
    merged: Mutex<BTreeMap<EntityId, Memory>>,
}

impl World {
    /// The two humans are said to be one.
    pub(crate) async fn unite(&self, human: u32, into: u32, fate: Option<Fate>) -> Result<()> {
        let (Some(lives), Some(other)) =
            (self.entity_of(into).await?, self.entity_of(human).await?)
        else {
            return Ok(());
        };
        if lives.id == other.id {
            return Ok(());
        }
        let links = self.store.links_of(std::slice::from_ref(&other.id)).await?;
        let memory = Memory {
            lives: lives.id.clone(),
            records: links.into_iter().map(|link| link.key).collect(),
            one: lives,
            two: other.clone(),
            last: lock(&self.town.ledger).last(),
        };
        let lives = memory.lives.clone();
        let done = self
            .operate(fate, async |hub| hub.merge(&lives, &other.id, "eve").await)
            .await?;
        self.town.tell(|| {
            format!(
                "the operator makes {} a part of {lives}: {done:?}",
                other.id
            )
        });
        if self.state_of(&other.id).await? == Some(EntityState::MergedInto(lives.number)) {
            let mut ledger = lock(&self.town.ledger);
            ledger.counts.merges += 1;
            ledger.unite(human, into);
            lock(&self.operator.merged).insert(other.id, memory);
        }
        Ok(())
    }

    /// One of those who were merged is taken out again, and is held against what
    /// the world remembers.
    pub(crate) async fn part(&self, luck: u64, fate: Option<Fate>) -> Result<()> {
        let merged = self.merged().await?;
        if merged.is_empty() {
            return Ok(());
        }
        let at = usize::try_from(luck % merged.len() as u64)?;
        let other = merged[at].clone();
        let done = self
            .operate(fate, async |hub| hub.unmerge(&other, "eve").await)
            .await?;
        self.town
            .tell(|| format!("the operator takes {other} out again: {done:?}"));
        if self.state_of(&other).await? == Some(EntityState::Live) {
            let human = self.human_of(&other).await?;
            {
                let mut ledger = lock(&self.town.ledger);
                ledger.counts.unmerges += 1;
                human.into_iter().for_each(|human| ledger.part(human));
            }
            let memory = lock(&self.operator.merged).remove(&other);
            if let Some(memory) = memory {
                self.restored(&other, &memory).await?;
            }
        }
        Ok(())
    }

    /// Everybody who was made a part of another, by whomsoever.
    async fn merged(&self) -> Result<Vec<EntityId>> {
        let mut merged = BTreeSet::new();
        for entity in self.everybody().await? {
            for event in self.store.events(&entity.id).await? {
                let name = event.what.strip_prefix("merged with ");
                if let Some(other) = name.and_then(|name| name.parse::<EntityId>().ok())
                    && self.state_of(&other).await?
                        == Some(EntityState::MergedInto(entity.id.number))
                {
                    merged.insert(other);
                }
            }
        }
        Ok(merged.into_iter().collect())
    }

    async fn everybody(&self) -> Result<Vec<Entity>> {
        let kind = Kind::new("person");
        Ok(self.store.scan_entities(&kind, 0, 10_000).await?)
    }

    pub(crate) async fn state_of(&self, id: &EntityId) -> Result<Option<EntityState>> {
        let found = self.store.entities(std::slice::from_ref(id)).await?;
        Ok(found.into_iter().next().map(|entity| entity.state))
    }

    async fn entity_of(&self, human: u32) -> Result<Option<Entity>> {
        for entity in self.everybody().await? {
            if self.human_of(&entity.id).await? == Some(human) {
                return Ok(Some(entity));
            }
        }
        Ok(None)
    }

    /// Runs a command of the operator's.  What is refused, or dies, is told.
    async fn operate<T>(
        &self,
        fate: Option<Fate>,
        work: impl AsyncFnOnce(&concord_engine::Hub) -> Result<T, EngineError>,
    ) -> Result<Option<T>> {
        let life = Arc::new(Life::new("operator", fate));
        let store = Arc::new(MortalStore {
            inner: Arc::clone(&self.store),
            life: Arc::clone(&life),
            town: Arc::clone(&self.town),
        });
        let done = match self.hub(store, &life, "operator").await {
            Ok(hub) => work(&hub).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(done) => Ok(Some(done)),
            Err(EngineError::Refused(why)) => {
                self.town.tell(|| format!("refused: {why}"));
                Ok(None)
            }
            Err(error) if life.is_dead() => {
                lock(&self.town.ledger).counts.crashes += 1;
                self.town
                    .tell(|| format!("the operator's program is dead: {error}"));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What a person chose at the hub for these, whosesoever it was.
    async fn decided(&self, ids: &[EntityId]) -> Result<BTreeSet<u64>> {
        let mut decided = BTreeSet::new();
        for id in ids {
            for event in self.store.events(id).await? {
                if event.what == "decided" && event.link.is_none() {
                    decided.extend(event.changes.iter().flat_map(|(_, _, new)| tokens(new)));
                }
            }
        }
        Ok(decided)
    }

    /// After an unmerge each has its own records, and the values that it had or
    /// got since.
    async fn restored(&self, other: &EntityId, memory: &Memory) -> Result<()> {
        let ids = [memory.lives.clone(), other.clone()];
        let links = self.store.links_of(&ids).await?;
        let mut wrong = Vec::new();
        for link in &links {
            let is_its = memory.records.contains(&link.key);
            if is_its && link.entity != *other {
                let id = &link.key.remote_id;
                wrong.push(format!("{id} was a record of {other} and is not any more"));
            }
        }
        let now = self.store.entities(&ids).await?;
        let alone = {
            let merged = lock(&self.operator.merged);
            !merged.values().any(|later| later.lives == memory.lives)
        };
        let decided = self.decided(&ids).await?;
        for before in [&memory.one, &memory.two] {
            // Who else became a part of it keeps what they brought.
            if before.id == memory.lives && !alone {
                continue;
            }
            let Some(after) = now.iter().find(|entity| entity.id == before.id) else {
                wrong.push(format!("{} is not there any more", before.id));
                continue;
            };
            let ledger = lock(&self.town.ledger);
            let human = |number: &u64| ledger.tokens.get(number).map(|token| token.human);
            let own: BTreeSet<u32> = before
                .cells
                .values()
                .flat_map(|cell| tokens(&cell.value))
                .filter_map(|number| human(&number))
                .collect();
            for unit in Unit::ALL {
                let (old, new) = (
                    before.value(unit.canonical()),
                    after.value(unit.canonical()),
                );
                let (had, has) = (tokens(old), tokens(new));
                let strange = |number: &&u64| {
                    // Its own may have been written before, and read after.
                    let is_own = human(number).is_some_and(|human| own.contains(&human));
                    !had.contains(number)
                        && **number <= memory.last
                        && !is_own
                        && !decided.contains(number)
                };
                if let Some(number) = has.iter().find(strange) {
                    wrong.push(format!(
                        "{} has {number} in {}, which was not its before",
                        before.id,
                        unit.canonical()
                    ));
                }
            }
            for unit in Unit::ALL.into_iter().filter(|unit| *unit != Unit::Tags) {
                let (old, new) = (
                    before.value(unit.canonical()),
                    after.value(unit.canonical()),
                );
                let was_emptied = ledger.emptied.iter().any(|(_, emptied)| *emptied == unit);
                if !is_empty(old) && is_empty(new) && !was_emptied {
                    wrong.push(format!("{} lost {}", before.id, unit.canonical()));
                }
            }
        }
        let mut ledger = lock(&self.town.ledger);
        for what in wrong {
            ledger.breaks("unmerge", what);
        }
        Ok(())
    }
}
