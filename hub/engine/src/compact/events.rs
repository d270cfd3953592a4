//! What happened to each record.

use concord_core::state::{EntityState, Event};
use concord_core::{Changeset, EntityId};
use concord_sync::retention::old_events;

use super::{PAGE, Work};
use crate::error::EngineError;
use crate::merge::MERGED_WITH;

impl Work<'_> {
    /// Removes old events behind this one; gives the last that was looked at.
    pub(super) async fn events(
        &mut self,
        after: Option<(EntityId, i64)>,
    ) -> Result<Option<(EntityId, i64)>, EngineError> {
        let Some(before) = self.retention.events.before(self.now) else {
            return Ok(None);
        };
        let store = self.hub.store.as_ref();
        let behind = after.as_ref().map(|(entity, id)| (entity, *id));
        let mut page = store.scan_events(behind, PAGE).await?;
        // The page may end in the middle of an entity's.
        if let Some(id) = page.last().map(|event| event.entity.clone()) {
            page.retain(|event| event.entity != id);
            page.extend(store.events(&id).await?);
        }
        let mut out = Changeset::default();
        for events in page.chunk_by(|a, b| a.entity == b.entity) {
            if events.iter().all(|event| event.at >= before) {
                continue;
            }
            let merge = self.standing_merge(events).await?;
            let entity = &events[0].entity;
            let old = old_events(events, before, merge);
            out.events_removed
                .extend(old.into_iter().map(|id| (entity.clone(), id)));
        }
        self.done.events += out.events_removed.len() as u64;
        self.commit(&out).await?;
        Ok(page.last().map(|last| (last.entity.clone(), last.id)))
    }

    /// The first event by which somebody became a part of this one who still is.
    async fn standing_merge<'e>(
        &self,
        events: &'e [Event],
    ) -> Result<Option<&'e Event>, EngineError> {
        for event in events {
            let name = event.what.strip_prefix(MERGED_WITH);
            let Some(ended) = name.and_then(|name| name.parse::<EntityId>().ok()) else {
                continue;
            };
            let ids = std::slice::from_ref(&ended);
            let found = self.hub.store.entities(ids).await?;
            let part_of = EntityState::MergedInto(event.entity.number);
            if found.iter().any(|entity| entity.state == part_of) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}
