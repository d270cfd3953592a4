//! A record that a page says is not there any more.

use concord_core::ports::Sequence;
use concord_core::record::Absence;
use concord_core::state::{
    EntityState, Event, Intent, IntentState, Link, LinkKey, LinkState, Origin, Review, Verdict,
};
use concord_core::{EntityId, RemoteId};
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
            LinkState::Gone | LinkState::Deleted | LinkState::Merged | LinkState::Excluded
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
        let what = match &conclusion {
            Conclusion::Gone => Some("deleted at the system".to_owned()),
            Conclusion::Hidden if before.state != LinkState::Hidden => {
                Some("cannot be seen any more; nothing says that it was deleted".to_owned())
            }
            Conclusion::Merged(into) => {
                self.follow_merge(&mut link, into).await?;
                hub.drop_question(&link, self.out).await?;
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
        self.keep_link(&before, link);
        Ok(())
    }

    /// Where this connection's deletes are carried on, emit looks at what that
    /// means for the other systems.  Whom no other system is found to know ends
    /// there, and is made nowhere.
    fn spread(&mut self, link: &mut Link) {
        if !self.of.lane.connection.ways.deletes.spreads() {
            return;
        }
        let Some(entity) = self.before.entities.get_mut(&link.entity) else {
            return;
        };
        match entity.state {
            EntityState::Live => entity.dirty = true,
            EntityState::Unmatched => {}
            EntityState::MergedInto(_) | EntityState::Deleted => return,
        }
        link.state = LinkState::Deleted;
        self.out.entities.push(entity.clone());
    }

    /// Merged into a record that nobody knows yet: the link moves there, and is
    /// read at once.  Where that record has an entity of its own, the two become
    /// one when what is due is looked at.
    async fn follow_merge(&mut self, link: &mut Link, into: &RemoteId) -> Result<(), EngineError> {
        let hub = self.of.lane.hub;
        let key = &link.key;
        let ids = std::slice::from_ref(into);
        let known = hub
            .store
            .links(self.of.lane.id(), &self.of.lane.stream.name, ids)
            .await?;
        let is_new = known.is_empty() && !self.before.links.contains_key(into);
        if is_new && *into != key.remote_id {
            hub.note_move(key, into).await?;
            let mut moved = moved_to(link, into);
            moved.again_at = Some(hub.clock.now());
            self.moved.insert(into.clone());
            self.before.links.insert(into.clone(), moved);
            let open = self.before.open.get(&link.entity);
            let open = open.map_or(&[][..], Vec::as_slice);
            self.out.intents.extend(moved_intents(open, key, into));
            return Ok(());
        }
        if let Some(other) = known.first()
            && (self.is_one(link, other) || self.claim(link, other).await?)
        {
            return Ok(());
        }
        hub.mark(link, into).await?;
        link.again_at = Some(hub.clock.now());
        Ok(())
    }

    /// Both are records of one entity already, and the second is there.
    fn is_one(&self, link: &Link, other: &Link) -> bool {
        other.entity == link.entity && other.state == LinkState::Live && other.key != link.key
    }

    /// The record was seen under its new id before anybody said whose it was: as
    /// long as it has not been matched, it is the one that went there.
    async fn claim(&mut self, link: &Link, other: &Link) -> Result<bool, EngineError> {
        let hub = self.of.lane.hub;
        let ids = [other.entity.clone(), link.entity.clone()];
        let entities = hub.store.entities(&ids).await?;
        let of = |id: &EntityId| entities.iter().find(|entity| entity.id == *id);
        let (Some(entity), Some(known)) = (of(&other.entity), of(&link.entity)) else {
            return Ok(false);
        };
        if entity.state != EntityState::Unmatched || known.state != EntityState::Live {
            return Ok(false);
        }
        self.out.reviews.push(Review {
            id: hub.numbers.next(&Sequence::Review).await?,
            link: other.key.clone(),
            kind: entity.id.kind.clone(),
            candidates: vec![link.entity.clone()],
            reason: format!("{} became this record at the system", link.key.remote_id),
            values: entity.values(),
            at: hub.clock.now(),
            verdict: Some(Verdict::Link(link.entity.clone())),
        });
        Ok(true)
    }

    /// Links that moved to a record which this page did not show: it is read at
    /// once.
    pub(super) fn keep_moved(&mut self) {
        for id in std::mem::take(&mut self.moved) {
            self.out.links.extend(self.before.links.remove(&id));
        }
    }
}

/// The link of a record whose id has moved.
pub(crate) fn moved_to(link: &Link, into: &RemoteId) -> Link {
    let mut moved = link.clone();
    moved.key.remote_id = into.clone();
    moved.state = LinkState::Live;
    moved.version = None;
    moved.missing_since = None;
    moved
}

/// What became of a write of ours is seen at the record's new id.
pub(crate) fn moved_intents(open: &[Intent], from: &LinkKey, into: &RemoteId) -> Vec<Intent> {
    let has_left = |intent: &&Intent| {
        matches!(intent.state, IntentState::Sent | IntentState::InDoubt)
            && intent.connection == from.connection
            && intent.stream == from.stream
            && intent.remote_id.as_ref() == Some(&from.remote_id)
    };
    let moved = open.iter().filter(has_left).cloned();
    moved
        .map(|mut intent| {
            intent.remote_id = Some(into.clone());
            intent
        })
        .collect()
}
