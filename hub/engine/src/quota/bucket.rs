//! The token bucket.  It starts almost empty: whoever had the connection before
//! may have spent all of the vendor's.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{RateLimiter, clock};

/// The hub's clock as the limiter wants it.
#[derive(Clone)]
struct LimiterClock(Arc<dyn Clock>);

impl clock::Clock for LimiterClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, LimiterClock, NoOpMiddleware<Duration>>;

/// One request each `gap`, and so many at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub gap: Duration,
    pub burst: u32,
}

impl Rate {
    /// So many in a window.  No window sees more, wherever it begins and even if
    /// it were two per cent longer: requests do not all take the same time to
    /// the vendor.  A fiftieth of them may go at once, which is paid for by all
    /// others: between 96 and 98 per cent of the rate are used.
    pub fn of_window(requests: u32, span: Duration) -> Self {
        let burst = 1 + requests / 50;
        let refilled = requests.saturating_sub(burst - 1).max(1);
        Self {
            gap: longer(span, 2) / refilled,
            burst,
        }
    }

    /// A bucket that the vendor keeps.  Ours has one request less than the
    /// vendor's and refills as fast, so it is never the fuller one.
    pub fn of_bucket(requests: u32, span: Duration, burst: u32) -> Self {
        if burst < 2 {
            return Self::of_window(1, span / requests.max(1));
        }
        Self {
            gap: span / requests.max(1),
            burst: burst - 1,
        }
    }

    /// So many a second, evenly.
    pub fn of_second(requests: f64) -> Self {
        Self {
            gap: Duration::try_from_secs_f64(1.0 / requests).unwrap_or(Duration::MAX),
            burst: 1,
        }
    }
}

fn longer(span: Duration, per_cent: u32) -> Duration {
    span * (100 + per_cent) / 100
}

pub(super) struct Bucket(Limiter);

impl Bucket {
    /// With one request in it.
    pub fn new(rate: Rate, clock: &Arc<dyn Clock>) -> Option<Self> {
        Self::filled(rate.gap, rate.burst, 1, clock)
    }

    /// A bucket of points, of which so many are left.  It refills a hundredth
    /// slower than the vendor's.
    pub fn of_points(size: u32, restore: u32, left: u32, clock: &Arc<dyn Clock>) -> Option<Self> {
        let gap = longer(Duration::from_secs(1), 1) / restore.max(1);
        Self::filled(gap, size, left, clock)
    }

    fn filled(gap: Duration, size: u32, left: u32, clock: &Arc<dyn Clock>) -> Option<Self> {
        let size = NonZeroU32::new(size)?;
        let rate = governor::Quota::with_period(gap)?.allow_burst(size);
        let limiter = RateLimiter::direct_with_clock(rate, LimiterClock(Arc::clone(clock)));
        if let Some(gone) = NonZeroU32::new(size.get().saturating_sub(left)) {
            // It is full and holds as many, so they can be taken out.
            let _ = limiter.check_n(gone);
        }
        Some(Self(limiter))
    }

    /// Takes so many out, or says how long it takes until they are in.
    pub fn take(&self, cells: u32, clock: &Arc<dyn Clock>) -> Result<(), Duration> {
        let Some(cells) = NonZeroU32::new(cells) else {
            return Ok(());
        };
        match self.0.check_n(cells) {
            Ok(Err(not_yet)) => Err(not_yet.wait_time_from(clock.monotonic())),
            // More than the bucket holds would wait for ever; the vendor says
            // what it thinks of that.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}
