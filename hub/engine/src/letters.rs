//! Writes that a system refused for good, and records that could not be taken
//! in: kept with their fault, and tried again when a person says so.

use concord_core::ports::IntentFilter;
use concord_core::state::{EntityState, Intent, IntentAction, IntentState, Link, Quarantined};
use concord_core::{Changeset, Entity, EntityId, Fields};
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
            let ids: Vec<EntityId> = page.iter().map(|intent| intent.entity.clone()).collect();
            let entities = self.store.entities(&ids).await?;
            let around = Around::load(self.store.as_ref(), &ids).await?;
            for intent in &page {
                let entity = entities.iter().find(|entity| entity.id == intent.entity);
                let Some(entity) = entity.filter(|entity| entity.state == EntityState::Live) else {
                    continue;
                };
                let link = around.link_of(intent);
                let mut wanted = still_wanted(intent, entity, link);
                if !wanted.is_empty() {
                    self.leave_undone(intent, &mut wanted).await?;
                }
                if intent.action == IntentAction::Delete || !wanted.is_empty() {
                    look(intent, entity, link, wanted).await?;
                }
            }
        }
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
