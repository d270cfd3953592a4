//! One connection's allowance: a rate per class of the manifest, and the waits
//! that the system asks for.
//!
//! A connection's requests leave one after another, so a bound on requests
//! under way at once holds by itself.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::ports::{Clock, HttpResponse, Quota};
use concord_core::{Timestamp, manifest};
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

pub struct ConnectionQuota {
    clock: Arc<dyn Clock>,
    limiters: BTreeMap<String, Limiter>,
    /// Nothing of a class leaves before its moment.
    held_until: Mutex<BTreeMap<String, Timestamp>>,
}

impl ConnectionQuota {
    pub fn new(quotas: &[manifest::Quota], clock: Arc<dyn Clock>) -> Self {
        let limiters = quotas
            .iter()
            .filter_map(|quota| Some((quota.class.clone(), limiter(quota, &clock)?)))
            .collect();
        Self {
            clock,
            limiters,
            held_until: Mutex::default(),
        }
    }

    fn held_until(&self, class: &str) -> Timestamp {
        let held = self
            .held_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.get(class).copied().unwrap_or(Timestamp::ZERO)
    }
}

/// A tenth of the allowance may go at once and nine tenths as it refills, so
/// that no window of the vendor's, wherever it begins, sees more than all.
fn limiter(quota: &manifest::Quota, clock: &Arc<dyn Clock>) -> Option<Limiter> {
    let requests = quota.requests.filter(|requests| *requests > 0)?;
    let span = Duration::from_millis(quota.per_ms?);
    let burst = NonZeroU32::new(requests / 10).unwrap_or(NonZeroU32::MIN);
    let refilled = (requests - burst.get().min(requests - 1)).max(1);
    let rate = governor::Quota::with_period(span / refilled)?.allow_burst(burst);
    Some(RateLimiter::direct_with_clock(
        rate,
        LimiterClock(Arc::clone(clock)),
    ))
}

#[async_trait]
impl Quota for ConnectionQuota {
    async fn take(&self, class: &str) {
        loop {
            let wait = self.held_until(class).since(self.clock.now());
            if wait.is_zero() {
                break;
            }
            self.clock.sleep(wait).await;
        }
        let Some(limiter) = self.limiters.get(class) else {
            return;
        };
        while let Err(not_yet) = limiter.check() {
            self.clock
                .sleep(not_yet.wait_time_from(self.clock.monotonic()))
                .await;
        }
    }

    fn observe(&self, class: &str, response: &HttpResponse) {
        if response.status != 429 && response.status != 503 {
            return;
        }
        let Some(seconds) = retry_after(response) else {
            return;
        };
        let until = self.clock.now().plus(Duration::from_secs(seconds));
        let mut held = self
            .held_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.insert(class.to_owned(), until);
    }
}

/// The form in seconds; a date is the connector's to read.
pub(crate) fn retry_after(response: &HttpResponse) -> Option<u64> {
    let (_, value) = response
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::TestClock;

    fn quota(requests: u32, per_ms: u64) -> (ConnectionQuota, Arc<TestClock>) {
        let clock = Arc::new(TestClock(Mutex::new(Duration::from_secs(1_000))));
        let wish = manifest::Quota {
            class: String::new(),
            requests: Some(requests),
            per_ms: Some(per_ms),
            concurrency: None,
        };
        (ConnectionQuota::new(&[wish], clock.clone()), clock)
    }

    #[tokio::test]
    async fn no_window_of_ten_seconds_sees_more_than_a_hundred() {
        let (quota, clock) = quota(100, 10_000);
        let mut sent = Vec::new();
        for _ in 0..500 {
            quota.take("").await;
            sent.push(clock.monotonic());
        }
        for (index, start) in sent.iter().enumerate() {
            let inside = sent[index..]
                .iter()
                .filter(|t| **t - *start < Duration::from_secs(10));
            assert!(inside.count() <= 100, "from {start:?}");
        }
        let spent = sent[499] - sent[0];
        assert!(
            spent < Duration::from_secs(56),
            "90 % of the rate is used, not {spent:?}"
        );
    }

    #[tokio::test]
    async fn a_wait_that_the_system_asks_for_is_kept_to_the_second() {
        let (quota, clock) = quota(100, 10_000);
        let headers = vec![("Retry-After".to_owned(), "30".to_owned())];
        quota.observe(
            "",
            &HttpResponse {
                status: 429,
                headers,
                body: Vec::new(),
            },
        );
        let before = clock.monotonic();
        quota.take("").await;
        assert_eq!(clock.monotonic() - before, Duration::from_secs(30));
    }
}
