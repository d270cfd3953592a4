//! What is kept of a merge, so that it can be taken back.

use std::collections::BTreeSet;

use concord_core::state::LinkKey;
use concord_core::{EntityId, RemoteId, Timestamp};
use concord_sync::merging::Cells;
use serde::{Deserialize, Serialize};

use super::refused;
use crate::documents;
use crate::error::EngineError;
use crate::hub::Hub;

/// What the other was stays with the other, which lives on as a number only.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub into: EntityId,
    /// The other's records.
    pub links: Vec<LinkKey>,
    /// The values of the one that lives on, before.
    pub before: Cells,
    /// Its events, of the one that lives on and of the one that ended.
    /// Whatever has a number above the first is later.
    pub events: [i64; 2],
    pub at: Timestamp,
}

fn document(ended: &EntityId) -> String {
    format!("merge/{ended}")
}

/// Where a record went whose id has moved.
fn document_of_move(key: &LinkKey) -> String {
    let LinkKey {
        connection,
        stream,
        remote_id,
    } = key;
    format!("moved-record/{connection}/{stream}/{remote_id}")
}

/// By which a merge is found that is named by one of its two events.
fn document_of_event(event: i64) -> String {
    format!("merge-event/{event}")
}

impl Hub {
    /// First the means to take a merge back, then the merge: a hub that dies in
    /// between leaves documents of a merge that never was, which nobody looks at.
    pub(super) async fn keep(&self, other: &EntityId, kept: &Kept) -> Result<(), EngineError> {
        documents::write(self.store.as_ref(), &document(other), kept).await?;
        let name = other.to_string();
        for event in kept.events {
            let of_event = document_of_event(event);
            self.store.set_document(&of_event, &name).await?;
        }
        Ok(())
    }

    pub(crate) async fn kept(&self, other: &EntityId) -> Result<Option<Kept>, EngineError> {
        Ok(documents::read(self.store.as_ref(), &document(other)).await?)
    }

    /// Writes down that a record has another id from now on.
    pub(crate) async fn note_move(&self, key: &LinkKey, to: &RemoteId) -> Result<(), EngineError> {
        let name = document_of_move(key);
        Ok(self.store.set_document(&name, to.as_str()).await?)
    }

    /// The other's records, by every id that they have had since.
    pub(super) async fn kept_records(&self, kept: &Kept) -> Result<BTreeSet<LinkKey>, EngineError> {
        let mut all = BTreeSet::new();
        for key in &kept.links {
            let mut key = key.clone();
            while all.insert(key.clone()) {
                match self.store.document(&document_of_move(&key)).await? {
                    Some(to) => key.remote_id = to.into(),
                    None => break,
                }
            }
        }
        Ok(all)
    }

    /// Who ended with the merge that this event tells of, as long as it stands.
    pub async fn merged_by(&self, event: i64) -> Result<EntityId, EngineError> {
        let name = document_of_event(event);
        let Some(text) = self.store.document(&name).await? else {
            return Err(refused(format!(
                "event {event} is no merge: `concord merge` and `concord why` name the events of \
                 merges"
            )));
        };
        let other: EntityId = text
            .parse()
            .map_err(|error| documents::unreadable(&name, error))?;
        // One who was taken apart and merged again has another event since.
        let kept = self.kept(&other).await?;
        if kept.is_none_or(|kept| !kept.events.contains(&event)) {
            return Err(refused(format!(
                "the merge of event {event} was taken back, and {other} was merged again since: \
                 name the later event, or {other}"
            )));
        }
        Ok(other)
    }
}
