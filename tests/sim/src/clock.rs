//! Time in the world: it moves when somebody sleeps or when the story says so.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::Clock;

use crate::race::Racers;

/// Every world begins on this day.
pub(crate) const START: Timestamp = Timestamp(1_793_520_000_000_000);

pub(crate) struct WorldClock {
    now: Mutex<Timestamp>,
    /// Hubs that work at the same time.
    pub racers: Racers,
}

impl WorldClock {
    pub(crate) fn new() -> Self {
        Self {
            now: Mutex::new(START),
            racers: Racers::default(),
        }
    }

    /// The moment, without a moment having passed.
    pub(crate) fn look(&self) -> Timestamp {
        *lock(&self.now)
    }

    pub(crate) fn advance(&self, span: Duration) {
        let mut now = lock(&self.now);
        *now = now.plus(span);
    }
}

#[async_trait]
impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        // Two looks are never at the same moment, as on a real machine.
        let mut now = lock(&self.now);
        *now = now.plus(Duration::from_micros(1));
        *now
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::ZERO)
    }

    /// Time passes for everybody, unless others work meanwhile.
    async fn sleep(&self, span: Duration) {
        if self.racers.is_race() {
            return self.racers.sleep_until(self.look().plus(span)).await;
        }
        self.advance(span);
    }
}

/// A world is worked on by one thread, so that nobody can have died with a lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
