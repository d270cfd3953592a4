//! The rate of an app, whose connections may be with several hubs: places on a
//! line of time that the database hands out, one behind the other.
//!
//! A hub takes a few at once and sends a request at each.  A place is good until
//! the last of its block is over, so a request may be late by a block and never
//! early: no window sees more than its share and one block, which is the burst
//! that the rate allows for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use concord_core::Timestamp;
use concord_core::ports::{Allowances, Busy, Clock};

use super::bucket::Rate;

pub(super) struct Slots {
    allowances: Arc<dyn Allowances>,
    clock: Arc<dyn Clock>,
    budget: String,
    in_hand: Mutex<Block>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    next: Timestamp,
    end: Timestamp,
    /// Counted, because a gap is rounded to the clock's unit.
    left: u32,
}

impl Slots {
    pub fn new(budget: String, allowances: Arc<dyn Allowances>, clock: Arc<dyn Clock>) -> Self {
        Self {
            allowances,
            clock,
            budget,
            in_hand: Mutex::default(),
        }
    }

    /// The next place of ours.
    pub async fn take(&self, rate: Rate) -> Result<Timestamp, Busy> {
        let now = self.clock.now();
        if let Some(place) = self.with(|block| block.take(rate, now)) {
            return Ok(place);
        }
        let span = rate.gap * rate.burst;
        let start = self.allowances.take_of_line(&self.budget, now, span).await;
        let start = start.map_err(|error| Busy {
            until: now.plus(Duration::from_secs(1)),
            why: format!("the app's rate could not be shared: {error}"),
        })?;
        self.with(|block| {
            *block = Block {
                next: start.plus(rate.gap),
                end: start.plus(span),
                left: rate.burst.saturating_sub(1),
            };
        });
        Ok(start)
    }

    /// Whoever it was for went away before it came.
    pub fn put_back(&self, place: Timestamp) {
        self.with(|block| {
            if place < block.next {
                block.next = place;
                block.left += 1;
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Block) -> T) -> T {
        look(&mut self.in_hand.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Block {
    fn take(&mut self, rate: Rate, now: Timestamp) -> Option<Timestamp> {
        if now >= self.end {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        let place = self.next;
        self.next = place.plus(rate.gap);
        Some(place)
    }
}
