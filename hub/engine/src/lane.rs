//! One stream of one connection within one run: what every step of the run is
//! about.

use std::collections::BTreeSet;

use concord_core::record::Change;
use concord_core::state::{Intent, LinkKey};
use concord_core::{Changeset, ConnectionId, RemoteId, RunId, StreamName, Timestamp};
use concord_sync::absence::Noticed;
use concord_sync::observe::{Read, ReadKind};
use concord_sync::scene::Scene;

use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::page::{PageCounts, PageOf};
use crate::references::Known;

#[derive(Clone, Copy)]
pub(crate) struct Lane<'a> {
    pub hub: &'a Hub,
    pub connection: &'a Connection,
    pub stream: &'a Stream,
    pub run: RunId,
}

impl<'a> Lane<'a> {
    pub fn id(&self) -> ConnectionId {
        self.connection.id()
    }

    pub fn name(&self) -> &'a StreamName {
        &self.stream.name
    }

    pub fn scene<'s>(&'s self, known: &'s Known) -> Scene<'s> {
        let now = self.hub.clock.now();
        self.hub.scene(self.connection, self.stream, known, now)
    }

    pub fn key(&self, remote_id: &RemoteId) -> LinkKey {
        LinkKey {
            connection: self.id(),
            stream: self.name().clone(),
            remote_id: remote_id.clone(),
        }
    }

    pub fn holds_intent(&self, intent: &Intent) -> bool {
        intent.connection == self.id() && intent.stream == *self.name()
    }

    /// How many ids one direct read may name.
    pub fn fetch_size(&self) -> usize {
        self.stream.caps.fetch_max.max(1) as usize
    }

    /// Absorbs what was read outside of a pull, in one transaction.
    pub async fn take_in(
        self,
        changes: Vec<Change>,
        kind: ReadKind,
        started: Timestamp,
        noticed: Noticed,
    ) -> Result<PageCounts, EngineError> {
        let page = self.page(kind, started, noticed);
        page.take_in(changes, Changeset::default()).await
    }

    /// What is read now, outside of a pull.
    pub fn page(self, kind: ReadKind, started: Timestamp, noticed: Noticed) -> PageOf<'a> {
        PageOf {
            lane: self,
            read: Read { kind, started },
            walk: None,
            noticed,
            due: None,
            contested: BTreeSet::new(),
        }
    }
}
