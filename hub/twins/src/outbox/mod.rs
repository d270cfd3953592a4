//! What a vendor sends of its own accord: the queue of its webhooks.
//!
//! Nothing here touches the network.  A twin puts notifications in, somebody with
//! a socket (or a simulation without one) takes out what is due and says how each
//! delivery ended; what the vendor does then is decided here: it is done, it is
//! tried again later, or it is given up.
//!
//! The batches, the waits and the number of attempts are the vendor's
//! [`Rules`].  A test can make the way unreliable, see [`faults`].

mod faults;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::Timestamp;

use faults::{Counts, Faults};

/// A request that is to leave now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// What its outcome is reported under.
    pub id: u64,
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// How long the vendor waits for an answer.
    pub timeout: Duration,
}

/// No connection could be made, or no answer came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;

/// The status of the answer to a delivery, if one came.
pub type Outcome = Result<u16, Unanswered>;

/// How a vendor sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The most notifications of one request.
    pub(crate) batch: usize,
    /// The most requests under way at a time.
    pub(crate) at_once: usize,
    /// The waits before the further attempts; after the last one it gives up.
    pub(crate) waits: &'static [Duration],
    /// Whether each wait is lengthened by up to a tenth, another for every notification.
    pub(crate) spread: bool,
}

/// One notification, and which attempt to deliver it this is, from 0.
#[derive(Clone, Debug)]
pub(crate) struct Notice<E> {
    pub(crate) event: E,
    pub(crate) attempt: u32,
}

/// Notifications that leave in one request.
#[derive(Clone, Debug)]
pub(crate) struct Delivery<E> {
    pub(crate) id: u64,
    pub(crate) notices: Vec<Notice<E>>,
    /// It is to be signed with a secret that is not the receiver's.
    pub(crate) forged: bool,
}

/// Moments, and the order of what is due at the same one.
type Turn = (Timestamp, u64);

#[derive(Debug)]
pub(crate) struct Outbox<E> {
    rules: Rules,
    waiting: BTreeMap<Turn, Notice<E>>,
    /// Deliveries that only have to leave, at their moment.
    ready: BTreeMap<Turn, Delivery<E>>,
    /// Deliveries held back until enough are there to leave in reverse order.
    held: Vec<Delivery<E>>,
    under_way: BTreeMap<u64, Vec<Notice<E>>>,
    counts: Counts,
    faults: Faults,
    next: u64,
}

impl<E: Clone> Outbox<E> {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            waiting: BTreeMap::new(),
            ready: BTreeMap::new(),
            held: Vec::new(),
            under_way: BTreeMap::new(),
            counts: Counts::default(),
            faults: Faults::default(),
            next: 0,
        }
    }

    /// A number that was not given before; deliveries of any kind are told apart by it.
    pub(crate) fn new_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn put(&mut self, now: Timestamp, event: E) {
        let turn = (now.plus(self.faults.delay), self.new_id());
        self.waiting.insert(turn, Notice { event, attempt: 0 });
    }

    /// What is to leave by now; the rest stays until some of what is under way
    /// has ended.
    pub(crate) fn take(&mut self, now: Timestamp) -> Vec<Delivery<E>> {
        let mut leaving = Vec::new();
        while self.under_way.len() < self.rules.at_once {
            if let Some(delivery) = pop_due(&mut self.ready, now) {
                self.depart(&delivery);
                leaving.push(delivery);
            } else if let Some(batch) = self.gather(now) {
                self.send_on_its_way(now, batch);
            } else {
                break;
            }
        }
        leaving
    }

    /// How a delivery ended.
    pub(crate) fn settle(&mut self, now: Timestamp, id: u64, outcome: Outcome) {
        let Some(notices) = self.under_way.remove(&id) else {
            return;
        };
        let count = notices.len() as u64;
        if matches!(outcome, Ok(200..300)) {
            self.counts.delivered += count;
            return;
        }
        self.counts.refused += count;
        for notice in notices {
            let wait = usize::try_from(notice.attempt).ok();
            match wait.and_then(|at| self.rules.waits.get(at)) {
                Some(wait) => {
                    let number = self.new_id();
                    let wait = match self.rules.spread {
                        true => lengthened(*wait, number),
                        false => *wait,
                    };
                    let attempt = notice.attempt + 1;
                    let again = Notice { attempt, ..notice };
                    self.waiting.insert((now.plus(wait), number), again);
                }
                None => self.counts.lost += 1,
            }
        }
    }

    /// When there is something to take; never while as much as may be is under way.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        if self.under_way.len() >= self.rules.at_once {
            return None;
        }
        let waiting = self.waiting.first_key_value().map(|(turn, _)| turn.0);
        let ready = self.ready.first_key_value().map(|(turn, _)| turn.0);
        waiting.into_iter().chain(ready).min()
    }

    /// The next batch of what is due.
    fn gather(&mut self, now: Timestamp) -> Option<Vec<Notice<E>>> {
        let mut batch = Vec::new();
        while batch.len() < self.rules.batch
            && let Some(notice) = pop_due(&mut self.waiting, now)
        {
            batch.push(notice);
        }
        (!batch.is_empty()).then_some(batch)
    }

    fn depart(&mut self, delivery: &Delivery<E>) {
        let again = delivery.notices.iter().filter(|n| n.attempt > 0).count();
        self.counts.retried += again as u64;
        self.counts.requests += 1;
        self.under_way.insert(delivery.id, delivery.notices.clone());
    }
}

/// The first entry, if its moment has come.
fn pop_due<T>(entries: &mut BTreeMap<Turn, T>, now: Timestamp) -> Option<T> {
    let first = entries.first_entry()?;
    (first.key().0 <= now).then(|| first.remove())
}

/// By a share of up to a tenth that follows from the number, the same in every run.
fn lengthened(wait: Duration, number: u64) -> Duration {
    let share = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57;
    wait + wait * u32::try_from(share).unwrap_or(0) / 1280
}
