//! Finds out what became of writes whose outcome is not known: after a crash, a
//! timeout, or an answer that does not say what was stored.

use std::collections::HashMap;
use std::time::Duration;

use concord_core::manifest::CreateSafe;
use concord_core::ports::IntentFilter;
use concord_core::record::{Applied, Change, RemoteRecord};
use concord_core::state::{Hold, Intent, IntentAction, IntentState, Link, LinkKey, Review};
use concord_core::{Changeset, Entity, EntityId, Fields, RemoteId, RunId, Timestamp};
use concord_sync::confirm::{self, Next};
use concord_sync::observe::{Read, ReadKind};
use concord_sync::scene::Held;

use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::outbox::Sent;
use crate::pull::Stopped;
use crate::references::Known;

/// A record that could not be found twice, this far apart, was not created.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Hub {
    /// A hub that died between sending and answer left its intents as `sent`:
    /// nobody waits for those answers any more.
    pub(crate) async fn recover(&self) -> Result<u64, EngineError> {
        let mut after = None;
        let mut found = 0;
        loop {
            let filter = IntentFilter {
                open_only: true,
                after,
                limit: 500,
                ..IntentFilter::default()
            };
            let intents = self.store.intents(&filter).await?;
            let Some(last) = intents.last() else {
                return Ok(found);
            };
            after = Some(last.id);
            let mut out = Changeset::durable();
            for mut intent in intents.into_iter().filter(|i| i.state == IntentState::Sent) {
                intent.state = IntentState::InDoubt;
                "the hub stopped before the answer came".clone_into(&mut intent.reason);
                out.intents.push(intent);
            }
            found += out.intents.len() as u64;
            if !out.is_empty() {
                self.store.commit(&out).await?;
            }
        }
    }

    /// Settles the intents in doubt of one stream, as far as they can be now.
    pub(crate) async fn settle_doubts(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        sent: &mut Sent,
    ) -> Result<(), Stopped> {
        let now = self.clock.now();
        let filter = IntentFilter {
            connection: Some(connection.id()),
            stream: Some(stream.name.clone()),
            open_only: true,
            limit: 10_000,
            ..IntentFilter::default()
        };
        let mut doubts = self.store.intents(&filter).await?;
        doubts.retain(|i| {
            i.state == IntentState::InDoubt && i.not_before.is_none_or(|moment| moment <= now)
        });
        let (creates, updates): (Vec<_>, Vec<_>) = doubts
            .into_iter()
            .partition(|i| i.action == IntentAction::Create && i.remote_id.is_none());
        for chunk in updates.chunks(stream.caps.fetch_max.max(1) as usize) {
            self.read_back(connection, stream, run, chunk.to_vec(), sent)
                .await?;
        }
        for intent in creates {
            self.look_for(connection, stream, run, intent, sent).await?;
        }
        Ok(())
    }

    /// Writes to known records are judged by reading the records.
    async fn read_back(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        intents: Vec<Intent>,
        sent: &mut Sent,
    ) -> Result<(), Stopped> {
        let ids: Vec<RemoteId> = intents.iter().filter_map(|i| i.remote_id.clone()).collect();
        let started = self.clock.now();
        let mut found: HashMap<RemoteId, Change> = HashMap::new();
        for change in self.fetch(connection, stream, &ids).await? {
            if let Some(id) = change.id().cloned() {
                found.insert(id, change);
            }
        }
        let mut out = Changeset::durable();
        let mut around = Around::load(self, connection, stream, &intents).await?;
        let read = Read {
            kind: ReadKind::Fetch,
            started,
        };
        for mut intent in intents {
            let Some(id) = intent.remote_id.clone() else {
                continue;
            };
            let unsettled = intent
                .sent_at
                .map(|at| at.plus(stream.caps.settle_ms.fetch()));
            let link = around.links.remove(&intent.entity);
            let Some(mut link) = link.filter(|link| link.key.remote_id == id) else {
                intent.state = IntentState::Dropped;
                "its record is not linked any more".clone_into(&mut intent.reason);
                out.intents.push(intent);
                continue;
            };
            match found.remove(&id) {
                Some(Change::Upsert(record)) if unsettled.is_none_or(|t| started >= t) => {
                    self.settle(
                        connection,
                        stream,
                        run,
                        &mut around,
                        intent,
                        link,
                        &record,
                        read,
                        &mut out,
                        sent,
                    )
                    .await?;
                }
                // Too early, or unreadable: the next look decides.
                Some(Change::Upsert(_)) => {
                    intent.not_before = unsettled;
                    out.intents.push(intent);
                }
                Some(Change::Gone { .. }) | None => {
                    intent.state = IntentState::Dropped;
                    "the record could not be found afterwards".clone_into(&mut intent.reason);
                    link.again_at = Some(self.clock.now());
                    out.intents.push(intent);
                    out.links.push(link);
                }
                Some(Change::Malformed { reason, .. }) => {
                    intent.reason = reason;
                    intent.not_before = Some(self.clock.now().plus(LOOK_AGAIN));
                    out.intents.push(intent);
                }
            }
        }
        Ok(self.store.commit(&out).await?)
    }

    #[allow(clippy::too_many_arguments)]
    async fn settle(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        around: &mut Around,
        mut intent: Intent,
        mut link: Link,
        record: &RemoteRecord,
        read: Read,
        out: &mut Changeset,
        sent: &mut Sent,
    ) -> Result<(), EngineError> {
        let Some(mut entity) = around.entities.remove(&intent.entity) else {
            return Ok(());
        };
        let held = Held::of(around.holds.get(&entity.id).map_or(&[][..], Vec::as_slice));
        let scene = self.scene(connection, stream, &around.known, self.clock.now());
        let keys = self.keys_of(&entity);
        let (absorbed, next) = confirm::resolve(
            &mut intent,
            &mut link,
            &mut entity,
            record,
            read,
            &held,
            &scene,
        );
        match next {
            Next::Wait | Next::ReadBack => intent.not_before = intent.deadline,
            Next::Closed if intent.action == IntentAction::Create => sent.created += 1,
            Next::Closed => sent.updated += 1,
            Next::Replay => {}
        }
        sent.conflicts += absorbed.conflicts.len() as u64;
        let changed = !absorbed.changes.is_empty();
        if absorbed.debt || changed {
            entity.dirty = true;
            let after = self.keys_of(&entity);
            out.keys_removed
                .extend(keys.iter().filter(|key| !after.contains(key)).cloned());
            out.keys_added
                .extend(after.into_iter().filter(|key| !keys.contains(key)));
        }
        self.write_down(
            absorbed,
            &link,
            &entity,
            run,
            changed.then_some("changed"),
            out,
        )
        .await?;
        if next == Next::Closed {
            out.events.push(
                self.written(&intent, &link, "written there, found by reading")
                    .await?,
            );
        }
        if entity.dirty {
            out.entities.push(entity);
        }
        out.links.push(link);
        out.intents.push(intent);
        Ok(())
    }

    /// A create without an answer: it is looked for in the way that the system
    /// allows, and sent again only when it is certain that it did not arrive.
    async fn look_for(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        mut intent: Intent,
        sent: &mut Sent,
    ) -> Result<(), Stopped> {
        let now = self.clock.now();
        if matches!(stream.caps.create_safe, Some(CreateSafe::Key) | None) {
            // The same intent sent again does not create again.
            intent.state = IntentState::New;
            "sent again under the same key".clone_into(&mut intent.reason);
            return Ok(self.keep(intent).await?);
        }
        let wanted = match &stream.caps.create_safe {
            Some(CreateSafe::UniqueField(field)) => match intent.payload.get(field) {
                Some(value) => Fields::from_iter([(field.clone(), value.clone())]),
                None => intent.payload.clone(),
            },
            _ => intent.payload.clone(),
        };
        let started = now;
        let found = match connection
            .connector
            .find(&stream.name, &wanted, &stream.fields)
            .await
        {
            Ok(found) => found,
            Err(fault) => {
                self.wait_out(connection, fault, intent.attempts)
                    .await
                    .map_err(Stopped::Fault)?;
                return Ok(());
            }
        };
        let unlinked = self.unlinked(connection, stream, found).await?;
        match unlinked.as_slice() {
            [record] => {
                let read = Read {
                    kind: ReadKind::Find,
                    started,
                };
                self.adopt(connection, stream, run, intent, record, read, sent)
                    .await
            }
            [] => {
                let settled = intent
                    .deadline
                    .unwrap_or(now)
                    .plus(stream.caps.settle_ms.find());
                if now < settled {
                    intent.not_before = Some(settled);
                } else if intent.reason == NOT_FOUND_ONCE {
                    intent.state = IntentState::New;
                    "not found twice: sent again".clone_into(&mut intent.reason);
                    intent.not_before = None;
                } else {
                    NOT_FOUND_ONCE.clone_into(&mut intent.reason);
                    intent.not_before =
                        Some(now.plus(stream.caps.settle_ms.find().max(LOOK_AGAIN)));
                }
                Ok(self.keep(intent).await?)
            }
            several => {
                self.ask_which(connection, stream, intent, several).await?;
                Ok(())
            }
        }
    }

    async fn keep(&self, intent: Intent) -> Result<(), EngineError> {
        let mut out = Changeset::durable();
        out.intents.push(intent);
        Ok(self.store.commit(&out).await?)
    }

    /// Found records that are nobody's yet.
    async fn unlinked(
        &self,
        connection: &Connection,
        stream: &Stream,
        found: Vec<RemoteRecord>,
    ) -> Result<Vec<RemoteRecord>, EngineError> {
        let ids: Vec<RemoteId> = found.iter().map(|record| record.id.clone()).collect();
        let links = self
            .store
            .links(connection.id(), &stream.name, &ids)
            .await?;
        Ok(found
            .into_iter()
            .filter(|record| !links.iter().any(|link| link.key.remote_id == record.id))
            .collect())
    }

    /// The record is the one that the create made: linked, and judged like any
    /// write in doubt.
    #[allow(clippy::too_many_arguments)]
    async fn adopt(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        mut intent: Intent,
        record: &RemoteRecord,
        read: Read,
        sent: &mut Sent,
    ) -> Result<(), Stopped> {
        let mut around =
            Around::load(self, connection, stream, std::slice::from_ref(&intent)).await?;
        let scene = self.scene(connection, stream, &around.known, self.clock.now());
        let answer = Applied {
            id: record.id.clone(),
            version: None,
            stored: None,
        };
        let link = confirm::new_link(&intent, &answer, &scene);
        intent.remote_id = Some(record.id.clone());
        // A record that did not exist before has only what the create put there,
        // so a value that differs is the system's rewriting or a person's edit;
        // sending once more would tell, reading first does no harm.
        let mut out = Changeset::durable();
        self.settle(
            connection,
            stream,
            run,
            &mut around,
            intent,
            link,
            record,
            read,
            &mut out,
            sent,
        )
        .await?;
        Ok(self.store.commit(&out).await?)
    }

    async fn ask_which(
        &self,
        connection: &Connection,
        stream: &Stream,
        mut intent: Intent,
        several: &[RemoteRecord],
    ) -> Result<(), EngineError> {
        let mut out = Changeset::durable();
        let reason = format!(
            "{} was to be created, the answer was lost, and {} records look like it",
            intent.entity,
            several.len()
        );
        for record in several {
            out.reviews.push(Review {
                id: self
                    .numbers
                    .next(&concord_core::ports::Sequence::Review)
                    .await?,
                link: LinkKey {
                    connection: connection.id(),
                    stream: stream.name.clone(),
                    remote_id: record.id.clone(),
                },
                kind: intent.entity.kind.clone(),
                candidates: vec![intent.entity.clone()],
                reason: reason.clone(),
                values: record.fields.clone(),
                at: self.clock.now(),
                verdict: None,
            });
        }
        intent.state = IntentState::Failed;
        intent.reason = reason;
        out.intents.push(intent);
        Ok(self.store.commit(&out).await?)
    }

    /// When the next open intent of a connection may go on.
    pub(crate) async fn next_intent(
        &self,
        connection: &Connection,
    ) -> Result<Option<Timestamp>, EngineError> {
        let filter = IntentFilter {
            connection: Some(connection.id()),
            open_only: true,
            limit: 10_000,
            ..IntentFilter::default()
        };
        let open = self.store.intents(&filter).await?;
        Ok(open
            .into_iter()
            .map(|i| i.not_before.unwrap_or(Timestamp::ZERO))
            .min())
    }
}

const NOT_FOUND_ONCE: &str = "looked for and not found once";

/// What stands around some intents of one stream.
struct Around {
    entities: HashMap<EntityId, Entity>,
    links: HashMap<EntityId, Link>,
    holds: HashMap<EntityId, Vec<Hold>>,
    known: Known,
}

impl Around {
    async fn load(
        hub: &Hub,
        connection: &Connection,
        stream: &Stream,
        intents: &[Intent],
    ) -> Result<Self, EngineError> {
        let ids: Vec<EntityId> = intents.iter().map(|intent| intent.entity.clone()).collect();
        let entities = hub.store.entities(&ids).await?;
        let known = Known::of_entities(hub.store.as_ref(), connection, stream, &entities).await?;
        let mut links = HashMap::new();
        for link in hub.store.links_of(&ids).await? {
            let named = intents.iter().any(|i| {
                i.entity == link.entity && i.remote_id.as_ref() == Some(&link.key.remote_id)
            });
            if named && link.key.connection == connection.id() && link.key.stream == stream.name {
                links.insert(link.entity.clone(), link);
            }
        }
        let mut holds: HashMap<EntityId, Vec<Hold>> = HashMap::new();
        for hold in hub.store.holds(&ids).await? {
            holds.entry(hold.entity.clone()).or_default().push(hold);
        }
        let entities = entities
            .into_iter()
            .map(|entity| (entity.id.clone(), entity))
            .collect();
        Ok(Self {
            entities,
            links,
            holds,
            known,
        })
    }
}
