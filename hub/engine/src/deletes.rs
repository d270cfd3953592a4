//! A delete at one system is carried to the others, where its connection asks
//! for that: planned when everything is read, looked at once more right before
//! it is sent, and turned down when anybody has changed the record since.

use concord_core::ports::{IntentFilter, Sequence};
use concord_core::record::Change;
use concord_core::state::{
    Conflict, ConflictKind, Entity, EntityState, Intent, IntentAction, IntentState, Link,
    LinkState, Origin, Winner,
};
use concord_core::{Changeset, EntityId, FieldName, RemoteId, RunId, Value};
use concord_sync::absence::Noticed;
use concord_sync::delete::{DeleteMode, changed_since, unsettled};
use concord_sync::emit::Debt;
use concord_sync::observe::ReadKind;

use crate::around::Around;
use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::outbox::Sender;
use crate::planner::Surroundings;
use crate::pull::Stopped;
use crate::references::Known;

/// What becomes of an entity that one system has deleted.
pub(crate) enum Fate<'a> {
    /// No system has, or none whose deletes are carried on.
    Lives,
    /// Somebody has changed these fields since.
    Contested(Vec<FieldName>),
    /// A write that is under way is waited for.
    Waits,
    /// These records are to go too.
    Follows(Vec<(&'a Connection, &'a Stream, &'a Link)>),
    /// All have gone that are to, or none is.
    Over,
}

impl Hub {
    pub(crate) fn fate<'a>(&'a self, entity: &Entity, around: &'a Surroundings) -> Fate<'a> {
        let links = around.around.links(&entity.id);
        if !links.iter().any(is_deleted) {
            return Fate::Lives;
        }
        if around.is_busy(&entity.id) {
            return Fate::Waits;
        }
        // Who deletes one of two records of a customer tidies up.
        let leaves = |link: &Link| is_deleted(link) && !links.iter().any(|l| is_twin(l, link));
        if !links.iter().any(leaves) {
            return Fate::Over;
        }
        let held = around.around.held(&entity.id);
        let known = Known::default();
        let now = self.clock.now();
        let mut mode = DeleteMode::Unlink;
        let mut changed = Vec::new();
        for link in links {
            let Some((connection, stream)) = self.place(&link.key.connection, &link.key.stream)
            else {
                continue;
            };
            let scene = self.scene(connection, stream, &known, now);
            match link.state {
                LinkState::Deleted if leaves(link) => {
                    changed.extend(changed_since(entity, link, &scene));
                    if mode != DeleteMode::Propagate {
                        mode = connection.ways.deletes;
                    }
                }
                LinkState::Live => changed.extend(unsettled(entity, link, &held, &scene)),
                _ => {}
            }
        }
        if !changed.is_empty() {
            changed.sort();
            changed.dedup();
            return Fate::Contested(changed);
        }
        let targets: Vec<_> = links
            .iter()
            .filter(|link| link.state == LinkState::Live)
            .filter_map(|link| {
                let (connection, stream) = self.place(&link.key.connection, &link.key.stream)?;
                let goes = mode.reaches(&stream.caps) && connection.approved();
                goes.then_some((connection, stream, link))
            })
            .collect();
        if targets.is_empty() {
            Fate::Over
        } else {
            Fate::Follows(targets)
        }
    }

    /// Turns a delete down: the entity lives on without the system that deleted
    /// it, and the conflict says why.
    pub(crate) async fn spare(
        &self,
        entity: &mut Entity,
        around: &Around,
        fields: &[FieldName],
        reason: &str,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        for link in around.links(&entity.id) {
            if link.state != LinkState::Deleted {
                continue;
            }
            let mut link = link.clone();
            link.state = LinkState::Gone;
            let values = fields
                .iter()
                .map(|field| (field.to_string(), entity.value(field.as_str()).clone()));
            let agreed = fields.iter().map(|field| {
                let sent = link.sent.get(field.as_str()).cloned().unwrap_or_default();
                (field.to_string(), sent)
            });
            out.conflicts.push(Conflict {
                id: self.numbers.next(&Sequence::Conflict).await?,
                kind: ConflictKind::Delete,
                entity: entity.id.clone(),
                // The whole record.
                field: FieldName::new(""),
                link: link.key.clone(),
                base: Value::Object(agreed.collect()),
                canonical: Value::Object(values.collect()),
                remote: Value::Null,
                rule: format!("delete: {reason}"),
                winner: Winner::Canonical,
                at: now,
                decision: None,
                provenance: None,
            });
            out.links.push(link);
        }
        entity.dirty = true;
        Ok(())
    }

    /// Every system has what the delete meant for it.
    pub(crate) async fn bury(
        &self,
        entity: &mut Entity,
        around: &Around,
        run: RunId,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let links = around.links(&entity.id);
        let mut is_anywhere = false;
        for link in links {
            match link.state {
                LinkState::Deleted => {
                    let mut link = link.clone();
                    link.state = LinkState::Gone;
                    out.links.push(link);
                }
                LinkState::Live
                | LinkState::Hidden
                | LinkState::OutOfScope
                | LinkState::Excluded => is_anywhere = true,
                LinkState::Gone | LinkState::Merged => {}
            }
        }
        if !is_anywhere {
            let deleted = links.iter().find(|link| link.state == LinkState::Deleted);
            let by = deleted.map_or_else(
                || Origin::Person(String::new()),
                |link| Origin::Connection(link.key.connection),
            );
            let mut event = self
                .decided(&entity.id, run, "", "deleted everywhere".into(), Vec::new())
                .await?;
            event.origin = by;
            out.events.push(event);
            out.keys_removed.extend(self.keys_of(entity));
            entity.state = EntityState::Deleted;
        }
        entity.dirty = !matches!(entity.state, EntityState::Deleted);
        Ok(())
    }
}

fn is_deleted(link: &Link) -> bool {
    link.state == LinkState::Deleted
}

/// The customer has this other record in the same stream, and it is not gone.
fn is_twin(other: &Link, link: &Link) -> bool {
    let is_place =
        other.key.connection == link.key.connection && other.key.stream == link.key.stream;
    let is_gone = matches!(
        other.state,
        LinkState::Gone | LinkState::Deleted | LinkState::Merged
    );
    is_place && !is_gone
}

/// A delete as a plan shows it.
pub(crate) fn debt() -> Debt {
    Debt {
        action: IntentAction::Delete,
        values: concord_core::Fields::new(),
        before: concord_core::Fields::new(),
        blocked: None,
        waits: false,
    }
}

/// Whether a write takes a record away.
pub(crate) fn takes_away(intent: &Intent) -> bool {
    matches!(intent.action, IntentAction::Delete | IntentAction::Withdraw)
}

impl Sender<'_> {
    /// Whatever a system can do, a record is read whole right before it is
    /// deleted.  Where it is not what the hub last saw, it stays.  Gives the
    /// intents that may go on.
    pub(crate) async fn look_before_deleting(
        &mut self,
        intents: Vec<Intent>,
    ) -> Result<Vec<Intent>, Stopped> {
        let (deletes, mut rest): (Vec<_>, Vec<_>) = intents.into_iter().partition(takes_away);
        let ids: Vec<RemoteId> = deletes.iter().filter_map(|i| i.remote_id.clone()).collect();
        if ids.is_empty() {
            rest.extend(deletes);
            return Ok(rest);
        }
        let started = self.lane.hub.clock.now();
        let found = self.lane.fetch(&ids).await?;
        let changed = self.changed_since(found).await?;
        let mut spared = Vec::new();
        for intent in deletes {
            let id = intent.remote_id.as_ref();
            match changed.iter().find(|change| change.id() == id) {
                None => rest.push(intent),
                Some(change) => spared.push((intent, change.clone())),
            }
        }
        if spared.is_empty() {
            return Ok(rest);
        }
        let ids: Vec<EntityId> = spared.iter().map(|(i, _)| i.entity.clone()).collect();
        let store = self.lane.hub.store.as_ref();
        let around = Around::load(store, &ids).await?;
        let mut out = Changeset::durable();
        let mut changes = Vec::new();
        for (intent, change) in spared {
            let why = match &change {
                Change::Upsert(_) => "the record was changed there since it was read",
                Change::Malformed { .. } => "the record there cannot be understood",
                Change::Gone { .. } => "the record is not there any more",
            };
            let is_there = !matches!(change, Change::Gone { .. });
            changes.push(change);
            self.call_off(intent, is_there, why, &around, &mut out)
                .await?;
        }
        store.commit(&out).await?;
        let (kind, noticed) = (ReadKind::Fetch, Noticed::Fetched);
        *self.read += self.lane.take_in(changes, kind, started, noticed).await?;
        Ok(rest)
    }

    /// The record is not what it was at the system, or is gone there already.
    async fn call_off(
        &mut self,
        mut intent: Intent,
        is_there: bool,
        why: &str,
        around: &Around,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let hub = self.lane.hub;
        self.sent.outdated += 1;
        intent.state = IntentState::Dropped;
        why.clone_into(&mut intent.reason);
        let ids = std::slice::from_ref(&intent.entity);
        if let Some(mut entity) = hub.store.entities(ids).await?.pop() {
            if is_there && intent.action == IntentAction::Delete {
                self.sent.conflicts += 1;
                hub.spare(&mut entity, around, &[], why, out).await?;
                self.call_off_others(&intent, out).await?;
            }
            entity.dirty = entity.state == EntityState::Live;
            out.entities.push(entity);
        }
        out.intents.push(intent);
        Ok(())
    }

    /// Who is spared at one system is spared at all, as far as the others have
    /// not been asked yet.
    async fn call_off_others(
        &self,
        spared: &Intent,
        out: &mut Changeset,
    ) -> Result<(), EngineError> {
        let filter = IntentFilter {
            entity: Some(spared.entity.clone()),
            open_only: true,
            state: Some(IntentState::New),
            ..IntentFilter::default()
        };
        for mut other in self.lane.hub.store.intents(&filter).await? {
            if other.id != spared.id && other.action == IntentAction::Delete {
                other.state = IntentState::Dropped;
                other.reason.clone_from(&spared.reason);
                out.intents.push(other);
            }
        }
        Ok(())
    }
}
