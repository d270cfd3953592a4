//! Hubs that work at the same time, in an order that follows from the seed: one
//! of them is let go on at each step, where a step ends with a call of the
//! store or with a wait.

use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use concord_core::Timestamp;
use futures::future::LocalBoxFuture;

use crate::clock::{WorldClock, lock};

/// What keeps a hub from going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    No,
    Until(Timestamp),
    /// It stands still until the others are through.
    Still,
    Ended,
}

/// Who works now.
#[derive(Default)]
pub(crate) struct Racers(Mutex<State>);

#[derive(Default)]
struct State {
    rest: Vec<Rest>,
    at: usize,
    /// The step of the one who works is over.
    over: bool,
}

impl Racers {
    /// Whether there is anybody to wait for.
    pub(crate) fn is_race(&self) -> bool {
        !lock(&self.0).rest.is_empty()
    }

    /// Lets another one go on, until this one is chosen again.
    pub(crate) async fn step(&self) {
        self.rest(Rest::No).await;
    }

    pub(crate) async fn sleep_until(&self, moment: Timestamp) {
        self.rest(Rest::Until(moment)).await;
    }

    pub(crate) async fn stand_still(&self) {
        self.rest(Rest::Still).await;
    }

    async fn rest(&self, rest: Rest) {
        {
            let mut state = lock(&self.0);
            let at = state.at;
            let Some(mine) = state.rest.get_mut(at) else {
                return;
            };
            *mine = rest;
            state.over = true;
        }
        let mut polled = false;
        poll_fn(|_| match std::mem::replace(&mut polled, true) {
            false => Poll::Pending,
            true => Poll::Ready(()),
        })
        .await;
    }

    /// Lets hubs work to their ends.
    pub(crate) async fn run<T>(
        &self,
        clock: &WorldClock,
        mut chance: fastrand::Rng,
        mut hubs: Vec<LocalBoxFuture<'_, T>>,
    ) -> Vec<T> {
        *lock(&self.0) = State {
            rest: vec![Rest::No; hubs.len()],
            ..State::default()
        };
        let mut ends: Vec<Option<T>> = hubs.iter().map(|_| None).collect();
        poll_fn(|cx| {
            while let Some(at) = self.at() {
                if self.poll(at, &mut hubs, &mut ends, cx).is_pending() {
                    return Poll::Pending;
                }
                self.choose(clock, &mut chance);
            }
            Poll::Ready(())
        })
        .await;
        *lock(&self.0) = State::default();
        ends.into_iter().flatten().collect()
    }

    /// The one who works; none where all are through.
    fn at(&self) -> Option<usize> {
        let state = lock(&self.0);
        let is_on = state.rest.iter().any(|rest| *rest != Rest::Ended);
        is_on.then_some(state.at)
    }

    /// Ready where the step is over.
    fn poll<T>(
        &self,
        at: usize,
        hubs: &mut [LocalBoxFuture<'_, T>],
        ends: &mut [Option<T>],
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match hubs[at].as_mut().poll(cx) {
            Poll::Ready(end) => {
                ends[at] = Some(end);
                lock(&self.0).rest[at] = Rest::Ended;
                Poll::Ready(())
            }
            Poll::Pending if std::mem::take(&mut lock(&self.0).over) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Somebody who can go on; where all wait, time passes.
    fn choose(&self, clock: &WorldClock, chance: &mut fastrand::Rng) {
        let mut state = lock(&self.0);
        loop {
            let now = clock.look();
            let ready: Vec<usize> = (0..state.rest.len())
                .filter(|at| match state.rest[*at] {
                    Rest::No => true,
                    Rest::Until(moment) => moment <= now,
                    Rest::Still | Rest::Ended => false,
                })
                .collect();
            if !ready.is_empty() {
                state.at = ready[chance.usize(0..ready.len())];
                let at = state.at;
                state.rest[at] = Rest::No;
                return;
            }
            let first = state.rest.iter().filter_map(|rest| match rest {
                Rest::Until(moment) => Some(*moment),
                _ => None,
            });
            match first.min() {
                Some(first) => clock.advance(first.since(now)),
                None => {
                    let Some(at) = state.rest.iter().position(|rest| *rest == Rest::Still) else {
                        return;
                    };
                    state.rest[at] = Rest::No;
                }
            }
        }
    }
}

/// How long a request is on its way, and how long its answer.
pub(crate) const ON_ITS_WAY: Duration = Duration::from_millis(10);
