//! Records that have to be read again: what could not be believed, what seems
//! to be gone, what a reference waited for.

use concord_core::{Changeset, RemoteId, RunId};
use concord_sync::absence::Noticed;
use concord_sync::observe::{Read, ReadKind};

use crate::hub::{Connection, Hub, Stream};
use crate::page::{PageCounts, PageOf};
use crate::pull::Stopped;

impl Hub {
    /// Reads what is due by now.  Says how many records were read.
    pub(crate) async fn reread(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        counts: &mut PageCounts,
    ) -> Result<u64, Stopped> {
        let mut read = 0;
        loop {
            let now = self.clock.now();
            let limit = stream.caps.fetch_max.min(500);
            let due = self
                .store
                .links_due(connection.id(), &stream.name, now, limit)
                .await?;
            if due.is_empty() {
                return Ok(read);
            }
            let open = self.open_of(connection, stream, &due).await?;
            let ids: Vec<RemoteId> = due
                .iter()
                .filter(|link| !open.contains(&link.entity))
                .map(|link| link.key.remote_id.clone())
                .collect();
            let mut out = Changeset::default();
            // A date that is met is over; what still cannot be believed gets a
            // new one when it is absorbed.  A record with an open intent is read
            // when that is settled.
            out.links.extend(due.into_iter().map(|mut link| {
                link.again_at = None;
                link
            }));
            self.store.commit(&out).await?;
            if !ids.is_empty() {
                self.read_records(connection, stream, run, &ids, counts)
                    .await?;
            }
            read += ids.len() as u64;
        }
    }

    async fn open_of(
        &self,
        connection: &Connection,
        stream: &Stream,
        links: &[concord_core::Link],
    ) -> Result<Vec<concord_core::EntityId>, Stopped> {
        let entities: Vec<_> = links.iter().map(|link| link.entity.clone()).collect();
        let intents = self.store.open_intents_of(&entities).await?;
        Ok(intents
            .into_iter()
            .filter(|i| i.connection == connection.id() && i.stream == stream.name)
            .map(|i| i.entity)
            .collect())
    }

    /// Reads these records directly and absorbs what is found.
    pub(crate) async fn read_records(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        ids: &[RemoteId],
        counts: &mut PageCounts,
    ) -> Result<(), Stopped> {
        for ids in ids.chunks(stream.caps.fetch_max.max(1) as usize) {
            let started = self.clock.now();
            let changes = self.fetch(connection, stream, ids).await?;
            let mut out = Changeset::default();
            let of = PageOf {
                hub: self,
                connection,
                stream,
                read: Read {
                    kind: ReadKind::Fetch,
                    started,
                },
                run,
                walk: None,
                noticed: Noticed::Fetched,
            };
            let mut found = of.absorb(changes, &mut out).await?;
            // They were counted when they were first read.
            found.records = 0;
            *counts += found;
            self.store.commit(&out).await?;
            self.extend_lease().await?;
        }
        Ok(())
    }

    /// A direct read, with the waits that help.
    pub(crate) async fn fetch(
        &self,
        connection: &Connection,
        stream: &Stream,
        ids: &[RemoteId],
    ) -> Result<Vec<concord_core::Change>, Stopped> {
        let mut tries = 0;
        loop {
            tries += 1;
            match connection
                .connector
                .fetch(&stream.name, ids, &stream.fields)
                .await
            {
                Ok(changes) => return Ok(changes),
                Err(fault) => {
                    self.wait_out(connection, fault, tries)
                        .await
                        .map_err(Stopped::Fault)?;
                }
            }
        }
    }
}
