//! One page of observations becomes one changeset.

mod changes;
mod gone;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use concord_core::ports::Sequence;
use concord_core::record::{Change, RemoteRecord};
use concord_core::state::{EntityState, Link, LinkKey, LinkState, Quarantined};
use concord_core::{Changeset, Entity, EntityId, Fields, RemoteId, Timestamp};
use concord_sync::absence::Noticed;
use concord_sync::absorb::{Absorbed, absorb};
use concord_sync::lens::Lens;
use concord_sync::observe::{Belief, Read, ReadKind, believe};
use concord_sync::scene::Held;

use crate::before::{Before, Memory};
use crate::error::EngineError;
use crate::lane::Lane;
use changes::{is_merge, usable};

pub(crate) use changes::{contested, repeated, too_long};
pub(crate) use gone::{moved_intents, moved_to};

/// How long a record that cannot be read is left alone, unless the system shows
/// it by itself.
const UNREADABLE: Duration = Duration::from_secs(3_600);

/// What a page did, for the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PageCounts {
    pub records: u64,
    pub new: u64,
    pub changed: u64,
    pub gone: u64,
    pub conflicts: u64,
    pub held: u64,
    pub quarantined: u64,
}

impl std::ops::AddAssign for PageCounts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.new += other.new;
        self.changed += other.changed;
        self.gone += other.gone;
        self.conflicts += other.conflicts;
        self.held += other.held;
        self.quarantined += other.quarantined;
    }
}

pub(crate) struct PageOf<'a> {
    pub lane: Lane<'a>,
    pub read: Read,
    /// The full walk under way, if one is.
    pub walk: Option<i64>,
    pub noticed: Noticed,
    /// Second looks that were due by this moment are taken by this read.
    pub due: Option<Timestamp>,
    /// Records of which the system told two different things just now.
    pub contested: BTreeSet<RemoteId>,
}

impl PageOf<'_> {
    /// When a direct read shows whatever was so by now.
    fn settled(&self) -> Timestamp {
        let settle = self.lane.stream.caps.settle_ms.fetch();
        self.lane.hub.clock.now().plus(settle)
    }

    /// Absorbs what is no page of a pull, in one transaction with what is in the
    /// changeset already.
    pub async fn take_in(
        &self,
        changes: Vec<Change>,
        mut out: Changeset,
    ) -> Result<PageCounts, EngineError> {
        let mut memory = Memory::begin(self.lane).await?;
        let mut counts = self.absorb(changes, &mut memory, &mut out).await?;
        // They were counted when they were first read.
        counts.records = 0;
        self.lane.hub.store.commit(&out).await?;
        Ok(counts)
    }

    /// Fills a changeset with what the changes say.  The caller adds the cursor
    /// and commits.
    #[tracing::instrument(target = "concord::stage", level = "trace", name = "absorb", skip_all)]
    pub async fn absorb(
        &self,
        changes: Vec<Change>,
        memory: &mut Memory,
        out: &mut Changeset,
    ) -> Result<PageCounts, EngineError> {
        let changes: Vec<Change> = changes.into_iter().map(usable).collect();
        let mut before = Before::look_up(self.lane, &changes, memory).await?;
        if self.due.is_some() {
            let due = |link: &&mut Link| link.again_at.is_some() && link.again_at <= self.due;
            for link in before.links.values_mut().filter(due) {
                link.again_at = None;
            }
        }
        let mut page = Page {
            of: self,
            before,
            memory,
            counts: PageCounts::default(),
            moved: BTreeSet::new(),
            passed: BTreeSet::new(),
            out,
        };
        // Who is told where a record went before the record itself is looked at
        // does not take it for a new one.
        let (merges, rest): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_merge);
        for change in merges.into_iter().chain(rest) {
            page.counts.records += 1;
            page.change(change).await?;
        }
        page.keep_moved();
        let counts = page.counts;
        self.lane
            .pass_over(std::mem::take(&mut page.passed))
            .await?;
        memory.heals |= counts.quarantined > 0;
        self.wake_waiting(out).await?;
        // Two records of one entity may stand in one page: one row per key.
        let mut seen = BTreeSet::new();
        out.entities.reverse();
        out.entities.retain(|entity| seen.insert(entity.id.clone()));
        Ok(counts)
    }

    /// Records whose references waited for what this page brought are read
    /// again.
    async fn wake_waiting(&self, out: &mut Changeset) -> Result<(), EngineError> {
        let name = &self.lane.stream.name;
        let streams = &self.lane.connection.streams;
        let mut lenses = streams.iter().flat_map(|s| &s.mapping.lenses);
        if out.links.is_empty() || !lenses.any(|lens| lens.refers_to() == Some(name)) {
            return Ok(());
        }
        let store = self.lane.hub.store.as_ref();
        let ids: Vec<RemoteId> = out
            .links
            .iter()
            .filter(|link| link.key.stream == *name)
            .map(|link| link.key.remote_id.clone())
            .collect();
        let now = self.lane.hub.clock.now();
        let mut waiting: BTreeMap<LinkKey, ()> = BTreeMap::new();
        for wait in store.waiting_for(self.lane.id(), name, &ids).await? {
            waiting.insert(wait.link, ());
        }
        for key in waiting.into_keys() {
            // Of a link that stands there twice, the last one counts.
            let at_hand = out.links.iter_mut().rev().find(|link| link.key == key);
            if let Some(link) = at_hand {
                link.again_at = Some(now);
            } else {
                let ids = std::slice::from_ref(&key.remote_id);
                for mut link in store.links(key.connection, &key.stream, ids).await? {
                    link.again_at = Some(now);
                    out.links.push(link);
                }
            }
            out.waiting_cleared.push(key);
        }
        Ok(())
    }
}

struct Page<'a> {
    of: &'a PageOf<'a>,
    before: Before,
    memory: &'a Memory,
    counts: PageCounts,
    /// Ids to which a link moved on this page, and which it has not shown yet.
    moved: BTreeSet<RemoteId>,
    /// Records that wait for a create in doubt.
    passed: BTreeSet<RemoteId>,
    out: &'a mut Changeset,
}

impl Page<'_> {
    async fn change(&mut self, change: Change) -> Result<(), EngineError> {
        match change {
            Change::Upsert(record) => match self.before.links.remove(&record.id) {
                // Whatever is read of it, or however it is gone.
                Some(link) if link.state == LinkState::Excluded => Ok(()),
                Some(link) => {
                    let is_moved = self.moved.remove(&record.id);
                    self.known_record(link, &record, is_moved).await
                }
                None => self.new_record(&record).await,
            },
            Change::Gone { id, absence, .. } => match self.before.links.remove(&id) {
                Some(link) => self.gone(link, &absence).await,
                None => Ok(()),
            },
            Change::Malformed { id, reason, raw } => {
                let id = id.unwrap_or_else(|| RemoteId::new(""));
                // One that has just moved there is written down at the end.
                if !self.moved.contains(&id)
                    && let Some(link) = self.before.links.remove(&id)
                {
                    self.unreadable(link);
                }
                self.quarantine(id, reason, raw);
                Ok(())
            }
        }
    }

    /// What cannot be read is not written over either, and is looked at again
    /// now and then.
    fn unreadable(&mut self, mut link: Link) {
        let before = link.clone();
        if let Some(walk) = self.of.walk {
            link.walk = walk;
        }
        if link.state == LinkState::Live && link.again_at.is_none() {
            let hub = self.of.lane.hub;
            link.again_at = Some(hub.clock.now().plus(UNREADABLE));
            // Nor under the condition that it is still what was last read.
            link.version = None;
        }
        self.keep_link(&before, link);
    }

    fn quarantine(&mut self, remote_id: RemoteId, reason: String, raw: String) {
        self.counts.quarantined += 1;
        self.out.quarantined.push(Quarantined {
            connection: self.of.lane.id(),
            stream: self.of.lane.stream.name.clone(),
            remote_id,
            reason,
            raw,
            at: self.of.lane.hub.clock.now(),
        });
    }

    /// The record could be read, so what was wrong with it before is over.  What
    /// is wrong with it now puts it back.
    fn well_again(&mut self, id: &RemoteId) {
        if self.memory.heals {
            self.out.quarantine_cleared.push(self.of.lane.key(id));
        }
    }

    async fn known_record(
        &mut self,
        mut link: Link,
        record: &RemoteRecord,
        is_moved: bool,
    ) -> Result<(), EngineError> {
        let Some(mut entity) = self.before.entities.remove(&link.entity) else {
            self.quarantine(
                record.id.clone(),
                format!(
                    "its link names {}, which is not there; run `concord verify`",
                    link.entity
                ),
                String::new(),
            );
            return Ok(());
        };
        let open = self.before.open.contains_key(&link.entity);
        let mut before = link.clone();
        if is_moved {
            // It has no row of its own yet, so it is written whatever is read.
            before.key.remote_id = RemoteId::new("");
        }
        if let Some(walk) = self.of.walk {
            link.walk = walk;
        }
        let hub = self.of.lane.hub;
        let scene = self.of.lane.scene(&self.memory.known);
        let belief = match self.of.contested.contains(&record.id) {
            true => Belief::ReadAgain {
                at: self.of.settled(),
            },
            false => believe(record, self.of.read, &link, open, &scene),
        };
        match belief {
            Belief::Believed => {}
            Belief::Outdated => {
                self.keep_link(&before, link);
                self.before.entities.insert(entity.id.clone(), entity);
                return Ok(());
            }
            Belief::ReadAgain { at } => {
                // An intent's own settling reads the record again, so what is
                // open needs no date of its own.
                link.again_at = Some(link.again_at.map_or(at, |known| known.min(at)));
                self.keep_link(&before, link);
                self.before.entities.insert(entity.id.clone(), entity);
                return Ok(());
            }
        }
        if !self
            .of
            .lane
            .stream
            .read
            .admits(&entity, Some(&record.fields))
        {
            link.state = LinkState::OutOfScope;
            link.again_at = None;
            self.keep_link(&before, link);
            self.before.entities.insert(entity.id.clone(), entity);
            return Ok(());
        }
        let held = Held::of(
            self.before
                .holds
                .get(&entity.id)
                .map_or(&[][..], Vec::as_slice),
        );
        let was_away = before.state != LinkState::Live;
        // It was deleted everywhere, and somebody brought it back.
        let revived = entity.state == EntityState::Deleted;
        if revived {
            entity.state = EntityState::Live;
        }
        let none = |_: &Lens| false;
        // Nobody is found by the keys of what is deleted.
        let keys = match revived {
            true => Vec::new(),
            false => hub.keys_of(&entity),
        };
        let absorbed = absorb(
            &mut link,
            &mut entity,
            record,
            self.of.read,
            &none,
            &held,
            &scene,
        );
        if let Some(at) = self.still_due(&before) {
            link.again_at = Some(link.again_at.map_or(at, |known| known.min(at)));
        }
        self.well_again(&record.id);
        if before.state == LinkState::Merged {
            hub.ask_about_revived(&link, self.out).await?;
        }
        let what = if was_away { "seen again" } else { "changed" };
        let changed = was_away || !absorbed.changes.is_empty();
        let debt = absorbed.debt || was_away;
        self.take(
            absorbed,
            &link,
            &entity,
            record,
            if changed { Some(what) } else { None },
        )
        .await?;
        if debt && entity.state == EntityState::Live {
            entity.dirty = true;
        }
        if changed || debt {
            hub.rekey(&keys, &entity, self.out);
            self.out.entities.push(entity.clone());
        }
        self.counts.changed += u64::from(changed);
        self.before.entities.insert(entity.id.clone(), entity);
        self.keep_link(&before, link);
        Ok(())
    }

    /// Something else was seen of the record that could not be believed yet.  A
    /// read that may be older does not disprove it; a direct one that shows
    /// everything at once does, and is made at once.
    fn still_due(&self, before: &Link) -> Option<Timestamp> {
        let Read { kind, started } = self.of.read;
        let settle = &self.of.lane.stream.caps.settle_ms;
        let now = self.of.lane.hub.clock.now();
        let longest = settle.pull().max(settle.fetch());
        let pending = before
            .again_at
            .filter(|at| started < *at && *at <= now.plus(longest));
        match (kind, settle.fetch().is_zero()) {
            (ReadKind::Fetch, true) => None,
            (_, true) => pending.map(|_| now),
            (_, false) => pending,
        }
    }

    /// Writes a link only where something about it changed: a page of touches
    /// costs no row.
    fn keep_link(&mut self, before: &Link, link: Link) {
        if *before != link {
            self.out.links.push(link);
        }
    }

    async fn new_record(&mut self, record: &RemoteRecord) -> Result<(), EngineError> {
        if record.partial {
            // A hint about a record that is not known: the next pull brings it.
            return Ok(());
        }
        if self.memory.is_of_open_create(record) {
            // It may be what a create of ours made.  The create is settled
            // first; the record is then linked by it, or read again.
            self.passed.insert(record.id.clone());
            return Ok(());
        }
        let hub = self.of.lane.hub;
        let kind = self.of.lane.stream.kind().clone();
        let number = hub.numbers.next(&Sequence::Entity(kind.clone())).await?;
        let mut entity = Entity::new(EntityId { kind, number });
        let shared = hub.is_shared(&entity.id.kind);
        entity.state = if shared {
            EntityState::Unmatched
        } else {
            EntityState::Live
        };
        entity.dirty = shared;
        let mut link = new_link(self.of.lane.key(&record.id), entity.id.clone());
        link.walk = self.of.walk.unwrap_or(0);
        let is_contested = self.of.contested.contains(&record.id);
        let scene = self.of.lane.scene(&self.memory.known);
        let none = |_: &Lens| false;
        let absorbed = absorb(
            &mut link,
            &mut entity,
            record,
            self.of.read,
            &none,
            &Held::default(),
            &scene,
        );
        if !self
            .of
            .lane
            .stream
            .read
            .admits(&entity, Some(&record.fields))
        {
            return Ok(());
        }
        if is_contested {
            link.again_at = Some(self.of.settled());
        }
        self.well_again(&record.id);
        self.counts.new += 1;
        // The values themselves stand in the entity with their origin, so the
        // event of a first sight does not repeat them.
        let absorbed = Absorbed {
            changes: Vec::new(),
            ..absorbed
        };
        self.take(absorbed, &link, &entity, record, Some("first seen"))
            .await?;
        self.out.keys_added.extend(hub.keys_of(&entity));
        self.out.entities.push(entity);
        self.out.links.push(link);
        Ok(())
    }

    /// Takes over what absorbing left to be written down.
    async fn take(
        &mut self,
        absorbed: Absorbed,
        link: &Link,
        entity: &Entity,
        record: &RemoteRecord,
        what: Option<&str>,
    ) -> Result<(), EngineError> {
        self.counts.conflicts += absorbed.conflicts.len() as u64;
        self.counts.held += absorbed.holds.len() as u64;
        let hub = self.of.lane.hub;
        hub.write_down(absorbed, link, entity, self.of.lane.run, what, self.out)
            .await?;
        if self
            .out
            .quarantined
            .last()
            .is_some_and(|q| q.remote_id == record.id)
        {
            self.counts.quarantined += 1;
        }
        Ok(())
    }
}

pub(crate) fn new_link(key: LinkKey, entity: EntityId) -> Link {
    Link {
        key,
        entity,
        state: LinkState::Live,
        version: None,
        modified_at: None,
        raw: Fields::new(),
        sent: Fields::new(),
        mapping: String::new(),
        // Nothing was seen of it before: its edits may be of any time.
        read_at: Timestamp::ZERO,
        written_at: None,
        walk: 0,
        again_at: None,
        missing_since: None,
        first_contact: Vec::new(),
        refused: Fields::new(),
        unread: Fields::new(),
    }
}
