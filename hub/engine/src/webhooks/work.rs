//! What waits for a connection becomes records to read: a known record is due at
//! once, an unknown one is read by name.  Only when that is written down are the
//! webhooks forgotten, so a hub that dies in between reads some twice.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::ports::StoreError;
use concord_core::state::LinkState;
use concord_core::webhook::{Delivery, DeliveryStore, Hint};
use concord_core::{Changeset, Fault, RemoteId, StreamName};
use serde::Serialize;

use crate::hub::{Connection, Hub, Stream};
use crate::lane::Lane;
use crate::pull::Stopped;

/// How many are worked off at once.
const AT_ONCE: u32 = 500;

/// What webhooks led to in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hinted {
    pub webhooks: u64,
    /// Different records that they named.
    pub records: u64,
    /// Webhooks that the connector could not read; a later read finds what they
    /// meant.
    pub unreadable: u64,
}

impl std::ops::AddAssign for Hinted {
    fn add_assign(&mut self, other: Self) {
        self.webhooks += other.webhooks;
        self.records += other.records;
        self.unreadable += other.unreadable;
    }
}

impl Hub {
    /// Connections for which webhooks wait, by name.
    pub(crate) async fn hinted(&self) -> Result<BTreeSet<String>, StoreError> {
        let Some(waiting) = &self.deliveries else {
            return Ok(BTreeSet::new());
        };
        let backlog = waiting.backlog().await?;
        let named = |connection: &&Connection| {
            let id = connection.id();
            backlog.iter().any(|backlog| backlog.connection == id)
        };
        let connections = self.connections.iter().filter(named);
        Ok(connections.map(|c| c.row.name.clone()).collect())
    }
}

impl Lane<'_> {
    /// Takes over what waits for this lane's connection, for all its streams.
    pub(crate) async fn take_hints(&self, done: &mut Hinted) -> Result<(), Stopped> {
        let Some(waiting) = &self.hub.deliveries else {
            return Ok(());
        };
        loop {
            let deliveries = waiting.deliveries(self.id(), AT_ONCE).await?;
            if deliveries.is_empty() {
                return Ok(());
            }
            self.take_over(waiting.as_ref(), &deliveries, done).await?;
            self.hub.extend_lease().await?;
        }
    }

    async fn take_over(
        &self,
        waiting: &dyn DeliveryStore,
        deliveries: &[Delivery],
        done: &mut Hinted,
    ) -> Result<(), Stopped> {
        let mut hints = BTreeSet::new();
        for delivery in deliveries {
            match self.connection.connector.hints(delivery).await {
                Ok(found) => hints.extend(found),
                Err(Fault::Bug(why)) => {
                    tracing::warn!(
                        connection = self.connection.row.name,
                        "a webhook was not understood; the next read of what changed finds what \
                         it meant: {why}"
                    );
                    done.unreadable += 1;
                }
                Err(fault) => return Err(Stopped::Fault(fault)),
            }
        }
        let mut by_stream: BTreeMap<StreamName, BTreeSet<RemoteId>> = BTreeMap::new();
        for Hint { stream, id } in hints {
            by_stream.entry(stream).or_default().insert(id);
        }
        for (name, ids) in by_stream {
            // A stream that takes no part is nobody's business here.
            let stream = self.connection.stream(&name);
            if let Some(stream) = stream.filter(|stream| stream.caps.read) {
                done.records += ids.len() as u64;
                self.of(stream).make_due(ids).await?;
            }
        }
        waiting.drop_deliveries(deliveries).await?;
        let times = |delivery: &Delivery| u64::try_from(delivery.times).unwrap_or(0);
        done.webhooks += deliveries.iter().map(times).sum::<u64>();
        Ok(())
    }

    /// The same connection's lane of another stream.
    fn of<'s>(&'s self, stream: &'s Stream) -> Lane<'s> {
        Lane { stream, ..*self }
    }

    async fn make_due(&self, ids: BTreeSet<RemoteId>) -> Result<(), Stopped> {
        let now = self.hub.clock.now();
        let named: Vec<RemoteId> = ids.iter().cloned().collect();
        let store = &self.hub.store;
        let links = store.links(self.id(), self.name(), &named).await?;
        let mut out = Changeset::default();
        let mut unknown = ids;
        for mut link in links {
            // What is gone here may be back: it is read like one that is new.
            if matches!(link.state, LinkState::Live | LinkState::Hidden) {
                unknown.remove(&link.key.remote_id);
                link.again_at = Some(link.again_at.map_or(now, |known| known.min(now)));
                out.links.push(link);
            }
        }
        self.pass_over(unknown).await?;
        Ok(store.commit(&out).await?)
    }
}
