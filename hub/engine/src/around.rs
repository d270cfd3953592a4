//! What stands around some entities: their links and what is held of them, read
//! in one statement each.

use std::collections::HashMap;

use concord_core::ports::{Store, StoreError};
use concord_core::state::{Hold, Intent, Link, LinkState};
use concord_core::{ConnectionId, EntityId, StreamName};
use concord_sync::scene::Held;

pub(crate) struct Around {
    links: HashMap<EntityId, Vec<Link>>,
    holds: HashMap<EntityId, Vec<Hold>>,
}

impl Around {
    pub async fn load(store: &dyn Store, ids: &[EntityId]) -> Result<Self, StoreError> {
        let mut links: HashMap<EntityId, Vec<Link>> = HashMap::new();
        for link in store.links_of(ids).await? {
            links.entry(link.entity.clone()).or_default().push(link);
        }
        let mut holds: HashMap<EntityId, Vec<Hold>> = HashMap::new();
        for hold in store.holds(ids).await? {
            holds.entry(hold.entity.clone()).or_default().push(hold);
        }
        Ok(Self { links, holds })
    }

    pub fn links(&self, entity: &EntityId) -> &[Link] {
        self.links.get(entity).map_or(&[], Vec::as_slice)
    }

    pub fn held(&self, entity: &EntityId) -> Held {
        Held::of(self.holds.get(entity).map_or(&[], Vec::as_slice))
    }

    /// The links in one stream that are to be written to: the live ones, of
    /// which a merged entity may have several.  Where there is none, one of any
    /// other state, which only says that the place is taken; or nothing at all.
    pub fn to_write(
        &self,
        entity: &EntityId,
        (connection, stream): &(ConnectionId, StreamName),
    ) -> Vec<Option<&Link>> {
        let here = |link: &&Link| link.key.connection == *connection && link.key.stream == *stream;
        let links = || self.links(entity).iter().filter(here);
        let live: Vec<_> = links()
            .filter(|link| link.state == LinkState::Live)
            .map(Some)
            .collect();
        if live.is_empty() {
            return vec![links().next()];
        }
        live
    }

    /// The link that an intent writes to; for a create, whichever took its place.
    pub fn link_of(&self, intent: &Intent) -> Option<&Link> {
        let here = |link: &&Link| {
            link.key.connection == intent.connection && link.key.stream == intent.stream
        };
        let mut links = self.links(&intent.entity).iter().filter(here);
        match &intent.remote_id {
            Some(id) => links.find(|link| link.key.remote_id == *id),
            None => links.next(),
        }
    }
}
