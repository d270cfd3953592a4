//! The order in which those who are not matched yet are compared.
//!
//! Who comes first stands, and the values of whoever turns out to be the same
//! give way.  So the order is that of connections, streams and the systems' own
//! ids: who is known by which number depends on which system was read first, and
//! by which of several hubs.

use std::collections::{BTreeMap, VecDeque};

use concord_core::state::EntityState;
use concord_core::{ConnectionId, Entity, EntityId, Kind, RemoteId, StreamName};

use crate::error::EngineError;
use crate::hub::Hub;

const CHUNK: usize = 200;

pub(crate) enum Queue {
    /// They are few.
    Listed(VecDeque<EntityId>),
    /// They are most of what there is: all records are looked at.
    Walked {
        kind: Kind,
        streams: VecDeque<(ConnectionId, StreamName)>,
        after: Option<RemoteId>,
    },
}

impl Queue {
    pub async fn of(hub: &Hub, kind: &Kind) -> Result<Self, EngineError> {
        let few = hub.options.unmatched;
        let limit = u32::try_from(few).unwrap_or(u32::MAX).saturating_add(1);
        let mut records = hub.store.unmatched_records(kind, limit).await?;
        if records.len() > few {
            return Ok(Queue::walk(hub, kind));
        }
        records.sort();
        let ids = records.into_iter().map(|(_, entity)| entity);
        Ok(Queue::Listed(ids.collect()))
    }

    fn walk(hub: &Hub, kind: &Kind) -> Self {
        let mut streams: Vec<_> = hub
            .connections
            .iter()
            .flat_map(|connection| {
                let streams = connection.streams.iter().filter(|s| s.kind() == kind);
                streams.map(|stream| (connection.id(), stream.name.clone()))
            })
            .collect();
        streams.sort();
        Queue::Walked {
            kind: kind.clone(),
            streams: streams.into(),
            after: None,
        }
    }

    /// The next of them, those who were found to be somebody meanwhile left out;
    /// none at the end.
    pub async fn next(&mut self, hub: &Hub) -> Result<Option<Vec<Entity>>, EngineError> {
        while let Some(ids) = self.next_ids(hub).await? {
            let found = hub.store.entities(&ids).await?;
            let mut found: BTreeMap<EntityId, Entity> = found
                .into_iter()
                .filter(|entity| entity.state == EntityState::Unmatched)
                .map(|entity| (entity.id.clone(), entity))
                .collect();
            let chunk: Vec<Entity> = ids.iter().filter_map(|id| found.remove(id)).collect();
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    async fn next_ids(&mut self, hub: &Hub) -> Result<Option<Vec<EntityId>>, EngineError> {
        match self {
            Queue::Listed(ids) => {
                let some: Vec<EntityId> = ids.drain(..CHUNK.min(ids.len())).collect();
                Ok(Some(some).filter(|some| !some.is_empty()))
            }
            Queue::Walked {
                kind,
                streams,
                after,
            } => {
                while let Some((connection, stream)) = streams.front() {
                    let records = hub
                        .store
                        .scan_records(*connection, stream, after.as_ref(), CHUNK as u32)
                        .await?;
                    let Some((last, _)) = records.last() else {
                        streams.pop_front();
                        *after = None;
                        continue;
                    };
                    *after = Some(last.remote_id.clone());
                    let ids = records.into_iter().map(|(_, entity)| entity);
                    return Ok(Some(ids.filter(|id| id.kind == *kind).collect()));
                }
                Ok(None)
            }
        }
    }
}
