//! Keeps single records out: nothing is read from them and nothing is written to
//! them, until a person lets them in again.
//!
//! A record that is kept out stays linked: its place is taken, so nothing is made
//! there anew, and let in again it goes on from the bases of the day it left.  A
//! whole entity is kept out with each of its records, and held, so that nothing
//! of it is made anywhere else either.

use concord_core::ports::Sequence;
use concord_core::state::{EntityState, Hold, Intent, IntentState, Link, LinkKey, LinkState};
use concord_core::{Changeset, Entity, EntityId, RunId};
use serde::Serialize;

use crate::error::EngineError;
use crate::hub::Hub;
use crate::page::new_link;

/// Why an entity is held that is kept out.
const REASON: &str = "excluded by";

/// What is kept out, or let in again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excluded {
    Entity(EntityId),
    Record(LinkKey),
}

/// A record that is kept out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptOut {
    pub connection: String,
    pub stream: String,
    pub remote_id: String,
    pub entity: EntityId,
}

impl Hub {
    /// Keeps a record out, or every record of an entity.  Gives their number.
    pub async fn exclude(&self, what: &Excluded, by: &str) -> Result<u64, EngineError> {
        let (entity, links) = self.records_of(what, true).await?;
        let open = self.under_way(&entity.id, &links).await?;
        let mut out = Changeset::durable();
        for mut intent in open {
            if intent.state != IntentState::New {
                return Err(EngineError::Refused(
                    "a write to it is under way: run `concord sync` first, so that it is known \
                     what became of it"
                        .into(),
                ));
            }
            intent.state = IntentState::Dropped;
            "its record is excluded".clone_into(&mut intent.reason);
            out.intents.push(intent);
        }
        let mut count = 0;
        for mut link in links {
            if matches!(
                link.state,
                LinkState::Live | LinkState::Hidden | LinkState::OutOfScope
            ) {
                link.state = LinkState::Excluded;
                link.again_at = None;
                link.missing_since = None;
                out.links.push(link);
                count += 1;
            }
        }
        if matches!(what, Excluded::Entity(_)) {
            out.holds.push(Hold {
                entity: entity.id.clone(),
                field: None,
                reason: format!("{REASON} {by}"),
                at: self.clock.now(),
            });
        }
        let story = format!("excluded{}", whose(what));
        self.commit_decision(entity, story, by, out).await?;
        Ok(count)
    }

    /// Lets a record in again, or every record of an entity: it is read first,
    /// and what changed on both sides meanwhile is decided as ever.
    pub async fn include(&self, what: &Excluded, by: &str) -> Result<u64, EngineError> {
        let (entity, links) = self.records_of(what, false).await?;
        let holds = self.store.holds(std::slice::from_ref(&entity.id)).await?;
        let held = holds
            .iter()
            .any(|hold| hold.field.is_none() && hold.reason.starts_with(REASON));
        let mut out = Changeset::durable();
        let now = self.clock.now();
        for mut link in links {
            if link.state == LinkState::Excluded {
                link.state = LinkState::Hidden;
                link.again_at = Some(now);
                out.links.push(link);
            }
        }
        let count = out.links.len() as u64;
        match what {
            Excluded::Entity(id) if held => out.holds_cleared.push((id.clone(), None)),
            Excluded::Record(_) if held => {
                return Err(EngineError::Refused(format!(
                    "{id} is excluded as a whole: `concord include {id}`",
                    id = entity.id
                )));
            }
            _ if count == 0 => {
                return Err(EngineError::Refused(
                    "it is not excluded: `concord exclude --list` names what is".into(),
                ));
            }
            _ => {}
        }
        let story = format!("included{}", whose(what));
        self.commit_decision(entity, story, by, out).await?;
        Ok(count)
    }

    /// What a person decided about an entity, with the event that says so.
    async fn commit_decision(
        &self,
        mut entity: Entity,
        story: String,
        by: &str,
        mut out: Changeset,
    ) -> Result<(), EngineError> {
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        let event = self.decided(&entity.id, run, by, story, Vec::new());
        out.events.push(event.await?);
        entity.dirty = entity.state == EntityState::Live;
        out.entities.push(entity);
        Ok(self.store.commit(&out).await?)
    }

    /// Every record that is kept out, in order.
    pub async fn kept_out(&self) -> Result<Vec<KeptOut>, EngineError> {
        let links = self.store.links_in(LinkState::Excluded).await?;
        let named = links.into_iter().map(|link| {
            let connection = self.connection(link.key.connection);
            KeptOut {
                connection: connection.map_or_else(
                    || format!("connection {} (removed)", link.key.connection),
                    |connection| connection.row.name.clone(),
                ),
                stream: link.key.stream.to_string(),
                remote_id: link.key.remote_id.to_string(),
                entity: link.entity,
            }
        });
        Ok(named.collect())
    }

    /// The entity that is meant, and which of its records.  A record that is not
    /// known yet gets a place of its own, that stands for nobody.
    async fn records_of(
        &self,
        what: &Excluded,
        makes: bool,
    ) -> Result<(Entity, Vec<Link>), EngineError> {
        let (id, only) = match what {
            Excluded::Entity(id) => (id.clone(), None),
            Excluded::Record(key) => {
                let ids = std::slice::from_ref(&key.remote_id);
                let link = self.store.links(key.connection, &key.stream, ids).await?;
                match link.into_iter().next() {
                    Some(link) => (link.entity.clone(), Some(key)),
                    None if makes => return self.place_for(key).await,
                    None => {
                        return Err(EngineError::Refused(
                            "it is not excluded: `concord exclude --list` names what is".into(),
                        ));
                    }
                }
            }
        };
        let ids = std::slice::from_ref(&id);
        let Some(entity) = self.store.entities(ids).await?.pop() else {
            return Err(EngineError::Refused(format!("there is no {id}")));
        };
        if let EntityState::MergedInto(number) = entity.state {
            let lives = EntityId::new(id.kind.clone(), number);
            return Err(EngineError::Refused(format!(
                "{id} was merged: say `{lives}` instead"
            )));
        }
        let mut links = self.store.links_of(ids).await?;
        links.retain(|link| only.is_none_or(|key| link.key == *key));
        Ok((entity, links))
    }

    async fn place_for(&self, key: &LinkKey) -> Result<(Entity, Vec<Link>), EngineError> {
        let Some((_, stream)) = self.place(&key.connection, &key.stream) else {
            return Err(EngineError::Refused(format!(
                "the connection has no stream '{}' that takes part",
                key.stream
            )));
        };
        let kind = stream.kind().clone();
        let number = self
            .store
            .reserve(&Sequence::Entity(kind.clone()), 1)
            .await?;
        let mut entity = Entity::new(EntityId { kind, number });
        entity.state = EntityState::Deleted;
        entity.dirty = false;
        let link = new_link(key.clone(), entity.id.clone());
        Ok((entity, vec![link]))
    }

    /// The open writes to these records, or to be made of the entity.
    async fn under_way(
        &self,
        entity: &EntityId,
        links: &[Link],
    ) -> Result<Vec<Intent>, EngineError> {
        let ids = std::slice::from_ref(entity);
        let mut open = self.store.open_intents_of(ids).await?;
        open.retain(|intent| {
            links.iter().any(|link| {
                link.key.connection == intent.connection && link.key.stream == intent.stream
            }) || intent.remote_id.is_none()
        });
        Ok(open)
    }
}

fn whose(what: &Excluded) -> String {
    match what {
        Excluded::Entity(_) => String::new(),
        Excluded::Record(key) => format!(": {} {}", key.stream, key.remote_id),
    }
}
