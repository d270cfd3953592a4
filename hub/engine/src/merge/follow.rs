//! A system made one of two of its records, and each has an entity: the
//! entities become one as well.
//!
//! The page that tells of it only marks the record that ended, together with
//! everything else that the page says.  The merge follows when marked records
//! are looked at, as an event of its own, and waits there for what is on its way
//! to either of the two.

use std::time::Duration;

use concord_core::record::Change;
use concord_core::state::{EntityState, Intent, Link, LinkKey, LinkState, Origin};
use concord_core::{Changeset, EntityId, RemoteId};
use concord_sync::absence::Noticed;
use concord_sync::observe::ReadKind;
use serde::{Deserialize, Serialize};

use super::Cause;
use crate::documents;
use crate::error::EngineError;
use crate::hub::Hub;
use crate::lane::Lane;
use crate::page::{PageCounts, moved_intents, moved_to};
use crate::pull::Stopped;

/// Before a merge is tried again that waits for a write to arrive, and one that
/// waits for a person.
const SOON: Duration = Duration::from_secs(5);
const LATER: Duration = Duration::from_secs(300);

/// What a marked record became, and whose it was.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    into: RemoteId,
    entity: EntityId,
}

fn document(key: &LinkKey) -> String {
    let LinkKey {
        connection,
        stream,
        remote_id,
    } = key;
    format!("merged-record/{connection}/{stream}/{remote_id}")
}

impl Hub {
    /// Writes down what a record became.  The page that commits the link's state
    /// and date makes it count.
    pub(crate) async fn mark(&self, link: &Link, into: &RemoteId) -> Result<(), EngineError> {
        let mark = Mark {
            into: into.clone(),
            entity: link.entity.clone(),
        };
        Ok(documents::write(self.store.as_ref(), &document(&link.key), &mark).await?)
    }

    async fn mark_of(&self, key: &LinkKey) -> Result<Option<Mark>, EngineError> {
        Ok(documents::read(self.store.as_ref(), &document(key)).await?)
    }

    /// Whose a merged record was before its merge was followed.
    pub(super) async fn followed_from(
        &self,
        key: &LinkKey,
    ) -> Result<Option<EntityId>, EngineError> {
        Ok(self.mark_of(key).await?.map(|mark| mark.entity))
    }
}

fn is_there(found: &[Change], key: &LinkKey) -> bool {
    found.iter().any(|change| match change {
        Change::Upsert(record) => record.id == key.remote_id,
        _ => false,
    })
}

impl Lane<'_> {
    /// Follows the merge of a marked record, or says when to try again.
    pub(crate) async fn follow(
        &self,
        mut link: Link,
        counts: &mut PageCounts,
    ) -> Result<(), Stopped> {
        let other = match self.hub.mark_of(&link.key).await? {
            Some(mark) => {
                let ids = std::slice::from_ref(&mark.into);
                let found = self.hub.store.links(self.id(), self.name(), ids).await?;
                found.into_iter().next()
            }
            None => None,
        };
        link.again_at = None;
        let mut out = Changeset::default();
        let Some(other) = other else {
            out.links.push(link);
            return Ok(self.hub.store.commit(&out).await?);
        };
        if other.entity == link.entity {
            if other.state == LinkState::Live {
                out.links.push(link);
                return Ok(self.hub.store.commit(&out).await?);
            }
            // What it became is gone as well, as each of two that are said to be
            // a part of the other: a look at both says which of them there is.
            let started = self.hub.clock.now();
            let ids = [link.key.remote_id.clone(), other.key.remote_id.clone()];
            let found = self.fetch(&ids).await?;
            let now = self.as_they_are_now(vec![link]).await?;
            out.links.extend(now.into_iter().map(|mut link| {
                link.again_at = None;
                link
            }));
            if let Some(link) = out.links.first()
                && is_there(&found, &other.key)
                && !is_there(&found, &link.key)
            {
                // It went back to an id that it had before, with all that was
                // agreed on since.
                let into = &other.key.remote_id;
                self.hub.note_move(&link.key, into).await?;
                let entity = std::slice::from_ref(&link.entity);
                let open = self.hub.store.open_intents_of(entity).await?;
                out.intents = moved_intents(&open, &link.key, into);
                let moved = moved_to(link, into);
                out.links.push(moved);
                self.hub.store.commit(&std::mem::take(&mut out)).await?;
            }
            let page = self.page(ReadKind::Fetch, started, Noticed::Fetched);
            *counts += page.take_in(found, out).await?;
            return Ok(());
        }
        if let Some(wait) = self.merge_entities(&link, &other).await? {
            link.again_at = wait.map(|span| self.hub.clock.now().plus(span));
            out.links.push(link);
            self.hub.store.commit(&out).await?;
        }
        Ok(())
    }

    /// None where they are one now; else how long to wait, if waiting helps.
    async fn merge_entities(
        &self,
        link: &Link,
        other: &Link,
    ) -> Result<Option<Option<Duration>>, EngineError> {
        let hub = self.hub;
        let ids = [other.entity.clone(), link.entity.clone()];
        let mut entities = hub.store.entities(&ids).await?;
        entities.sort_by_key(|entity| entity.id == link.entity);
        let (Some(two), Some(one)) = (entities.pop(), entities.pop()) else {
            return Ok(Some(None));
        };
        let is_known =
            |state: &EntityState| matches!(state, EntityState::Live | EntityState::Unmatched);
        if !is_known(&one.state) || !is_known(&two.state) {
            return Ok(Some(None));
        }
        let open = hub.store.open_intents_of(&ids).await?;
        if open.iter().any(Intent::has_left) {
            return Ok(Some(Some(SOON)));
        }
        let cause = Cause {
            origin: Origin::Connection(self.id()),
            run: self.run,
            asks: true,
        };
        match hub.merge_as(one, two, &cause).await {
            Ok(merged) => {
                tracing::info!(
                    connection = self.connection.row.name,
                    "{} is a part of {} now, as their records are there",
                    merged.other,
                    merged.lives
                );
                Ok(None)
            }
            Err(EngineError::Refused(why)) => {
                tracing::warn!(connection = self.connection.row.name, "{why}");
                Ok(Some(Some(LATER)))
            }
            Err(error) => Err(error),
        }
    }
}
