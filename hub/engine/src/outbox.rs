//! Sends what is written down as an intent, and takes the answers.
//!
//! An intent is durable as `sent` before the first byte leaves, so after a
//! crash it is known to be in doubt; its outcome is one transaction.

use std::collections::HashMap;

use concord_core::ports::IntentFilter;
use concord_core::record::{Action, Applied, Change, Op, Outcome};
use concord_core::state::{Entity, EntityState, Hold, Intent, IntentAction, IntentState, Link};
use concord_core::{Changeset, EntityId, Fault, FieldFault, FieldName, Fields, RunId, Timestamp};
use concord_sync::absence::Noticed;
use concord_sync::confirm::{self, Next};
use concord_sync::emit;
use concord_sync::observe::{Read, ReadKind};
use concord_sync::scene::Held;

use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::page::{PageCounts, PageOf};
use crate::progress::Progress;
use crate::pull::Stopped;
use crate::references::Known;

/// What sending came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sent {
    pub created: u64,
    pub updated: u64,
    pub refused: u64,
    pub outdated: u64,
    pub in_doubt: u64,
    pub conflicts: u64,
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.refused += other.refused;
        self.outdated += other.outdated;
        self.in_doubt += other.in_doubt;
        self.conflicts += other.conflicts;
    }
}

/// An intent with everything that it touches.
struct Job {
    intent: Intent,
    entity: Entity,
    link: Option<Link>,
    held: Held,
    payload: Fields,
}

/// One stream's sending within a run.
struct Sender<'a> {
    hub: &'a Hub,
    connection: &'a Connection,
    stream: &'a Stream,
    run: RunId,
    sent: Sent,
}

impl Hub {
    /// Sends all intents of a stream that may leave now.
    pub(crate) async fn send(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        counts: &mut PageCounts,
        sent: &mut Sent,
    ) -> Result<(), Stopped> {
        let mut after = None;
        loop {
            let filter = IntentFilter {
                connection: Some(connection.id()),
                stream: Some(stream.name.clone()),
                open_only: true,
                after,
                limit: stream.caps.batch_max.clamp(1, 500),
                ..IntentFilter::default()
            };
            let intents = self.store.intents(&filter).await?;
            let Some(last) = intents.last() else {
                return Ok(());
            };
            after = Some(last.id);
            let now = self.clock.now();
            let ready: Vec<Intent> = intents
                .into_iter()
                .filter(|i| i.state == IntentState::New && i.not_before.is_none_or(|t| t <= now))
                .collect();
            if ready.is_empty() {
                continue;
            }
            let mut sender = Sender {
                hub: self,
                connection,
                stream,
                run,
                sent: Sent::default(),
            };
            let result = sender.send_batch(ready, counts).await;
            *sent += sender.sent;
            result?;
            self.watch.tell(Progress::Sending {
                connection: connection.row.name.clone(),
                stream: stream.name.to_string(),
                written: sent.created + sent.updated,
            });
            self.extend_lease().await?;
        }
    }
}

impl Sender<'_> {
    async fn send_batch(
        &mut self,
        intents: Vec<Intent>,
        counts: &mut PageCounts,
    ) -> Result<(), Stopped> {
        if !self.stream.caps.etags {
            self.read_before(&intents, counts).await?;
        }
        let jobs = self.prepare(intents).await?;
        self.dispatch(jobs).await
    }

    /// Without conditional writes the record is read and compared right before
    /// it is written; what is found is absorbed first, so that an edit that the
    /// hub had not seen is not overwritten but decided.
    async fn read_before(
        &self,
        intents: &[Intent],
        counts: &mut PageCounts,
    ) -> Result<(), Stopped> {
        let ids: Vec<_> = intents
            .iter()
            .filter(|intent| intent.action == IntentAction::Update && intent.seen.is_empty())
            .filter_map(|intent| intent.remote_id.clone())
            .collect();
        for ids in ids.chunks(self.stream.caps.fetch_max.max(1) as usize) {
            let started = self.hub.clock.now();
            let found = self.hub.fetch(self.connection, self.stream, ids).await?;
            let changed = self.changed_since(found).await?;
            if changed.is_empty() {
                continue;
            }
            // The intents of these records are dropped, which lets the
            // observation in; emit plans anew.
            let ids: Vec<_> = changed.iter().filter_map(|c| c.id().cloned()).collect();
            let dropped = intents
                .iter()
                .filter(|i| i.remote_id.as_ref().is_some_and(|id| ids.contains(id)))
                .cloned();
            let mut out = Changeset::durable();
            for mut intent in dropped {
                intent.state = IntentState::Dropped;
                "the record was changed at the system since it was read"
                    .clone_into(&mut intent.reason);
                out.intents.push(intent);
            }
            let entities: Vec<EntityId> = out.intents.iter().map(|i| i.entity.clone()).collect();
            out.entities = self.dirty(&entities).await?;
            self.hub.store.commit(&out).await?;
            let mut out = Changeset::default();
            let of = PageOf {
                hub: self.hub,
                connection: self.connection,
                stream: self.stream,
                read: Read {
                    kind: ReadKind::Fetch,
                    started,
                },
                run: self.run,
                walk: None,
                noticed: Noticed::Fetched,
            };
            let mut found = of.absorb(changed, &mut out).await?;
            found.records = 0;
            *counts += found;
            self.hub.store.commit(&out).await?;
        }
        Ok(())
    }

    /// Records that do not look as the hub last saw them, in a mapped field.
    async fn changed_since(&self, found: Vec<Change>) -> Result<Vec<Change>, EngineError> {
        let ids: Vec<_> = found
            .iter()
            .filter_map(|change| change.id().cloned())
            .collect();
        let links = self
            .hub
            .store
            .links(self.connection.id(), &self.stream.name, &ids)
            .await?;
        let links: HashMap<_, _> = links
            .into_iter()
            .map(|l| (l.key.remote_id.clone(), l))
            .collect();
        Ok(found
            .into_iter()
            .filter(|change| match change {
                Change::Upsert(record) => links.get(&record.id).is_none_or(|link| {
                    link.raw.iter().any(|(name, value)| {
                        record.fields.get(name).is_some_and(|now| now != value)
                    })
                }),
                Change::Gone { .. } | Change::Malformed { .. } => true,
            })
            .collect())
    }

    async fn dirty(&self, ids: &[EntityId]) -> Result<Vec<Entity>, EngineError> {
        let mut entities = self.hub.store.entities(ids).await?;
        entities.retain(|entity| entity.state == EntityState::Live && !entity.dirty);
        for entity in &mut entities {
            entity.dirty = true;
        }
        Ok(entities)
    }

    /// Looks at each intent once more at the moment of sending: what is
    /// outdated or held is dropped unsent.
    async fn prepare(&mut self, intents: Vec<Intent>) -> Result<Vec<Job>, Stopped> {
        let store = self.hub.store.as_ref();
        let numbers: Vec<_> = intents.iter().map(|intent| intent.id).collect();
        let ids: Vec<EntityId> = intents.iter().map(|intent| intent.entity.clone()).collect();
        let entities = store.entities(&ids).await?;
        let known = Known::of_entities(store, self.connection, self.stream, &entities).await?;
        let mut entities: HashMap<_, _> = entities.into_iter().map(|e| (e.id.clone(), e)).collect();
        let mut links: HashMap<EntityId, Link> = HashMap::new();
        for link in store.links_of(&ids).await? {
            let here =
                link.key.connection == self.connection.id() && link.key.stream == self.stream.name;
            if here
                && (link.state == concord_core::state::LinkState::Live
                    || !links.contains_key(&link.entity))
            {
                links.insert(link.entity.clone(), link);
            }
        }
        let mut holds: HashMap<EntityId, Vec<Hold>> = HashMap::new();
        for hold in store.holds(&ids).await? {
            holds.entry(hold.entity.clone()).or_default().push(hold);
        }
        // Reading before writing may have dropped some of them.
        let still_new = self.still_new(&numbers).await?;
        let mut out = Changeset::durable();
        let mut jobs = Vec::new();
        let now = self.hub.clock.now();
        for mut intent in intents
            .into_iter()
            .filter(|intent| still_new.contains(&intent.id))
        {
            let Some(mut entity) = entities.remove(&intent.entity) else {
                continue;
            };
            let link = links.remove(&intent.entity);
            let held = Held::of(holds.get(&entity.id).map_or(&[][..], Vec::as_slice));
            let scene = self.hub.scene(self.connection, self.stream, &known, now);
            let gone = match intent.action {
                IntentAction::Create => link.is_some(),
                _ => link
                    .as_ref()
                    .is_none_or(|l| l.state != concord_core::state::LinkState::Live),
            };
            let replay = !intent.seen.is_empty();
            if gone
                || entity.state != EntityState::Live
                || (!replay && emit::is_outdated(&intent, &entity, &held, &scene))
            {
                self.sent.outdated += 1;
                intent.state = IntentState::Dropped;
                "outdated before it was sent".clone_into(&mut intent.reason);
                entity.dirty = entity.state == EntityState::Live;
                out.intents.push(intent);
                out.entities.push(entity);
                continue;
            }
            let raw = link
                .as_ref()
                .map(|link| &link.raw)
                .cloned()
                .unwrap_or_default();
            let composed = emit::compose(&intent.values, &raw, &entity, &scene);
            for (field, reason) in &composed.unfit {
                intent.values.remove(field.as_str());
                intent.reason.clone_from(reason);
            }
            if composed.fields.is_empty() || intent.values.is_empty() {
                self.agree_without_writing(intent, link, &composed.unfit, &mut out);
                continue;
            }
            if let Some(link) = &link
                && !replay
            {
                intent.base_version.clone_from(&link.version);
            }
            intent.state = IntentState::Sent;
            intent.sent_at = Some(now);
            intent.deadline = Some(now.plus(self.hub.options.request_timeout));
            intent.attempts += 1;
            intent.payload.clone_from(&composed.fields);
            out.intents.push(intent.clone());
            jobs.push(Job {
                intent,
                entity,
                link,
                held,
                payload: composed.fields,
            });
        }
        if !out.is_empty() {
            self.hub.store.commit(&out).await?;
        }
        Ok(jobs)
    }

    async fn still_new(
        &self,
        numbers: &[concord_core::IntentId],
    ) -> Result<std::collections::BTreeSet<concord_core::IntentId>, EngineError> {
        let Some(first) = numbers.iter().min() else {
            return Ok(Default::default());
        };
        let filter = IntentFilter {
            connection: Some(self.connection.id()),
            stream: Some(self.stream.name.clone()),
            open_only: true,
            after: Some(concord_core::IntentId(first.0 - 1)),
            limit: 1_000,
            ..IntentFilter::default()
        };
        let open = self.hub.store.intents(&filter).await?;
        Ok(open
            .into_iter()
            .filter(|i| i.state == IntentState::New && numbers.contains(&i.id))
            .map(|i| i.id)
            .collect())
    }

    /// The system holds these values already, or cannot take them at all.
    fn agree_without_writing(
        &mut self,
        mut intent: Intent,
        link: Option<Link>,
        unfit: &[(FieldName, String)],
        out: &mut Changeset,
    ) {
        if let Some(mut link) = link {
            for (name, value) in &intent.values {
                link.sent.insert(name.clone(), value.clone());
            }
            for (field, _) in unfit {
                if let Some(value) = intent.before.get(field.as_str()) {
                    link.refused.insert(field.to_string(), value.clone());
                }
            }
            out.links.push(link);
        }
        if unfit.is_empty() {
            intent.state = IntentState::Done;
            "the system held these values already".clone_into(&mut intent.reason);
        } else {
            self.sent.refused += 1;
            intent.state = IntentState::Failed;
        }
        out.intents.push(intent);
    }

    /// Sends jobs, halving a batch that is refused as a whole until the one
    /// that caused it stands alone.
    async fn dispatch(&mut self, jobs: Vec<Job>) -> Result<(), Stopped> {
        let mut batches = vec![jobs];
        while let Some(batch) = batches.pop() {
            if batch.is_empty() {
                continue;
            }
            let ops: Vec<Op> = batch.iter().map(op).collect();
            let started = self.hub.clock.now();
            match self
                .connection
                .connector
                .push(&self.stream.name, &ops)
                .await
            {
                Ok(outcomes) => self.take_outcomes(batch, outcomes, started).await?,
                Err(fault) if batch.len() > 1 && is_refusal(&fault) => {
                    let mut first = batch;
                    let second = first.split_off(first.len() / 2);
                    let now = self.hub.clock.now();
                    let deadline = Some(now.plus(self.hub.options.request_timeout));
                    let mut out = Changeset::durable();
                    for half in [second, first] {
                        let mut half = half;
                        for job in &mut half {
                            job.intent.deadline = deadline;
                            out.intents.push(job.intent.clone());
                        }
                        batches.push(half);
                    }
                    self.hub.store.commit(&out).await?;
                }
                Err(fault) => {
                    let outcomes = batch
                        .iter()
                        .map(|_| Outcome::Failed(fault.clone()))
                        .collect();
                    let rest: Vec<Job> = batches.drain(..).flatten().collect();
                    self.take_outcomes(batch, outcomes, started).await?;
                    if stops_connection(&fault) {
                        // Nothing of the rest has left.
                        self.put_back(rest, None).await?;
                        return Err(Stopped::Fault(fault));
                    }
                    batches.push(rest);
                }
            }
        }
        Ok(())
    }

    async fn put_back(&self, jobs: Vec<Job>, until: Option<Timestamp>) -> Result<(), EngineError> {
        let mut out = Changeset::durable();
        for mut job in jobs {
            job.intent.state = IntentState::New;
            job.intent.sent_at = None;
            job.intent.not_before = until;
            out.intents.push(job.intent);
        }
        if !out.is_empty() {
            self.hub.store.commit(&out).await?;
        }
        Ok(())
    }

    async fn take_outcomes(
        &mut self,
        jobs: Vec<Job>,
        outcomes: Vec<Outcome>,
        started: Timestamp,
    ) -> Result<(), Stopped> {
        let entities: Vec<Entity> = jobs.iter().map(|job| job.entity.clone()).collect();
        let store = self.hub.store.as_ref();
        let known = Known::of_entities(store, self.connection, self.stream, &entities).await?;
        let mut out = Changeset::durable();
        let mut conflicted = Vec::new();
        let mut stop = None;
        let mut outcomes = outcomes.into_iter();
        for job in jobs {
            // The host has checked that there is one outcome per op; were one
            // missing all the same, nobody would know what became of the write.
            let outcome = outcomes.next().unwrap_or_else(|| {
                Outcome::Failed(Fault::UnknownOutcome(
                    "the connector gave no outcome".into(),
                ))
            });
            match outcome {
                Outcome::Applied(answer) => {
                    self.take_applied(job, &answer, started, &known, &mut out)
                        .await?;
                }
                Outcome::Failed(fault) => {
                    if stops_connection(&fault) {
                        stop.get_or_insert_with(|| fault.clone());
                    }
                    if let Some(change) = self.take_fault(job, fault, &mut out) {
                        conflicted.push(change);
                    }
                }
            }
        }
        self.hub.store.commit(&out).await?;
        if !conflicted.is_empty() {
            self.absorb_current(conflicted, started).await?;
        }
        match stop {
            Some(fault) => Err(Stopped::Fault(fault)),
            None => Ok(()),
        }
    }

    async fn take_applied(
        &mut self,
        job: Job,
        answer: &Applied,
        started: Timestamp,
        known: &Known,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let Job {
            mut intent,
            mut entity,
            link,
            held,
            ..
        } = job;
        let scene = self
            .hub
            .scene(self.connection, self.stream, known, self.hub.clock.now());
        let old_key = link.as_ref().map(|link| link.key.clone());
        let mut link = link.unwrap_or_else(|| confirm::new_link(&intent, answer, &scene));
        let read = Read {
            kind: ReadKind::Fetch,
            started,
        };
        let keys = self.hub.keys_of(&entity);
        let (absorbed, next) = confirm::applied(
            &mut intent,
            &mut link,
            &mut entity,
            answer,
            read,
            &held,
            &scene,
        );
        match (next, intent.action) {
            (Next::Closed, IntentAction::Create) => self.sent.created += 1,
            (Next::Closed, _) => self.sent.updated += 1,
            _ => self.sent.in_doubt += 1,
        }
        self.sent.conflicts += absorbed.conflicts.len() as u64;
        let written = match intent.action {
            IntentAction::Create => "created there",
            _ => "written there",
        };
        let changed = !absorbed.changes.is_empty();
        let debt = absorbed.debt || emit::owed(&entity, &link, &scene).next().is_some();
        self.hub
            .write_down(
                absorbed,
                &link,
                &entity,
                self.run,
                changed.then_some("changed"),
                out,
            )
            .await?;
        out.events
            .push(self.hub.written(&intent, &link, written).await?);
        if let Some(old) = old_key
            && old != link.key
        {
            out.links_removed.push(old);
        }
        if changed || (debt && next == Next::Closed && !entity.dirty) {
            entity.dirty = true;
            let after = self.hub.keys_of(&entity);
            out.keys_removed
                .extend(keys.iter().filter(|k| !after.contains(k)).cloned());
            out.keys_added
                .extend(after.into_iter().filter(|k| !keys.contains(k)));
            out.entities.push(entity);
        }
        out.links.push(link);
        out.intents.push(intent);
        Ok(())
    }

    /// What a fault of one op means for its intent.  Gives the current record
    /// where the answer carried it.
    fn take_fault(&mut self, job: Job, fault: Fault, out: &mut Changeset) -> Option<Change> {
        let Job {
            mut intent,
            mut entity,
            mut link,
            ..
        } = job;
        let reason = fault.to_string();
        let mut current = None;
        entity.dirty = true;
        match fault {
            Fault::UnknownOutcome(_) => {
                self.sent.in_doubt += 1;
                intent.state = IntentState::InDoubt;
                intent.reason = reason;
            }
            Fault::VersionConflict(record) => {
                self.sent.outdated += 1;
                intent.state = IntentState::Dropped;
                intent.reason = reason;
                if let Some(link) = &mut link {
                    link.again_at = Some(self.hub.clock.now());
                    out.links.push(link.clone());
                }
                out.entities.push(entity);
                current = record.map(|record| Change::Upsert(*record));
            }
            Fault::NotFound(_) => {
                self.sent.outdated += 1;
                intent.state = IntentState::Dropped;
                intent.reason = reason;
                if let Some(link) = &mut link {
                    // A direct read decides what that means.
                    link.again_at = Some(self.hub.clock.now());
                    out.links.push(link.clone());
                }
            }
            Fault::Invalid(faults) => {
                self.sent.refused += 1;
                let fields = self.canonical(&faults, &intent);
                confirm::refused(&mut intent, link.as_mut(), &fields, &reason);
                // A create that was refused is planned again when its entity
                // changes; an update goes on without the refused fields.
                if let Some(link) = link {
                    out.links.push(link);
                    out.entities.push(entity);
                }
            }
            Fault::Bug(_) | Fault::WindowTooLarge(_) | Fault::CursorExpired(_) => {
                self.sent.refused += 1;
                let fields = self.canonical(&[], &intent);
                confirm::refused(&mut intent, link.as_mut(), &fields, &reason);
                out.links.extend(link);
            }
            Fault::RateLimited { until, .. } | Fault::Transient { until, .. } => {
                intent.state = IntentState::New;
                intent.sent_at = None;
                intent.not_before = until;
                intent.reason = reason;
            }
            Fault::AuthExpired(_) | Fault::AuthRevoked(_) | Fault::Forbidden(_) => {
                intent.state = IntentState::New;
                intent.sent_at = None;
                intent.reason = reason;
            }
        }
        out.intents.push(intent);
        current
    }

    /// The canonical fields of an intent whose remote fields were refused; all
    /// of them where the system does not say which.
    fn canonical(&self, faults: &[FieldFault], intent: &Intent) -> Vec<FieldName> {
        let named: Vec<&str> = faults
            .iter()
            .map(|fault| fault.field.as_str())
            .filter(|name| !name.is_empty())
            .collect();
        let lenses = intent
            .values
            .keys()
            .filter_map(|name| self.stream.mapping.lens(name));
        let hit: Vec<FieldName> = lenses
            .clone()
            .filter(|lens| {
                lens.remote_fields()
                    .iter()
                    .any(|f| named.contains(&f.as_str()))
            })
            .map(|lens| lens.field.clone())
            .collect();
        if hit.is_empty() {
            lenses.map(|lens| lens.field.clone()).collect()
        } else {
            hit
        }
    }

    async fn absorb_current(
        &self,
        changes: Vec<Change>,
        started: Timestamp,
    ) -> Result<(), EngineError> {
        let mut out = Changeset::default();
        let of = PageOf {
            hub: self.hub,
            connection: self.connection,
            stream: self.stream,
            read: Read {
                kind: ReadKind::Fetch,
                started,
            },
            run: self.run,
            walk: None,
            noticed: Noticed::Fetched,
        };
        of.absorb(changes, &mut out).await?;
        Ok(self.hub.store.commit(&out).await?)
    }
}

fn op(job: &Job) -> Op {
    let intent = &job.intent;
    let action = match (&intent.action, &intent.remote_id) {
        (IntentAction::Update, Some(id)) => Action::Update(id.clone()),
        (IntentAction::Delete, Some(id)) => Action::Delete(id.clone()),
        _ => Action::Create,
    };
    Op {
        intent: intent.id.to_string(),
        action,
        base_version: intent.base_version.clone(),
        fields: job.payload.clone(),
    }
}

/// The system refused the batch and did nothing of it.
fn is_refusal(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Invalid(_) | Fault::VersionConflict(_) | Fault::NotFound(_) | Fault::Bug(_)
    )
}

/// Going on with this connection now would only repeat it.
fn stops_connection(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::RateLimited { .. }
            | Fault::Transient { .. }
            | Fault::AuthExpired(_)
            | Fault::AuthRevoked(_)
            | Fault::Forbidden(_)
    )
}

impl Hub {
    /// The event of a write of ours.
    pub(crate) async fn written(
        &self,
        intent: &Intent,
        link: &Link,
        what: &str,
    ) -> Result<concord_core::state::Event, EngineError> {
        let changes = intent
            .values
            .iter()
            .map(|(name, value)| {
                let before = intent.before.get(name).cloned().unwrap_or_default();
                (FieldName::new(name), before, value.clone())
            })
            .collect();
        Ok(concord_core::state::Event {
            id: self
                .numbers
                .next(&concord_core::ports::Sequence::Event)
                .await?,
            entity: intent.entity.clone(),
            at: self.clock.now(),
            run: intent.run,
            origin: concord_core::state::Origin::Connection(intent.connection),
            what: what.to_owned(),
            changes,
            link: Some(link.key.clone()),
        })
    }
}
