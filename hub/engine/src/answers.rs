//! What the answers to writes mean: one transaction for the answers of a batch.

use concord_core::manifest::CreateSafe;
use concord_core::ports::Sequence;
use concord_core::record::{Applied, Change, Outcome};
use concord_core::state::{EntityState, Intent, IntentAction, IntentState};
use concord_core::{Changeset, Entity, Fault, FieldFault, FieldName, IntentId, Timestamp};
use concord_sync::absence::Noticed;
use concord_sync::confirm::{self, Next};
use concord_sync::emit;
use concord_sync::lens::Lens;
use concord_sync::observe::{Read, ReadKind};

use crate::deletes::takes_away;
use crate::error::EngineError;
use crate::outbox::{Job, Sender};
use crate::page::too_long;
use crate::pull::Stopped;
use crate::references::Known;

impl Sender<'_> {
    /// Takes one outcome per job.  `Stopped` where going on with the connection
    /// would only repeat a fault; all that came is written down even then.
    pub async fn take_outcomes(
        &mut self,
        jobs: Vec<Job>,
        outcomes: Vec<Outcome>,
        started: Timestamp,
    ) -> Result<(), Stopped> {
        let jobs = self.lane.hub.as_they_stand(jobs).await?;
        let entities: Vec<Entity> = jobs.iter().map(|job| job.entity.clone()).collect();
        let store = self.lane.hub.store.as_ref();
        let (connection, stream) = (self.lane.connection, self.lane.stream);
        let known = Known::of_entities(store, connection, stream, &entities).await?;
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
            let outcome = match outcome {
                Outcome::Applied(answer) if answer.id.is_too_long() => {
                    Outcome::Failed(Fault::bug(too_long(&answer.id)))
                }
                usual => usual,
            };
            match outcome {
                Outcome::Applied(_) if takes_away(&job.intent) => {
                    self.take_deleted(job, "deleted there", &mut out).await?;
                }
                Outcome::Failed(Fault::NotFound(_)) if takes_away(&job.intent) => {
                    self.take_deleted(job, "was gone there already", &mut out)
                        .await?;
                }
                // Another hub merged or deleted it while the write was under way.
                Outcome::Applied(_)
                    if self.lane.hub.options.sharing.is_some()
                        && job.entity.state != EntityState::Live =>
                {
                    let mut intent = job.intent;
                    intent.state = IntentState::InDoubt;
                    "its entity was merged or deleted meanwhile".clone_into(&mut intent.reason);
                    self.sent.in_doubt += 1;
                    out.intents.push(intent);
                }
                Outcome::Applied(answer) => {
                    self.take_applied(job, &answer, started, &known, &mut out)
                        .await?;
                }
                Outcome::Failed(fault) => {
                    if stops_connection(&fault) {
                        stop.get_or_insert_with(|| fault.clone());
                    }
                    if let Some(change) = self.take_fault(job, fault, &mut out).await? {
                        conflicted.push(change);
                    }
                }
            }
        }
        self.lane.hub.store.commit(&out).await?;
        if !conflicted.is_empty() {
            let (kind, noticed) = (ReadKind::Fetch, Noticed::Fetched);
            *self.read += self
                .lane
                .take_in(conflicted, kind, started, noticed)
                .await?;
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
        let hub = self.lane.hub;
        let scene = self.lane.scene(known);
        let old_key = link.as_ref().map(|link| link.key.clone());
        let mut link = link.unwrap_or_else(|| confirm::new_link(&intent, answer, &scene));
        let read = Read {
            kind: ReadKind::Fetch,
            started,
        };
        let keys = hub.keys_of(&entity);
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
        let what = changed.then_some("changed");
        hub.write_down(absorbed, &link, &entity, self.lane.run, what, out)
            .await?;
        out.events.push(hub.written(&intent, &link, written).await?);
        if let Some(old) = old_key
            && old != link.key
        {
            hub.note_move(&old, &link.key.remote_id).await?;
            out.links_removed.push(old);
        }
        if changed || (debt && next == Next::Closed && !entity.dirty) {
            entity.dirty = true;
            hub.rekey(&keys, &entity, out);
            out.entities.push(entity);
        }
        out.links.push(link);
        out.intents.push(intent);
        Ok(())
    }

    /// The record is gone, through us: no look at it says more.
    async fn take_deleted(
        &mut self,
        job: Job,
        what: &str,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let Job {
            mut intent,
            mut entity,
            link,
            ..
        } = job;
        self.sent.deleted += 1;
        intent.state = IntentState::Done;
        intent.reason.clear();
        if let Some(mut link) = link {
            confirm::deleted(&mut link, self.lane.hub.clock.now());
            let event = self.lane.hub.written(&intent, &link, what).await?;
            out.events.push(event);
            out.links.push(link);
        }
        entity.dirty = entity.state == EntityState::Live;
        out.entities.push(entity);
        out.intents.push(intent);
        Ok(())
    }

    /// What a fault of one op means for its intent.  Gives the current record
    /// where the answer carried it.
    async fn take_fault(
        &mut self,
        job: Job,
        fault: Fault,
        out: &mut Changeset,
    ) -> Result<Option<Change>, EngineError> {
        let Job {
            mut intent,
            mut entity,
            mut link,
            sent_before,
            ..
        } = job;
        let now = self.lane.hub.clock.now();
        let reason = fault.to_string();
        let mut current = None;
        entity.dirty = true;
        match fault {
            Fault::VersionConflict(record) if intent.seen.is_empty() => {
                self.sent.outdated += 1;
                intent.state = IntentState::Dropped;
                intent.reason = reason;
                if let Some(mut link) = link {
                    link.again_at = Some(now);
                    out.links.push(link);
                }
                out.entities.push(entity);
                current = record.map(|record| Change::Upsert(*record));
            }
            // What is sent once more to settle a doubt leaves the doubt where it
            // was when the record has moved on.
            Fault::VersionConflict(_) | Fault::UnknownOutcome(_) => {
                self.sent.in_doubt += 1;
                intent.state = IntentState::InDoubt;
                intent.reason = reason;
            }
            Fault::NotFound(_) => {
                self.sent.outdated += 1;
                intent.state = IntentState::Dropped;
                intent.reason = reason;
                if let Some(mut link) = link {
                    // A direct read decides what that means.
                    link.again_at = Some(now);
                    out.links.push(link);
                }
            }
            Fault::Invalid(faults) => {
                self.sent.refused += 1;
                let fields = self.canonical(&faults, &intent);
                let rest = self.rest_of_create(&intent, &fields).await?;
                confirm::refused(&mut intent, link.as_mut(), &fields, &reason, now);
                // An update goes on without the refused fields, and so does a
                // create where it can; else it is planned again when its
                // entity changes.
                if let Some(link) = link {
                    out.links.push(link);
                    out.entities.push(entity);
                }
                if let Some(rest) = rest {
                    out.intents.push(intent);
                    out.intents.push(rest);
                    return Ok(None);
                }
            }
            Fault::Bug(_) | Fault::WindowTooLarge(_) | Fault::CursorExpired(_) => {
                self.sent.refused += 1;
                let fields = self.canonical(&[], &intent);
                confirm::refused(&mut intent, link.as_mut(), &fields, &reason, now);
                out.links.extend(link);
            }
            Fault::RateLimited { until, .. } | Fault::Transient { until, .. } => {
                intent.state = IntentState::New;
                // This try did nothing; an earlier one may have arrived.
                intent.sent_at = sent_before;
                intent.not_before = until;
                intent.reason = reason;
            }
            Fault::AuthExpired(_) | Fault::AuthRevoked(_) | Fault::Forbidden(_) => {
                intent.state = IntentState::New;
                // This try did nothing; an earlier one may have arrived.
                intent.sent_at = sent_before;
                intent.reason = reason;
            }
        }
        out.intents.push(intent);
        Ok(current)
    }

    /// A refused create once more without the refused fields, where nothing is
    /// among them that makes the record what it is.  It has a number of its own,
    /// because what is sent under one number must not change.
    async fn rest_of_create(
        &self,
        refused: &Intent,
        fields: &[FieldName],
    ) -> Result<Option<Intent>, EngineError> {
        let stream = self.lane.stream;
        let is_needed = |name: &FieldName| {
            let lens = stream.mapping.lens(name.as_str());
            let unique = |lens: &Lens| match &stream.caps.create_safe {
                Some(CreateSafe::UniqueField(field)) => lens.remote_fields().contains(field),
                _ => false,
            };
            lens.is_some_and(unique)
                || (stream.mapping.create_requires.iter()).any(|required| required.field == *name)
        };
        if refused.action != IntentAction::Create || fields.iter().any(is_needed) {
            return Ok(None);
        }
        let mut rest = refused.clone();
        rest.values
            .retain(|name, _| fields.iter().all(|field| field.as_str() != name));
        if rest.values.is_empty() {
            return Ok(None);
        }
        rest.id = IntentId(self.lane.hub.numbers.next(&Sequence::Intent).await?);
        rest.state = IntentState::New;
        rest.payload.clear();
        rest.sent_at = None;
        rest.deadline = None;
        rest.attempts = 0;
        Ok(Some(rest))
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
            .filter_map(|name| self.lane.stream.mapping.lens(name));
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
}

/// Going on with this connection now would only repeat it.  A record that may
/// be written at a moment of its own keeps no other one waiting.
fn stops_connection(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::RateLimited { .. }
            | Fault::Transient { until: None, .. }
            | Fault::AuthExpired(_)
            | Fault::AuthRevoked(_)
            | Fault::Forbidden(_)
    )
}
