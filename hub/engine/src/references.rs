//! The links that reference lenses need, read once for a whole page, and kept
//! from page to page of a pull.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use concord_core::ports::{Store, StoreError};
use concord_core::state::LinkState;
use concord_core::{Entity, EntityId, Fields, RemoteId, StreamName};
use concord_sync::lens::References;

use crate::hub::{Connection, Stream};

/// More ties than these are forgotten and looked up again, so that a long pull
/// does not grow.
const MOST_KEPT: usize = 10_000;

/// Known ties between remote ids of other streams and entities.
#[derive(Default)]
pub struct Known {
    entities: HashMap<(String, String), EntityId>,
    remotes: HashMap<(String, EntityId), RemoteId>,
}

impl References for Known {
    fn entity_of(&self, stream: &str, remote_id: &str) -> Option<EntityId> {
        self.entities
            .get(&(stream.to_owned(), remote_id.to_owned()))
            .cloned()
    }

    fn remote_of(&self, stream: &str, entity: &EntityId) -> Option<RemoteId> {
        self.remotes
            .get(&(stream.to_owned(), entity.clone()))
            .cloned()
    }
}

impl Known {
    /// Adds what the references of these remote records name, as far as it is
    /// not known already.
    pub async fn add_records<'r>(
        &mut self,
        store: &dyn Store,
        connection: &Connection,
        stream: &Stream,
        records: impl Iterator<Item = &'r Fields>,
    ) -> Result<(), StoreError> {
        let lenses: Vec<_> = stream
            .mapping
            .lenses
            .iter()
            .filter(|lens| lens.refers_to().is_some())
            .collect();
        if lenses.is_empty() {
            return Ok(());
        }
        if self.entities.len() > MOST_KEPT {
            self.entities.clear();
        }
        let mut wanted: BTreeMap<&StreamName, BTreeSet<RemoteId>> = BTreeMap::new();
        for fields in records {
            for (stream, id) in lenses.iter().filter_map(|lens| lens.referred(fields)) {
                if self.entity_of(stream.as_str(), id.as_str()).is_none() {
                    wanted.entry(stream).or_default().insert(id);
                }
            }
        }
        for (stream, ids) in wanted {
            let ids: Vec<RemoteId> = ids.into_iter().collect();
            for link in store.links(connection.id(), stream, &ids).await? {
                let key = (stream.to_string(), link.key.remote_id.to_string());
                self.entities.insert(key, link.entity);
            }
        }
        Ok(())
    }

    /// The records in this connection of what these entities refer to.
    pub async fn of_entities(
        store: &dyn Store,
        connection: &Connection,
        stream: &Stream,
        entities: &[Entity],
    ) -> Result<Self, StoreError> {
        let mut wanted: BTreeSet<EntityId> = BTreeSet::new();
        for lens in stream
            .mapping
            .lenses
            .iter()
            .filter(|lens| lens.refers_to().is_some())
        {
            for entity in entities {
                let value = entity.value(lens.field.as_str()).as_str();
                wanted.extend(value.and_then(|text| text.parse().ok()));
            }
        }
        let mut known = Self::default();
        if wanted.is_empty() {
            return Ok(known);
        }
        let wanted: Vec<EntityId> = wanted.into_iter().collect();
        // Whoever was merged has several; the last of them in the order of keys is
        // named.
        for link in store.links_of(&wanted).await? {
            if link.key.connection != connection.id() || link.state != LinkState::Live {
                continue;
            }
            let stream = link.key.stream.to_string();
            let remote = link.key.remote_id;
            known
                .entities
                .insert((stream.clone(), remote.to_string()), link.entity.clone());
            known.remotes.insert((stream, link.entity), remote);
        }
        Ok(known)
    }
}
