//! The approval of a connection's first plan: from then on it is written to.

use concord_core::state::LinkState;
use concord_core::{Changeset, RunId};
use concord_sync::approve::{FirstContact, settle};

use crate::error::EngineError;
use crate::hub::Hub;
use crate::references::Known;

const CHUNK: u32 = 200;

impl Hub {
    /// Approves the named connections, or all that wait for it, and settles
    /// what differed at first contact.  Gives the names approved.
    pub async fn approve(
        &mut self,
        only: Option<&str>,
        choice: FirstContact,
        run: RunId,
    ) -> Result<Vec<String>, EngineError> {
        if let Some(name) = only {
            self.named(name)?;
        }
        let now = self.clock.now();
        let mut approved = Vec::new();
        for at in 0..self.connections.len() {
            let connection = &self.connections[at];
            let chosen = only.is_none_or(|name| name == connection.row.name);
            let asked = chosen && !connection.approved() && connection.row.held.is_none();
            if !asked || !self.is_read(at).await? {
                continue;
            }
            self.connections[at].row.approved_at = Some(now);
            self.settle_first_contact(at, choice, run).await?;
            for stream in &self.connections[at].streams {
                self.store.mark_dirty(stream.kind()).await?;
            }
            // Last, so that an approval that is cut short is simply given again.
            let mut out = Changeset::durable();
            out.connections.push(self.connections[at].row.clone());
            self.store.commit(&out).await?;
            approved.push(self.connections[at].row.name.clone());
        }
        Ok(approved)
    }

    /// Only what has been read to its end can be approved: before, its plan is
    /// not known.
    async fn is_read(&self, at: usize) -> Result<bool, EngineError> {
        let connection = &self.connections[at];
        let states = self.store.streams(connection.id()).await?;
        Ok(connection
            .streams
            .iter()
            .filter(|stream| stream.caps.read)
            .all(|stream| {
                states
                    .iter()
                    .any(|s| s.stream == stream.name && s.first_complete_at.is_some())
            }))
    }

    async fn settle_first_contact(
        &self,
        at: usize,
        choice: FirstContact,
        run: RunId,
    ) -> Result<(), EngineError> {
        let connection = &self.connections[at];
        for stream in &connection.streams {
            let mut after = None;
            loop {
                let links = self
                    .store
                    .scan_links(connection.id(), &stream.name, after.as_ref(), CHUNK)
                    .await?;
                let Some(last) = links.last() else { break };
                after = Some(last.key.remote_id.clone());
                let mut out = Changeset::durable();
                let waiting = |l: &concord_core::Link| {
                    !l.first_contact.is_empty() && l.state == LinkState::Live
                };
                for mut link in links.into_iter().filter(waiting) {
                    let ids = std::slice::from_ref(&link.entity);
                    let Some(mut entity) = self.store.entities(ids).await?.pop() else {
                        continue;
                    };
                    let known = Known::default();
                    let scene = self.scene(connection, stream, &known, self.clock.now());
                    let keys = self.keys_of(&entity);
                    let settled = settle(&mut link, &mut entity, choice, &scene);
                    entity.dirty = true;
                    self.rekey(&keys, &entity, &mut out);
                    let what = Some("first contact settled");
                    self.write_down(settled, &link, &entity, run, what, &mut out)
                        .await?;
                    out.entities.push(entity);
                    out.links.push(link);
                }
                if !out.is_empty() {
                    self.store.commit(&out).await?;
                }
            }
        }
        Ok(())
    }
}
