//! What stands around some entities: their links and what is held of them, read
//! in one statement each.

use std::collections::HashMap;

use concord_core::ports::{Store, StoreError};
use concord_core::state::{Hold, Link, LinkState};
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

    /// The link in one stream.  A live one is the one to write to; any other
    /// only says that the place is taken.
    pub fn link(
        &self,
        entity: &EntityId,
        connection: ConnectionId,
        stream: &StreamName,
    ) -> Option<&Link> {
        let here = |link: &&Link| link.key.connection == connection && link.key.stream == *stream;
        let links = self.links(entity);
        let live = links
            .iter()
            .filter(here)
            .find(|l| l.state == LinkState::Live);
        live.or_else(|| links.iter().find(here))
    }
}
