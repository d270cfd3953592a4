//! A clock that only moves when somebody sleeps or the test says so.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::Clock;

pub struct WorldClock(Mutex<State>);

struct State {
    now: Timestamp,
    /// Hubs that run at once.  None where a story has one at a time.
    running: usize,
    /// When those of them that sleep want to go on.
    asleep: BTreeMap<u64, Timestamp>,
    next: u64,
}

impl WorldClock {
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(State {
            now: start,
            running: 0,
            asleep: BTreeMap::new(),
            next: 0,
        }))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn advance(&self, span: Duration) {
        self.with(|state| state.now = state.now.plus(span));
    }

    /// One hub more runs beside others.
    pub fn enter(&self) {
        self.with(|state| state.running += 1);
    }

    pub fn leave(&self) {
        self.with(|state| state.running -= 1);
    }
}

#[async_trait]
impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        // Two looks are never at the same moment, as on a real machine.
        self.with(|state| {
            state.now = state.now.plus(Duration::from_micros(1));
            state.now
        })
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.now().0.unsigned_abs())
    }

    /// Among several hubs time moves when all of them sleep, to the first that
    /// wants to go on: nobody's sleep takes the time of one that works.
    async fn sleep(&self, span: Duration) {
        let place = self.with(|state| {
            let until = state.now.plus(span);
            if state.running == 0 {
                state.now = until;
                return None;
            }
            state.next += 1;
            state.asleep.insert(state.next, until);
            Some((state.next, until))
        });
        let Some((place, until)) = place else {
            return;
        };
        loop {
            let over = self.with(|state| {
                if state.asleep.len() >= state.running
                    && let Some(first) = state.asleep.values().min()
                {
                    state.now = state.now.max(*first);
                }
                let over = state.now >= until;
                if over {
                    state.asleep.remove(&place);
                }
                over
            });
            if over {
                return;
            }
            breathe(Duration::from_micros(200)).await;
        }
    }
}

/// Lets the other hubs of a world work for a moment of real time.
#[expect(clippy::disallowed_methods, reason = "hubs share threads and no clock")]
pub async fn breathe(span: Duration) {
    tokio::time::sleep(span).await;
}
