//! Sends what is written down as an intent, and takes the answers.
//!
//! An intent is durable as `sent` before the first byte leaves, so after a
//! crash it is known to be in doubt; its outcome is one transaction.

mod look;

use std::collections::HashMap;

use concord_core::manifest::{self, CreateSafe};
use concord_core::ports::IntentFilter;
use concord_core::record::{Action, Op, Outcome};
use concord_core::state::{
    Entity, EntityState, Intent, IntentAction, IntentState, Link, LinkState,
};
use concord_core::{Changeset, EntityId, Fault, FieldName, Timestamp};
use concord_sync::scene::{Held, Scene};
use concord_sync::{confirm, emit, undo};

use crate::around::Around;
use crate::deletes::takes_away;
use crate::error::EngineError;
use crate::lane::Lane;
use crate::page::PageCounts;
use crate::progress::Progress;
use crate::pull::Stopped;
use crate::references::Known;

/// What sending came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sent {
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
    pub refused: u64,
    pub outdated: u64,
    pub in_doubt: u64,
    pub conflicts: u64,
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.refused += other.refused;
        self.outdated += other.outdated;
        self.in_doubt += other.in_doubt;
        self.conflicts += other.conflicts;
    }
}

/// An intent that is on its way, with everything that it touches.
pub(crate) struct Job {
    pub intent: Intent,
    /// When it left in an earlier try whose answer is missing.
    pub sent_before: Option<Timestamp>,
    pub entity: Entity,
    pub link: Option<Link>,
    pub held: Held,
}

/// One stream's sending within a run.
pub(crate) struct Sender<'a> {
    pub lane: Lane<'a>,
    pub sent: &'a mut Sent,
    pub read: &'a mut PageCounts,
}

impl Lane<'_> {
    /// Sends all intents of the stream that may leave now.
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "send", skip_all)]
    pub async fn send(&self, read: &mut PageCounts, sent: &mut Sent) -> Result<(), Stopped> {
        let mut sender = Sender {
            lane: *self,
            sent,
            read,
        };
        let mut after = None;
        loop {
            let filter = IntentFilter {
                after,
                state: Some(IntentState::New),
                limit: self.stream.caps.batch_max.clamp(1, 500),
                ..self.open_intents()
            };
            let intents = self.hub.store.intents(&filter).await?;
            let Some(last) = intents.last() else {
                return Ok(());
            };
            after = Some(last.id);
            let now = self.hub.clock.now();
            let ready: Vec<Intent> = intents
                .into_iter()
                .filter(|i| i.not_before.is_none_or(|t| t <= now))
                .collect();
            if ready.is_empty() {
                continue;
            }
            sender.send_batch(ready).await?;
            self.hub.watch.tell(Progress::Sending {
                connection: self.connection.row.name.clone(),
                stream: self.name().to_string(),
                written: sender.sent.created + sender.sent.updated + sender.sent.deleted,
            });
            self.hub.extend_lease().await?;
        }
    }

    /// All open intents of the stream, for a look-up to narrow.
    pub fn open_intents(&self) -> IntentFilter {
        IntentFilter {
            connection: Some(self.id()),
            stream: Some(self.name().clone()),
            open_only: true,
            limit: 10_000,
            ..IntentFilter::default()
        }
    }
}

impl Sender<'_> {
    async fn send_batch(&mut self, mut intents: Vec<Intent>) -> Result<(), Stopped> {
        if !self.lane.stream.caps.etags {
            intents = self.read_before(intents).await?;
            intents = self.look_before_sending_again(intents).await?;
        }
        let intents = self.look_before_deleting(intents).await?;
        let intents = self.lane.hub.still_open(intents).await?;
        let jobs = self.prepare(intents).await?;
        self.dispatch(jobs).await
    }

    /// Looks at each intent once more at the moment of sending: what is
    /// outdated or held is dropped unsent.
    async fn prepare(&mut self, intents: Vec<Intent>) -> Result<Vec<Job>, Stopped> {
        let lane = self.lane;
        let store = lane.hub.store.as_ref();
        let ids: Vec<EntityId> = intents.iter().map(|intent| intent.entity.clone()).collect();
        let entities = store.entities(&ids).await?;
        let known = Known::of_entities(store, lane.connection, lane.stream, &entities).await?;
        let mut entities: HashMap<_, _> = entities.into_iter().map(|e| (e.id.clone(), e)).collect();
        let around = Around::load(store, &ids).await?;
        let mut out = Changeset::durable();
        let mut jobs = Vec::new();
        for mut intent in intents {
            let Some(mut entity) = entities.remove(&intent.entity) else {
                continue;
            };
            let link = around.link_of(&intent).cloned();
            let held = around.held(&entity.id);
            if is_sent_again(&intent, &lane.stream.caps) && confirm::is_held(&intent, &held) {
                // It may have arrived, so it is not forgotten; and it may not,
                // so it is not written while its values are held.
                intent.state = IntentState::InDoubt;
                intent.not_before = Some(lane.hub.clock.now().plus(lane.hub.options.longest_wait));
                "waits for a person's decision".clone_into(&mut intent.reason);
                out.intents.push(intent);
                continue;
            }
            if confirm::withdraw_held(&mut intent, &held) {
                out.intents.push(intent);
                continue;
            }
            let is_orphan = intent.action == IntentAction::Delete
                && !around
                    .links(&entity.id)
                    .iter()
                    .any(|link| link.state == LinkState::Deleted);
            let scene = lane.scene(&known);
            // Since it was planned, something was seen that is not known yet, or
            // nobody can read the record.  Without versions it has just been looked
            // at, which tells where direct reads show everything at once.
            let caps = &lane.stream.caps;
            let is_looked_at = !caps.etags && caps.settle_ms.fetch().is_zero();
            let waits = is_update(&intent)
                && intent.seen.is_empty()
                && !is_looked_at
                && link
                    .as_ref()
                    .is_some_and(|link| emit::waits_to_be_read(link, caps));
            if is_orphan || waits || is_moot(&intent, &entity, link.as_ref(), &held, &scene) {
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
                .map(|link| link.raw.clone())
                .unwrap_or_default();
            let composed = emit::compose(&intent.values, &raw, &entity, &scene);
            if composed.fields.is_empty() && !takes_away(&intent) {
                self.close_unsent(intent, link, &composed.unfit, &mut out);
                continue;
            }
            for (field, reason) in &composed.unfit {
                intent.values.remove(field.as_str());
                intent.reason.clone_from(reason);
            }
            if let Some(link) = &link
                && intent.seen.is_empty()
            {
                intent.base_version.clone_from(&link.version);
            }
            let now = lane.hub.clock.now();
            let sent_before = intent.sent_at;
            intent.state = IntentState::Sent;
            intent.sent_at = Some(now);
            intent.deadline = Some(now.plus(lane.hub.options.request_timeout));
            intent.attempts += 1;
            intent.payload = composed.fields;
            out.intents.push(intent.clone());
            jobs.push(Job {
                intent,
                sent_before,
                entity,
                link,
                held,
            });
        }
        if !out.is_empty() {
            store.commit(&out).await?;
        }
        Ok(jobs)
    }

    /// There is nothing to send: the system holds these values already, or
    /// cannot take them at all.
    fn close_unsent(
        &mut self,
        mut intent: Intent,
        link: Option<Link>,
        unfit: &[(FieldName, String)],
        out: &mut Changeset,
    ) {
        if let Some(mut link) = link {
            for (name, value) in &intent.values {
                let cannot = unfit.iter().any(|(field, _)| field.as_str() == name);
                let kept = if cannot {
                    &mut link.refused
                } else {
                    &mut link.sent
                };
                kept.insert(name.clone(), value.clone());
            }
            out.links.push(link);
        }
        match unfit.first() {
            None => {
                intent.state = IntentState::Done;
                "the system held these values already".clone_into(&mut intent.reason);
            }
            Some((_, reason)) => {
                self.sent.refused += 1;
                intent.state = IntentState::Failed;
                intent.reason.clone_from(reason);
            }
        }
        out.intents.push(intent);
    }

    /// Sends jobs, halving a batch that is refused as a whole until the one
    /// that caused it stands alone.
    async fn dispatch(&mut self, jobs: Vec<Job>) -> Result<(), Stopped> {
        let connector = &self.lane.connection.connector;
        let mut batches = vec![jobs];
        let mut tries = 0;
        while let Some(batch) = batches.pop() {
            if batch.is_empty() {
                continue;
            }
            let ops: Vec<Op> = batch.iter().map(op).collect();
            let hub = self.lane.hub;
            let allowed = hub.may_write().await;
            // The last step before the bytes leave: a request must not arrive when
            // another hub has taken over.
            hub.lease_for(hub.options.request_timeout).await?;
            if let Err(stopped) = allowed {
                batches.push(batch);
                self.put_back(batches.into_iter().flatten().collect())
                    .await?;
                return Err(stopped.into());
            }
            let started = hub.clock.now();
            match connector.push(self.lane.name(), &ops).await {
                Ok(outcomes) => self.take_outcomes(batch, outcomes, started).await?,
                Err(fault) if batch.len() > 1 && is_refusal(&fault) => {
                    let mut first = batch;
                    let second = first.split_off(first.len() / 2);
                    batches.push(self.still_sent(second).await?);
                    batches.push(self.still_sent(first).await?);
                }
                Err(fault) if is_passing(&fault) && self.wait(fault.clone(), tries).await? => {
                    tries += 1;
                    batches.push(self.still_sent(batch).await?);
                }
                Err(fault) => {
                    let outcomes = vec![Outcome::Failed(fault.clone()); batch.len()];
                    let mut stopped = self.take_outcomes(batch, outcomes, started).await;
                    // A call that has to wait as a whole speaks for the system.
                    if matches!(fault, Fault::Transient { .. }) {
                        stopped = stopped.and(Err(Stopped::Fault(fault)));
                    }
                    if stopped.is_err() {
                        // Nothing of the rest has left.
                        self.put_back(batches.drain(..).flatten().collect()).await?;
                    }
                    stopped?;
                }
            }
        }
        Ok(())
    }

    /// Waits out a failure of a whole call, of which nothing was done; says
    /// whether it is worth another try.
    async fn wait(&self, fault: Fault, tries: u32) -> Result<bool, EngineError> {
        let waited = self.lane.wait_out(fault, tries + 1).await.is_ok();
        self.lane.hub.extend_lease().await?;
        Ok(waited)
    }

    /// Half of a refused batch leaves again, so its deadline begins anew.
    async fn still_sent(&self, mut jobs: Vec<Job>) -> Result<Vec<Job>, EngineError> {
        let hub = self.lane.hub;
        let deadline = hub.clock.now().plus(hub.options.request_timeout);
        let mut out = Changeset::durable();
        for job in &mut jobs {
            job.intent.deadline = Some(deadline);
            out.intents.push(job.intent.clone());
        }
        hub.store.commit(&out).await?;
        Ok(jobs)
    }

    async fn put_back(&self, jobs: Vec<Job>) -> Result<(), EngineError> {
        let mut out = Changeset::durable();
        out.intents.extend(jobs.into_iter().map(|mut job| {
            job.intent.state = IntentState::New;
            // An earlier try may have arrived, whatever becomes of this one.
            job.intent.sent_at = job.sent_before;
            job.intent
        }));
        Ok(self.lane.hub.store.commit(&out).await?)
    }
}

/// There is nothing to write any more: the record came or went meanwhile, or
/// something else is wanted now.
fn is_moot(
    intent: &Intent,
    entity: &Entity,
    link: Option<&Link>,
    held: &Held,
    scene: &Scene<'_>,
) -> bool {
    let misplaced = match intent.action {
        IntentAction::Create => link.is_some(),
        _ => link.is_none_or(|link| link.state != LinkState::Live),
    };
    // What is sent once more to settle a doubt goes out unchanged, and so does
    // what an undo brings back.
    let settles_doubt = !intent.seen.is_empty()
        || intent.action == IntentAction::Restore
        || is_sent_again(intent, scene.stream);
    let overtaken = intent.action == IntentAction::Restore
        && intent.seen.is_empty()
        && link.is_some_and(|link| undo::is_overtaken(intent, entity, link, held, scene));
    misplaced
        || overtaken
        || entity.state != EntityState::Live
        || (!settles_doubt && emit::is_outdated(intent, entity, held, scene))
}

fn is_update(intent: &Intent) -> bool {
    matches!(intent.action, IntentAction::Update | IntentAction::Restore)
}

/// A create whose answer is missing goes out once more under its key, whatever is
/// wanted by now: dropped, the record that it may have made would be made again.
fn is_sent_again(intent: &Intent, stream: &manifest::Stream) -> bool {
    let by_key = matches!(stream.create_safe, Some(CreateSafe::Key) | None);
    by_key && intent.action == IntentAction::Create && intent.sent_at.is_some()
}

fn op(job: &Job) -> Op {
    let intent = &job.intent;
    let action = match (&intent.action, &intent.remote_id) {
        (IntentAction::Update | IntentAction::Restore, Some(id)) => Action::Update(id.clone()),
        (IntentAction::Delete | IntentAction::Withdraw, Some(id)) => Action::Delete(id.clone()),
        _ => Action::Create,
    };
    Op {
        intent: intent.id.to_string(),
        action,
        base_version: intent.base_version.clone(),
        fields: intent.payload.clone(),
    }
}

/// Nothing was done of the call, and a later one may pass.
fn is_passing(fault: &Fault) -> bool {
    matches!(fault, Fault::RateLimited { .. } | Fault::Transient { .. })
}

/// The system refused the batch and did nothing of it.
fn is_refusal(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Invalid(_) | Fault::VersionConflict(_) | Fault::NotFound(_) | Fault::Bug(_)
    )
}
