//! A day's calls.  They are counted in the database, from which each hub takes
//! a few at a time: so several hubs together stay inside, and a hub that is
//! killed loses what it had in hand and no more.
//!
//! The first block of a day is one call and each is twice the one before, up to
//! a thousandth of the day: what is lost is never more than what was used.

use std::sync::{Arc, Mutex, PoisonError};

use concord_core::Timestamp;
use concord_core::ports::{Allowances, Busy, DayWish};

use super::told::Told;

pub(super) struct Day {
    allowances: Arc<dyn Allowances>,
    budget: String,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    limit: u64,
    day: i64,
    in_hand: u64,
    block: u64,
    /// Used today according to the vendor.
    seen: u64,
    is_over: bool,
}

impl State {
    /// A five-hundredth is left alone: calls that the vendor counts and other
    /// hubs still have in hand.
    fn usable(&self) -> u64 {
        self.limit - self.limit / 500
    }
}

impl Day {
    pub fn new(limit: u64, budget: String, allowances: Arc<dyn Allowances>) -> Self {
        let state = State {
            limit,
            day: i64::MIN,
            in_hand: 0,
            block: 1,
            seen: 0,
            is_over: false,
        };
        Self {
            allowances,
            budget,
            state: Mutex::new(state),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Believes what the vendor says, which also knows of others' calls.
    pub fn learn(&self, told: &Told) {
        self.with(|state| {
            if let Some(limit) = told.daily_limit.filter(|limit| *limit > 0) {
                state.is_over &= limit <= state.limit;
                state.limit = limit;
            }
            if let Some(left) = told.daily_remaining {
                state.seen = state.limit.saturating_sub(left);
            }
        });
    }

    /// Takes one call of today's.
    pub async fn take(&self, now: Timestamp) -> Result<(), Busy> {
        let today = now.day();
        let mut state = self.with(|state| {
            if state.day != today {
                *state = State {
                    day: today,
                    in_hand: 0,
                    block: 1,
                    seen: 0,
                    is_over: false,
                    ..*state
                };
            }
            let before = *state;
            // What others used counts at once, and not only when a block ends.
            if before.seen >= before.usable() {
                state.is_over = true;
            } else if before.in_hand > 0 {
                state.in_hand -= 1;
            }
            State {
                is_over: state.is_over,
                ..before
            }
        });
        if !state.is_over && state.in_hand > 0 {
            return Ok(());
        }
        while !state.is_over {
            let wish = DayWish {
                budget: &self.budget,
                day: today,
                calls: state.block,
                at_least: state.seen,
                limit: state.usable(),
            };
            let taken = self.allowances.take_of_day(&wish).await;
            let taken = taken.map_err(|error| Busy {
                until: now.plus(std::time::Duration::from_secs(1)),
                why: format!("the day's calls could not be counted: {error}"),
            })?;
            match taken {
                Some(_) => {
                    self.with(|kept| {
                        kept.in_hand = state.block - 1;
                        let most = (kept.limit / 1_000).max(1);
                        kept.block = (state.block * 2).min(most);
                    });
                    return Ok(());
                }
                None if state.block > 1 => state.block /= 2,
                None => state.is_over = true,
            }
        }
        self.with(|kept| kept.is_over = true);
        Err(Busy {
            until: now.next_day(),
            why: format!("all {} calls of the day are used", state.limit),
        })
    }
}
