//! Writes that a system refused for good, and records that could not be taken
//! in: kept with their fault, and tried again when a person says so.

use std::collections::BTreeSet;

use concord_core::ports::IntentFilter;
use concord_core::state::{EntityState, Intent, IntentAction, IntentState, Link, Quarantined};
use concord_core::{Changeset, Entity, EntityId, Fields, IntentId};
use serde::Serialize;

use crate::around::Around;
use crate::error::EngineError;
use crate::hub::Hub;

const PAGE: u32 = 500;

/// A write that was refused and is still wanted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Letter {
    pub intent: i64,
    pub connection: String,
    pub stream: String,
    pub entity: EntityId,
    pub action: IntentAction,
    /// The values that did not arrive.
    pub values: Fields,
    /// What the system said.
    pub fault: String,
    pub time: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Letters {
    pub refused: Vec<Letter>,
    pub quarantined: Vec<Quarantined>,
}

/// What trying again was prepared for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Replayed {
    pub writes: u64,
    pub records: u64,
    /// Records that are not known yet: only a full read brings them again.
    pub unknown: u64,
}

impl Hub {
    /// Everything that was refused and is still wanted, and every record that
    /// could not be taken in.
    pub async fn letters(&self) -> Result<Letters, EngineError> {
        let mut letters = Letters::default();
        self.each_refused(async |intent, _, _, values| {
            let connection = self.connection(intent.connection);
            letters.refused.push(Letter {
                intent: intent.id.0,
                connection: connection.map_or_else(String::new, |c| c.row.name.clone()),
                stream: intent.stream.to_string(),
                entity: intent.entity.clone(),
                action: intent.action,
                values,
                fault: intent.reason.clone(),
                time: intent.sent_at.unwrap_or(intent.created_at).to_string(),
            });
            Ok(())
        })
        .await?;
        letters.quarantined = self.store.quarantined(0).await?;
        Ok(letters)
    }

    /// Has the next sync try the named writes again, or all of them and every
    /// record in quarantine.
    pub async fn replay(&self, only: &[i64]) -> Result<Replayed, EngineError> {
        let mut replayed = Replayed::default();
        self.each_refused(async |intent, entity, link, values| {
            if !only.is_empty() && !only.contains(&intent.id.0) {
                return Ok(());
            }
            replayed.writes += 1;
            let mut out = Changeset::durable();
            if let Some(link) = link {
                let mut link = link.clone();
                link.refused.retain(|name, _| !values.contains_key(name));
                out.links.push(link);
            }
            let mut entity = entity.clone();
            entity.dirty = true;
            out.entities.push(entity);
            let mut intent = intent.clone();
            intent.state = IntentState::Dropped;
            intent.reason = format!("tried again after: {}", intent.reason);
            out.intents.push(intent);
            Ok(self.store.commit(&out).await?)
        })
        .await?;
        if only.is_empty() {
            self.read_quarantined_again(&mut replayed).await?;
        } else if replayed.writes == 0 {
            return Err(EngineError::Refused(
                "none of these is a refused write: `concord dead-letters list` names them".into(),
            ));
        }
        Ok(replayed)
    }

    async fn read_quarantined_again(&self, replayed: &mut Replayed) -> Result<(), EngineError> {
        let now = self.clock.now();
        let mut out = Changeset::durable();
        for record in self.store.quarantined(0).await? {
            let ids = std::slice::from_ref(&record.remote_id);
            let links = self.store.links(record.connection, &record.stream, ids);
            match links.await?.pop() {
                Some(mut link) => {
                    link.again_at = Some(now);
                    out.links.push(link);
                    replayed.records += 1;
                }
                None => replayed.unknown += 1,
            }
        }
        Ok(self.store.commit(&out).await?)
    }

    /// Looks at every refused write that is still wanted: its entity lives, and
    /// the values that were refused are still those that are kept back.
    async fn each_refused(
        &self,
        mut look: impl AsyncFnMut(&Intent, &Entity, Option<&Link>, Fields) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut filter = IntentFilter {
            state: Some(IntentState::Failed),
            limit: PAGE,
            ..IntentFilter::default()
        };
        loop {
            let page = self.store.intents(&filter).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            filter.after = Some(last.id);
            let holders = Holders::load(self, &page).await?;
            for (intent, entity, link, values) in self.wanted(&page, &holders).await? {
                look(intent, entity, link, values).await?;
            }
        }
    }

    /// Of refused writes, those that are still wanted, with what they are of and
    /// the values that did not arrive.
    async fn wanted<'i>(
        &self,
        refused: &'i [Intent],
        holders: &'i Holders,
    ) -> Result<Vec<(&'i Intent, &'i Entity, Option<&'i Link>, Fields)>, EngineError> {
        let mut all = Vec::new();
        for intent in refused {
            let entity = holders.of(intent);
            let Some(entity) = entity.filter(|entity| entity.state == EntityState::Live) else {
                continue;
            };
            let link = holders.around.link_of(intent);
            let mut wanted = still_wanted(intent, entity, link);
            if !wanted.is_empty() {
                self.leave_undone(intent, &mut wanted).await?;
            }
            if intent.action == IntentAction::Delete || !wanted.is_empty() {
                all.push((intent, entity, link, wanted));
            }
        }
        Ok(all)
    }

    /// Of closed writes, those without which a refused one would be forgotten,
    /// sent again as it was, or named although it is not wanted any more.
    pub(crate) async fn needed_for_letters(
        &self,
        closed: &[Intent],
    ) -> Result<BTreeSet<IntentId>, EngineError> {
        let of = |state| closed.iter().filter(move |intent| intent.state == state);
        let refused: Vec<Intent> = of(IntentState::Failed).cloned().collect();
        let holders = Holders::load(self, &refused).await?;
        let wanted = self.wanted(&refused, &holders).await?;
        let mut needed: BTreeSet<IntentId> = wanted.iter().map(|(i, ..)| i.id).collect();
        let is_needed = |intent: &&Intent| {
            match holders.of(intent).map(|entity| &entity.state) {
                None | Some(EntityState::Deleted) => false,
                // Who is a part of another one may be taken apart again.
                Some(EntityState::MergedInto(_)) => true,
                // It would be made there of the same values once more.
                Some(EntityState::Live | EntityState::Unmatched) => {
                    intent.action == IntentAction::Create
                        && holders.around.link_of(intent).is_none()
                }
            }
        };
        needed.extend(refused.iter().filter(is_needed).map(|intent| intent.id));
        let undos = of(IntentState::Done).filter(|i| i.action == IntentAction::Restore);
        for undo in undos {
            let filter = IntentFilter {
                entity: Some(undo.entity.clone()),
                state: Some(IntentState::Failed),
                limit: 1,
                ..IntentFilter::default()
            };
            let before = self.store.intents(&filter).await?;
            if before.iter().any(|refused| refused.id < undo.id) {
                needed.insert(undo.id);
            }
        }
        Ok(needed)
    }

    /// A value that an undo keeps from the system since is not one that the
    /// system refuses.
    async fn leave_undone(&self, refused: &Intent, wanted: &mut Fields) -> Result<(), EngineError> {
        let filter = IntentFilter {
            entity: Some(refused.entity.clone()),
            state: Some(IntentState::Done),
            after: Some(refused.id),
            ..IntentFilter::default()
        };
        for later in self.store.intents(&filter).await? {
            let is_undo = later.action == IntentAction::Restore
                && later.connection == refused.connection
                && later.stream == refused.stream;
            if is_undo {
                wanted.retain(|name, _| !later.values.contains_key(name));
            }
        }
        Ok(())
    }
}

/// Whose some writes are, and their records.
struct Holders {
    entities: Vec<Entity>,
    around: Around,
}

impl Holders {
    async fn load(hub: &Hub, intents: &[Intent]) -> Result<Self, EngineError> {
        let ids: Vec<EntityId> = intents.iter().map(|i| i.entity.clone()).collect();
        Ok(Self {
            entities: hub.store.entities(&ids).await?,
            around: Around::load(hub.store.as_ref(), &ids).await?,
        })
    }

    fn of(&self, intent: &Intent) -> Option<&Entity> {
        self.entities
            .iter()
            .find(|entity| entity.id == intent.entity)
    }
}

fn still_wanted(intent: &Intent, entity: &Entity, link: Option<&Link>) -> Fields {
    let is_kept_back = |name: &String, value: &concord_core::Value| match link {
        Some(link) => link.refused.get(name) == Some(value),
        None => intent.action == IntentAction::Create && entity.value(name) == value,
    };
    let values = intent.values.iter();
    values
        .filter(|(name, value)| is_kept_back(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
