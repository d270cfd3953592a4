//! Time in the world: it moves when somebody sleeps or when the story says so.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::Clock;

/// Every world begins on this day.
pub(crate) const START: Timestamp = Timestamp(1_793_520_000_000_000);

pub(crate) struct WorldClock(Mutex<Timestamp>);

impl WorldClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(START))
    }

    pub(crate) fn advance(&self, span: Duration) {
        let mut now = lock(&self.0);
        *now = now.plus(span);
    }
}

#[async_trait]
impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        // Two looks are never at the same moment, as on a real machine.
        let mut now = lock(&self.0);
        *now = now.plus(Duration::from_micros(1));
        *now
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::ZERO)
    }

    async fn sleep(&self, span: Duration) {
        self.advance(span);
    }
}

/// A world is worked on by one thread, so that nobody can have died with a lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
