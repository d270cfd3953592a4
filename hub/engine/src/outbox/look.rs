//! Looks at records right before they are written, where a system has no
//! conditional writes.

use std::collections::{BTreeSet, HashMap};

use concord_core::record::Change;
use concord_core::state::{EntityState, Intent, IntentState, Link};
use concord_core::{Changeset, EntityId, Fields, RemoteId};
use concord_sync::absence::Noticed;
use concord_sync::doubt;
use concord_sync::observe::ReadKind;

use super::{Sender, is_update};
use crate::before::is_empty;
use crate::error::EngineError;
use crate::pull::Stopped;
use crate::references::Known;

impl Sender<'_> {
    /// Without conditional writes the record is read and compared right before
    /// it is written; what is found is absorbed first, so that an edit that the
    /// hub had not seen is not overwritten but decided.  Gives the intents whose
    /// records look as they did.
    pub(super) async fn read_before(
        &mut self,
        intents: Vec<Intent>,
    ) -> Result<Vec<Intent>, Stopped> {
        let ids: Vec<RemoteId> = intents
            .iter()
            .filter(|intent| is_update(intent) && intent.seen.is_empty())
            .filter_map(|intent| intent.remote_id.clone())
            .collect();
        let hub = self.lane.hub;
        let started = hub.clock.now();
        let found = self.lane.fetch(&ids).await?;
        let changed = self.changed_since(found).await?;
        if changed.is_empty() {
            return Ok(intents);
        }
        let moved: BTreeSet<&RemoteId> = changed.iter().filter_map(Change::id).collect();
        let (dropped, kept): (Vec<_>, Vec<_>) = intents
            .into_iter()
            .partition(|i| i.remote_id.as_ref().is_some_and(|id| moved.contains(id)));
        let mut out = Changeset::durable();
        // Without its intent the observation is let in, and emit plans anew.
        let ids: Vec<EntityId> = dropped.iter().map(|intent| intent.entity.clone()).collect();
        for mut entity in hub.store.entities(&ids).await? {
            entity.dirty = entity.state == EntityState::Live;
            out.entities.push(entity);
        }
        out.intents.extend(dropped.into_iter().map(|mut intent| {
            intent.state = IntentState::Dropped;
            "the record was changed at the system since it was read".clone_into(&mut intent.reason);
            intent
        }));
        hub.store.commit(&out).await?;
        *self.read += self
            .lane
            .take_in(changed, ReadKind::Fetch, started, Noticed::Fetched)
            .await?;
        Ok(kept)
    }

    /// Records that do not look as the hub last saw them, in a mapped field.
    pub(crate) async fn changed_since(
        &self,
        found: Vec<Change>,
    ) -> Result<Vec<Change>, EngineError> {
        let ids: Vec<_> = found.iter().filter_map(|c| c.id().cloned()).collect();
        let store = &self.lane.hub.store;
        let links = store.links(self.lane.id(), self.lane.name(), &ids).await?;
        let links: HashMap<_, _> = links
            .into_iter()
            .map(|link| (link.key.remote_id.clone(), link))
            .collect();
        let mapped = self.lane.stream.mapping.remote_fields();
        let looks_other = |link: &Link, fields: &Fields| {
            mapped
                .iter()
                .any(|name| match (link.last_seen(name), fields.get(name)) {
                    (Some(known), Some(now)) => known != now,
                    // Never read: it was empty, or nobody would write there.
                    (None, Some(now)) => !is_empty(now),
                    (_, None) => false,
                })
        };
        let changed = found.into_iter().filter(|change| match change {
            Change::Upsert(record) => match links.get(&record.id) {
                Some(link) => looks_other(link, &record.fields),
                None => true,
            },
            Change::Gone { .. } | Change::Malformed { .. } => true,
        });
        Ok(changed.collect())
    }

    /// What is sent once more to settle a doubt would write over what somebody
    /// has put there since it was found.  Such a doubt is looked at anew.
    pub(super) async fn look_before_sending_again(
        &self,
        intents: Vec<Intent>,
    ) -> Result<Vec<Intent>, Stopped> {
        let lane = self.lane;
        let again = |intent: &&Intent| is_update(intent) && !intent.seen.is_empty();
        let ids: Vec<RemoteId> = intents
            .iter()
            .filter(again)
            .filter_map(|intent| intent.remote_id.clone())
            .collect();
        if ids.is_empty() {
            return Ok(intents);
        }
        let found = lane.fetch(&ids).await?;
        let ids: Vec<EntityId> = intents
            .iter()
            .filter(again)
            .map(|intent| intent.entity.clone())
            .collect();
        let store = lane.hub.store.as_ref();
        let entities = store.entities(&ids).await?;
        let known = Known::of_entities(store, lane.connection, lane.stream, &entities).await?;
        let scene = lane.scene(&known);
        let is_as_seen = |intent: &Intent| {
            let entity = entities.iter().find(|entity| entity.id == intent.entity);
            let record = found.iter().find_map(|change| match change {
                Change::Upsert(record) if Some(&record.id) == intent.remote_id.as_ref() => {
                    Some(record)
                }
                _ => None,
            });
            let both = entity.zip(record);
            both.is_some_and(|(entity, record)| doubt::is_as_seen(intent, record, entity, &scene))
        };
        let (moved, kept): (Vec<_>, Vec<_>) = intents
            .into_iter()
            .partition(|intent| again(&intent) && !is_as_seen(intent));
        let mut out = Changeset::durable();
        out.intents.extend(moved.into_iter().map(|mut intent| {
            intent.state = IntentState::InDoubt;
            intent.not_before = None;
            // Nothing that is found from here on is an answer to it.
            intent.deadline = Some(lane.hub.clock.now());
            "the record was changed before it was sent once more".clone_into(&mut intent.reason);
            intent
        }));
        if !out.is_empty() {
            store.commit(&out).await?;
        }
        Ok(kept)
    }
}
