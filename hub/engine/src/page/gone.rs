//! A record that a page says is not there any more.

use concord_core::RemoteId;
use concord_core::ports::Sequence;
use concord_core::record::Absence;
use concord_core::state::{EntityState, Event, Link, LinkState, Origin};
use concord_sync::absence::{self, Conclusion};

use super::Page;
use crate::error::EngineError;

impl Page<'_> {
    pub(super) async fn gone(
        &mut self,
        mut link: Link,
        absence: &Absence,
    ) -> Result<(), EngineError> {
        if matches!(
            link.state,
            LinkState::Gone | LinkState::Deleted | LinkState::Merged
        ) {
            return Ok(());
        }
        let before = link.clone();
        let hub = self.of.lane.hub;
        let now = hub.clock.now();
        let conclusion = absence::judge(
            &mut link,
            absence,
            self.of.noticed,
            &self.of.lane.stream.caps,
            now,
        );
        let mut moved = None;
        let what = match &conclusion {
            Conclusion::Gone => Some("deleted at the system".to_owned()),
            Conclusion::Hidden if before.state != LinkState::Hidden => {
                Some("cannot be seen any more; nothing says that it was deleted".to_owned())
            }
            Conclusion::Merged(into) => {
                moved = self.follow_merge(&link, into).await?;
                Some(format!("merged into {into} at the system"))
            }
            Conclusion::Hidden | Conclusion::Confirm { .. } => None,
        };
        if let Some(what) = what {
            self.counts.gone += 1;
            let event = Event {
                id: hub.numbers.next(&Sequence::Event).await?,
                entity: link.entity.clone(),
                at: now,
                run: self.of.lane.run,
                origin: Origin::Connection(self.of.lane.id()),
                what,
                changes: Vec::new(),
                link: Some(link.key.clone()),
            };
            self.out.events.push(event);
        }
        if conclusion == Conclusion::Gone {
            self.spread(&mut link);
        }
        self.out.links.extend(moved);
        self.keep_link(&before, link);
        Ok(())
    }

    /// Where this connection's deletes are carried on, emit looks at what that
    /// means for the other systems.
    fn spread(&mut self, link: &mut Link) {
        if !self.of.lane.connection.ways.deletes.spreads() {
            return;
        }
        let entity = self.before.entities.get_mut(&link.entity);
        if let Some(entity) = entity.filter(|entity| entity.state == EntityState::Live) {
            link.state = LinkState::Deleted;
            entity.dirty = true;
            self.out.entities.push(entity.clone());
        }
    }

    /// Merged into a record that nobody knows yet: the link moves there, and is
    /// read at once.  One that is linked already stands for itself.
    async fn follow_merge(
        &self,
        link: &Link,
        into: &RemoteId,
    ) -> Result<Option<Link>, EngineError> {
        let hub = self.of.lane.hub;
        let ids = std::slice::from_ref(into);
        let known = hub
            .store
            .links(self.of.lane.id(), &self.of.lane.stream.name, ids)
            .await?;
        if !known.is_empty() {
            return Ok(None);
        }
        let mut moved = link.clone();
        moved.key.remote_id = into.clone();
        moved.state = LinkState::Live;
        moved.version = None;
        moved.again_at = Some(hub.clock.now());
        moved.missing_since = None;
        Ok(Some(moved))
    }
}
