//! A connection's quota on a clock that moves only when everybody waits on it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::ports::{
    Allowance, Allowances, Clock, DayWish, HttpResponse, StoreError, Urgency,
};
use concord_core::{Timestamp, manifest};

use crate::quota::{Budgets, ConnectionQuota};

pub struct Rig {
    clock: Arc<VirtualClock>,
    pub quota: ConnectionQuota,
    shared: Budgets,
    allowances: Arc<dyn Allowances>,
}

impl Rig {
    pub fn new(quotas: &str) -> Self {
        Self::starting_at(1_000, &serde_json::from_str::<Vec<_>>(quotas).unwrap())
    }

    /// So many seconds after 1970.
    pub fn starting_at(seconds: u64, quotas: &[manifest::Quota]) -> Self {
        let clock = Arc::new(VirtualClock::new(Duration::from_secs(seconds)));
        let allowances: Arc<dyn Allowances> = Arc::new(InMemory::default());
        let shared = Budgets::default();
        let quota = connection(quotas, &shared, &clock, &allowances);
        Self {
            clock,
            quota,
            shared,
            allowances,
        }
    }

    /// Another connection of the same app, in this hub or in another.
    pub fn connection(&self, quotas: &[manifest::Quota], here: bool) -> ConnectionQuota {
        let elsewhere = Budgets::default();
        let shared = if here { &self.shared } else { &elsewhere };
        connection(quotas, shared, &self.clock, &self.allowances)
    }

    pub async fn call(
        &self,
        class: &str,
        urgency: Urgency,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        let permit = self.quota.take_for(class, urgency).await.unwrap();
        permit.answered(&answer(status, headers, body));
    }

    pub fn elapsed(&self) -> Duration {
        self.clock.monotonic()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn sleep(&self, span: Duration) {
        self.clock.sleep(span).await;
    }

    pub fn run<T>(&self, story: impl Future<Output = T>) -> T {
        self.clock.run(story)
    }
}

fn connection(
    quotas: &[manifest::Quota],
    shared: &Budgets,
    clock: &Arc<VirtualClock>,
    allowances: &Arc<dyn Allowances>,
) -> ConnectionQuota {
    let clock: Arc<dyn Clock> = clock.clone();
    ConnectionQuota::new(
        quotas,
        "connection/1",
        "app/toy",
        shared,
        &clock,
        allowances,
    )
}

pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
    let headers = headers.iter();
    HttpResponse {
        status,
        headers: headers.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        body: body.into(),
    }
}

struct VirtualClock(Mutex<State>);

struct State {
    now: Duration,
    next: u64,
    asleep: BTreeMap<(Duration, u64), Waker>,
}

impl VirtualClock {
    fn new(now: Duration) -> Self {
        Self(Mutex::new(State {
            now,
            next: 0,
            asleep: BTreeMap::new(),
        }))
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl VirtualClock {
    /// Runs a story to its end, without any real time.
    fn run<T>(&self, story: impl Future<Output = T>) -> T {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut story = pin!(story);
        loop {
            if let Poll::Ready(end) = story.as_mut().poll(&mut Context::from_waker(&waker)) {
                return end;
            }
            if flag.0.swap(false, Ordering::Relaxed) {
                continue;
            }
            let mut state = self.0.lock().unwrap();
            let ((until, _), sleeper) = state.asleep.pop_first().expect("somebody sleeps");
            state.now = state.now.max(until);
            drop(state);
            sleeper.wake();
        }
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    async fn sleep(&self, span: Duration) {
        let until = self.monotonic() + span;
        let mut bed = Bed {
            clock: self,
            place: None,
        };
        std::future::poll_fn(|context| bed.poll(until, context)).await;
    }
}

/// A sleeper has one place, however often it is looked at, and none when it is
/// given up: the clock stops only at moments that somebody waits for.
struct Bed<'c> {
    clock: &'c VirtualClock,
    place: Option<(Duration, u64)>,
}

impl Bed<'_> {
    fn poll(&mut self, until: Duration, context: &Context<'_>) -> Poll<()> {
        let mut state = self.clock.0.lock().unwrap();
        if state.now >= until {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| {
            state.next += 1;
            (until, state.next)
        });
        state.asleep.insert(place, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.clock.0.lock().unwrap().asleep.remove(&place);
        }
    }
}

/// What the database does, for hubs in one test.
#[derive(Default)]
struct InMemory(Mutex<BTreeMap<String, (Allowance, Timestamp)>>);

impl InMemory {
    fn with<T>(&self, budget: &str, look: impl FnOnce(&mut (Allowance, Timestamp)) -> T) -> T {
        let mut rows = self.0.lock().unwrap();
        look(rows.entry(budget.to_owned()).or_insert_with(|| {
            let allowance = Allowance {
                budget: budget.to_owned(),
                day: 0,
                used: 0,
                limit: 0,
            };
            (allowance, Timestamp::ZERO)
        }))
    }
}

#[async_trait]
impl Allowances for InMemory {
    async fn take_of_day(&self, want: &DayWish<'_>) -> Result<Option<u64>, StoreError> {
        Ok(self.with(want.budget, |(row, _)| {
            if row.day < want.day {
                (row.day, row.used) = (want.day, 0);
            }
            let used = row.used.max(want.at_least) + want.calls;
            (used <= want.limit).then(|| {
                row.used = used;
                used
            })
        }))
    }

    async fn take_of_line(
        &self,
        budget: &str,
        now: Timestamp,
        span: Duration,
    ) -> Result<Timestamp, StoreError> {
        Ok(self.with(budget, |(_, free_from)| {
            let start = now.max(*free_from);
            *free_from = start.plus(span);
            start
        }))
    }

    async fn allowances(&self) -> Result<Vec<Allowance>, StoreError> {
        let rows = self.0.lock().unwrap();
        Ok(rows.values().map(|(row, _)| row.clone()).collect())
    }
}
