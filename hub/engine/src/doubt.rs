//! Finds out what became of writes whose outcome is not known: after a crash, a
//! timeout, or an answer that does not say what was stored.

use std::collections::HashMap;
use std::time::Duration;

use concord_core::manifest::CreateSafe;
use concord_core::ports::{IntentFilter, Sequence};
use concord_core::record::{Absence, Applied, Change, RemoteRecord};
use concord_core::state::{
    EntityState, Intent, IntentAction, IntentState, Link, LinkState, Review,
};
use concord_core::{Changeset, ConnectionId, Entity, EntityId, Fields, RemoteId, Timestamp};
use concord_sync::absence::{self, Conclusion, Noticed};
use concord_sync::confirm::{self, Next};
use concord_sync::observe::{Read, ReadKind};

use crate::around::Around;
use crate::deletes::takes_away;
use crate::error::EngineError;
use crate::hub::Hub;
use crate::lane::Lane;
use crate::outbox::Sent;
use crate::pull::Stopped;
use crate::references::Known;

/// A record that could not be found twice, this far apart, was not created.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A record that stays unreadable is looked at ever more rarely, after this many
/// doublings once in an hour or so.
const LOOK_LATER: u32 = 12;

impl Hub {
    /// A hub that died between sending and answer left its intents as `sent`:
    /// nobody waits for those answers any more.
    /// Of one connection, where others are other hubs'.
    pub(crate) async fn recover(
        &self,
        connection: Option<ConnectionId>,
    ) -> Result<u64, EngineError> {
        let mut after = None;
        let mut found = 0;
        loop {
            let filter = IntentFilter {
                connection,
                open_only: true,
                state: Some(IntentState::Sent),
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
            for mut intent in intents {
                intent.state = IntentState::InDoubt;
                "the hub stopped before the answer came".clone_into(&mut intent.reason);
                out.intents.push(intent);
            }
            found += out.intents.len() as u64;
            self.store.commit(&out).await?;
        }
    }
}

/// Some intents in doubt with what stands around them, and the changeset that
/// settling them fills.
struct Settling {
    entities: HashMap<EntityId, Entity>,
    around: Around,
    known: Known,
    out: Changeset,
}

impl Lane<'_> {
    /// Settles the intents in doubt of the stream, as far as they can be now.
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "doubt", skip_all)]
    pub async fn settle_doubts(&self, sent: &mut Sent) -> Result<(), Stopped> {
        let now = self.hub.clock.now();
        let mut doubts = self.in_doubt().await?;
        doubts.retain(|i| i.not_before.is_none_or(|moment| moment <= now));
        let (creates, known): (Vec<_>, Vec<_>) = doubts
            .into_iter()
            .partition(|i| i.action == IntentAction::Create && i.remote_id.is_none());
        for chunk in known.chunks(self.fetch_size()) {
            self.read_back(chunk.to_vec(), sent).await?;
        }
        for intent in creates {
            self.look_for(intent, sent).await?;
        }
        Ok(())
    }

    async fn in_doubt(&self) -> Result<Vec<Intent>, EngineError> {
        let filter = IntentFilter {
            state: Some(IntentState::InDoubt),
            ..self.open_intents()
        };
        Ok(self.hub.store.intents(&filter).await?)
    }

    async fn settling(&self, intents: &[Intent]) -> Result<Settling, EngineError> {
        let store = self.hub.store.as_ref();
        let ids: Vec<EntityId> = intents.iter().map(|intent| intent.entity.clone()).collect();
        let entities = store.entities(&ids).await?;
        let known = Known::of_entities(store, self.connection, self.stream, &entities).await?;
        let around = Around::load(store, &ids).await?;
        let entities = entities.into_iter().map(|e| (e.id.clone(), e)).collect();
        Ok(Settling {
            entities,
            around,
            known,
            out: Changeset::durable(),
        })
    }

    /// Writes to known records are judged by reading the records.
    async fn read_back(&self, intents: Vec<Intent>, sent: &mut Sent) -> Result<(), Stopped> {
        let ids: Vec<RemoteId> = intents.iter().filter_map(|i| i.remote_id.clone()).collect();
        let started = self.hub.clock.now();
        let mut found: HashMap<RemoteId, Change> = HashMap::new();
        for change in self.fetch(&ids).await? {
            if let Some(id) = change.id().cloned() {
                found.insert(id, change);
            }
        }
        let mut settling = self.settling(&intents).await?;
        let mut moves = Vec::new();
        for intent in intents {
            let Some(id) = intent.remote_id.clone() else {
                continue;
            };
            let change = found.remove(&id);
            if let Some(Change::Gone {
                absence: Absence::MergedInto(into),
                ..
            }) = &change
                && self.may_be_moved(&intent, into, &settling).await?
            {
                // The intent goes to the new id with the link, and the next look
                // at it reads that.
                moves.extend(change);
                continue;
            }
            self.judge(intent, change, started, &mut settling, sent)
                .await?;
        }
        self.hub.store.commit(&settling.out).await?;
        if !moves.is_empty() {
            self.take_in(moves, ReadKind::Fetch, started, Noticed::Fetched)
                .await?;
        }
        Ok(())
    }

    /// The record became one that nobody knows, or whose id it had before.
    async fn may_be_moved(
        &self,
        intent: &Intent,
        into: &RemoteId,
        settling: &Settling,
    ) -> Result<bool, EngineError> {
        let link = settling.around.link_of(intent);
        if link.is_none_or(|link| link.state != LinkState::Live) {
            return Ok(false);
        }
        let ids = std::slice::from_ref(into);
        let known = self.hub.store.links(self.id(), self.name(), ids).await?;
        let had_it = |link: &Link| link.entity == intent.entity && link.state == LinkState::Merged;
        Ok(known.first().is_none_or(had_it))
    }

    async fn judge(
        &self,
        mut intent: Intent,
        found: Option<Change>,
        started: Timestamp,
        settling: &mut Settling,
        sent: &mut Sent,
    ) -> Result<(), EngineError> {
        let Some(link) = settling.around.link_of(&intent).cloned() else {
            intent.state = IntentState::Dropped;
            "its record is not linked any more".clone_into(&mut intent.reason);
            settling.out.intents.push(intent);
            return Ok(());
        };
        if takes_away(&intent) {
            let is_there = matches!(found, Some(Change::Upsert(_)));
            return self
                .judge_delete(intent, link, is_there, settling, sent)
                .await;
        }
        let settled = intent
            .sent_at
            .max(link.written_at)
            .map(|at| at.plus(self.stream.caps.settle_ms.fetch()));
        match found {
            Some(Change::Upsert(record)) if settled.is_none_or(|moment| started >= moment) => {
                let read = Read {
                    kind: ReadKind::Fetch,
                    started,
                };
                return self
                    .settle(intent, link, &record, read, settling, sent)
                    .await;
            }
            // Too early: the next look decides.
            Some(Change::Upsert(_)) => intent.not_before = settled,
            Some(Change::Malformed { reason, .. }) => {
                intent.reason = reason;
                self.look_later(&mut intent);
            }
            Some(Change::Gone { absence, .. }) => {
                self.judge_absence(&mut intent, link, &absence, settling);
            }
            None => self.judge_absence(&mut intent, link, &Absence::Hidden, settling),
        }
        settling.out.intents.push(intent);
        Ok(())
    }

    /// A delete in doubt: the record is not there, or it still is when the
    /// request cannot arrive any more.
    async fn judge_delete(
        &self,
        mut intent: Intent,
        mut link: Link,
        is_there: bool,
        settling: &mut Settling,
        sent: &mut Sent,
    ) -> Result<(), EngineError> {
        let now = self.hub.clock.now();
        let out = &mut settling.out;
        if is_there && intent.deadline.is_some_and(|deadline| now < deadline) {
            intent.not_before = intent.deadline;
            out.intents.push(intent);
            return Ok(());
        }
        if is_there {
            intent.state = IntentState::Dropped;
            "it did not arrive".clone_into(&mut intent.reason);
        } else {
            sent.deleted += 1;
            intent.state = IntentState::Done;
            confirm::deleted(&mut link, now);
            let what = "deleted there, found by reading";
            out.events
                .push(self.hub.written(&intent, &link, what).await?);
            out.links.push(link);
        }
        if let Some(mut entity) = settling.entities.remove(&intent.entity) {
            entity.dirty = entity.state == EntityState::Live;
            out.entities.push(entity);
        }
        out.intents.push(intent);
        Ok(())
    }

    /// What is in doubt about a record that may only be hidden stays in doubt:
    /// seen again, it would be taken for a person's edit.
    fn judge_absence(
        &self,
        intent: &mut Intent,
        mut link: Link,
        found: &Absence,
        settling: &mut Settling,
    ) {
        let now = self.hub.clock.now();
        let mut judged = link.clone();
        let caps = &self.stream.caps;
        match absence::judge(&mut judged, found, Noticed::Fetched, caps, now) {
            Conclusion::Confirm { at } => {
                intent.not_before = Some(at);
                settling.out.links.push(judged);
            }
            Conclusion::Hidden => {
                "the record cannot be seen".clone_into(&mut intent.reason);
                self.look_later(intent);
                settling.out.links.push(judged);
            }
            // The next look at the link says what becomes of it.
            Conclusion::Gone | Conclusion::Merged(_) => {
                intent.state = IntentState::Dropped;
                "the record is gone".clone_into(&mut intent.reason);
                link.missing_since = judged.missing_since;
                link.again_at = Some(now);
                settling.out.links.push(link);
            }
        }
    }

    fn look_later(&self, intent: &mut Intent) {
        intent.attempts += 1;
        let wait = LOOK_AGAIN * (1 << intent.attempts.min(LOOK_LATER));
        intent.not_before = Some(self.hub.clock.now().plus(wait));
    }

    async fn settle(
        &self,
        mut intent: Intent,
        mut link: Link,
        record: &RemoteRecord,
        read: Read,
        settling: &mut Settling,
        sent: &mut Sent,
    ) -> Result<(), EngineError> {
        let Some(mut entity) = settling.entities.remove(&intent.entity) else {
            return Ok(());
        };
        let hub = self.hub;
        let held = settling.around.held(&entity.id);
        let keys = hub.keys_of(&entity);
        let (absorbed, next) = confirm::resolve(
            &mut intent,
            &mut link,
            &mut entity,
            record,
            read,
            &held,
            &self.scene(&settling.known),
        );
        match next {
            Next::Wait | Next::ReadBack => {
                let settle = self.stream.caps.settle_ms.fetch();
                intent.not_before = intent.deadline.map(|deadline| deadline.plus(settle));
            }
            Next::Closed if intent.action == IntentAction::Create => sent.created += 1,
            Next::Closed => sent.updated += 1,
            Next::Replay => {}
        }
        sent.conflicts += absorbed.conflicts.len() as u64;
        let out = &mut settling.out;
        let changed = !absorbed.changes.is_empty();
        if absorbed.debt || changed {
            entity.dirty = true;
            hub.rekey(&keys, &entity, out);
        }
        let what = changed.then_some("changed");
        hub.write_down(absorbed, &link, &entity, self.run, what, out)
            .await?;
        if next == Next::Closed {
            let what = "written there, found by reading";
            out.events.push(hub.written(&intent, &link, what).await?);
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
    async fn look_for(&self, mut intent: Intent, sent: &mut Sent) -> Result<(), Stopped> {
        let wanted = match &self.stream.caps.create_safe {
            Some(CreateSafe::Key) | None => {
                // The same intent sent again does not create again.
                intent.state = IntentState::New;
                "sent again under the same key".clone_into(&mut intent.reason);
                return Ok(self.keep(intent).await?);
            }
            Some(CreateSafe::UniqueField(field)) => match intent.payload.get(field) {
                Some(value) => Fields::from_iter([(field.clone(), value.clone())]),
                None => intent.payload.clone(),
            },
            Some(CreateSafe::Lookup) => intent.payload.clone(),
        };
        let started = self.hub.clock.now();
        let connector = &self.connection.connector;
        let found = connector
            .find(self.name(), &wanted, &self.stream.fields)
            .await;
        let found = match found {
            Ok(found) => self.unlinked(found).await?,
            Err(fault) => return self.wait_out(fault, intent.attempts).await,
        };
        match found.as_slice() {
            [record] => self.adopt(intent, record, started, sent).await,
            [] => Ok(self.not_found(intent).await?),
            several => Ok(self.ask_which(intent, several).await?),
        }
    }

    async fn not_found(&self, mut intent: Intent) -> Result<(), EngineError> {
        let now = self.hub.clock.now();
        let settle = self.stream.caps.settle_ms.find();
        let settled = intent.deadline.unwrap_or(now).plus(settle);
        if now < settled {
            intent.not_before = Some(settled);
        } else if intent.reason == NOT_FOUND_ONCE {
            intent.state = IntentState::New;
            "not found twice: sent again".clone_into(&mut intent.reason);
            intent.not_before = None;
        } else {
            NOT_FOUND_ONCE.clone_into(&mut intent.reason);
            intent.not_before = Some(now.plus(settle.max(LOOK_AGAIN)));
        }
        self.keep(intent).await
    }

    async fn keep(&self, intent: Intent) -> Result<(), EngineError> {
        let mut out = Changeset::durable();
        out.intents.push(intent);
        Ok(self.hub.store.commit(&out).await?)
    }

    /// Found records that are nobody's yet.
    async fn unlinked(&self, found: Vec<RemoteRecord>) -> Result<Vec<RemoteRecord>, EngineError> {
        let ids: Vec<RemoteId> = found.iter().map(|record| record.id.clone()).collect();
        let links = self.hub.store.links(self.id(), self.name(), &ids).await?;
        let is_linked =
            |record: &RemoteRecord| links.iter().any(|link| link.key.remote_id == record.id);
        Ok(found
            .into_iter()
            .filter(|record| !is_linked(record))
            .collect())
    }

    /// The record is the one that the create made: it is linked, and judged like
    /// any write in doubt.
    async fn adopt(
        &self,
        mut intent: Intent,
        record: &RemoteRecord,
        started: Timestamp,
        sent: &mut Sent,
    ) -> Result<(), Stopped> {
        let mut settling = self.settling(std::slice::from_ref(&intent)).await?;
        let answer = Applied {
            id: record.id.clone(),
            version: None,
            stored: None,
        };
        let link = confirm::new_link(&intent, &answer, &self.scene(&settling.known));
        intent.remote_id = Some(record.id.clone());
        let read = Read {
            kind: ReadKind::Find,
            started,
        };
        self.settle(intent, link, record, read, &mut settling, sent)
            .await?;
        Ok(self.hub.store.commit(&settling.out).await?)
    }

    async fn ask_which(
        &self,
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
                id: self.hub.numbers.next(&Sequence::Review).await?,
                link: self.key(&record.id),
                kind: intent.entity.kind.clone(),
                candidates: vec![intent.entity.clone()],
                reason: reason.clone(),
                values: record.fields.clone(),
                at: self.hub.clock.now(),
                verdict: None,
            });
        }
        intent.state = IntentState::Failed;
        intent.reason = reason;
        out.intents.push(intent);
        Ok(self.hub.store.commit(&out).await?)
    }

    /// When the next open intent of the stream may go on.
    pub async fn next_intent(&self) -> Result<Option<Timestamp>, EngineError> {
        let open = self.hub.store.intents(&self.open_intents()).await?;
        let moments = open
            .into_iter()
            .map(|i| i.not_before.unwrap_or(Timestamp::ZERO));
        Ok(moments.min())
    }
}

const NOT_FOUND_ONCE: &str = "looked for and not found once";
