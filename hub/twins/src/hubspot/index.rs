//! What searches see: a copy of the records that follows the truth with a lag.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use concord_core::Timestamp;

use super::catalogue::Slot;
use super::ranked::Ranked;
use super::record::Record;

/// A change that searches do not see before its moment.
#[derive(Debug)]
struct Pending {
    visible_at: Timestamp,
    id: u64,
    /// None takes the record out.
    record: Option<Arc<Record>>,
}

#[derive(Debug)]
pub(crate) struct Index {
    records: HashMap<u64, Arc<Record>>,
    /// By moment of change and id.
    pub(crate) by_modified: Ranked,
    /// By zero and id, so that both orders have one type of key.
    pub(crate) by_id: Ranked,
    /// By e-mail address, which is kept in lower case; companies have none.
    by_email: HashMap<Box<str>, u64>,
    email: Option<Slot>,
    pending: VecDeque<Pending>,
}

impl Index {
    pub(crate) fn new(email: Option<Slot>) -> Self {
        Self {
            records: HashMap::new(),
            by_modified: Ranked::default(),
            by_id: Ranked::default(),
            by_email: HashMap::new(),
            email,
            pending: VecDeque::new(),
        }
    }

    /// Takes a change in, to be seen after the lag.
    pub(crate) fn change(
        &mut self,
        now: Timestamp,
        lag: Duration,
        id: u64,
        record: Option<Arc<Record>>,
    ) {
        if lag.is_zero() && self.pending.is_empty() {
            self.apply(id, record);
        } else {
            self.pending.push_back(Pending {
                visible_at: now.plus(lag),
                id,
                record,
            });
        }
    }

    /// A shorter lag holds for what is under way as well; so changes become
    /// visible in the order in which they were made.
    pub(crate) fn shorten(&mut self, now: Timestamp, lag: Duration) {
        for change in &mut self.pending {
            change.visible_at = change.visible_at.min(now.plus(lag));
        }
    }

    pub(crate) fn catch_up(&mut self, now: Timestamp) {
        while let Some(next) = self.pending.front() {
            if next.visible_at > now {
                break;
            }
            if let Some(due) = self.pending.pop_front() {
                self.apply(due.id, due.record);
            }
        }
    }

    fn apply(&mut self, id: u64, record: Option<Arc<Record>>) {
        if let Some(old) = self.records.remove(&id) {
            self.by_modified.remove((old.modified, id));
            self.by_id.remove((0, id));
            if let Some(address) = self.address(&old)
                && self.by_email.get(address) == Some(&id)
            {
                self.by_email.remove(address);
            }
        }
        if let Some(new) = record {
            self.by_modified.insert((new.modified, id));
            self.by_id.insert((0, id));
            if let Some(address) = self.address(&new) {
                self.by_email.insert(Box::from(address), id);
            }
            self.records.insert(id, new);
        }
    }

    fn address<'r>(&self, record: &'r Record) -> Option<&'r str> {
        record.stored(self.email?)
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Arc<Record>> {
        self.records.get(&id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values()
    }

    /// Whether a look-up by this property needs no walk over all records.
    pub(crate) fn is_email(&self, slot: Slot) -> bool {
        self.email == Some(slot)
    }

    pub(crate) fn with_email(&self, address: &str) -> Option<&Arc<Record>> {
        self.records.get(self.by_email.get(address)?)
    }
}
