//! One allowance: those who wait for it, and what it lets leave.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use concord_core::Timestamp;
use concord_core::manifest::{self, Scope};
use concord_core::ports::{Allowances, Busy, Clock, HttpResponse, Permit, Urgency};
use tokio::sync::Notify;

use super::bucket::Rate;
use super::day::Day;
use super::line::Line;
use super::pace::{Booked, Look, Pace};
use super::slots::Slots;
use super::told::Told;

/// The longest that a call is kept waiting for one request: with the request
/// itself it ends within half of a run's lease.  Who has to wait longer does so
/// outside of the call.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Those who were turned away until a moment are back so long after it: a
/// `Retry-After` counts whole seconds.  Only then is decided who goes first.
const GATHERING: Duration = Duration::from_secs(2);

pub(super) struct Class {
    wish: manifest::Quota,
    clock: Arc<dyn Clock>,
    pace: Mutex<Pace>,
    /// Rings when a request is over.
    freed: Notify,
    line: Line<Leave>,
    /// Until when the last ones were turned away.
    back_at: Mutex<Timestamp>,
    day: Option<Day>,
    slots: Option<Slots>,
}

impl Class {
    /// `budget` names it in the database.
    pub fn new(
        wish: manifest::Quota,
        budget: String,
        clock: Arc<dyn Clock>,
        allowances: &Arc<dyn Allowances>,
    ) -> Self {
        let is_shared = wish.scope == Scope::App && wish.requests.is_some();
        let slots = is_shared
            .then(|| Slots::new(budget.clone(), Arc::clone(allowances), Arc::clone(&clock)));
        let day = wish
            .per_day
            .map(|limit| Day::new(limit, budget, Arc::clone(allowances)));
        Self {
            pace: Mutex::new(Pace::new(wish.clone(), Arc::clone(&clock), is_shared)),
            wish,
            clock,
            freed: Notify::new(),
            line: Line::default(),
            back_at: Mutex::new(Timestamp::ZERO),
            day,
            slots,
        }
    }

    pub fn is_for(&self, wish: &manifest::Quota) -> bool {
        self.wish == *wish
    }

    /// Waits for the right to send one request.
    pub async fn take(self: &Arc<Self>, urgency: Urgency) -> Result<Leave, Busy> {
        self.line.pass(urgency, || self.admit()).await
    }

    async fn admit(self: &Arc<Self>) -> Result<Leave, Busy> {
        self.rest(self.gathering()).await?;
        if let Some(slots) = &self.slots
            && let Some(rate) = self.rate()
        {
            // A place would be over before a wait that was asked for is.
            self.rest(self.pace(|pace| pace.held())).await?;
            let place = slots.take(rate).await?;
            let rested = self.rest(place.since(self.clock.now())).await;
            rested.inspect_err(|_| slots.put_back(place))?;
        }
        let leave = self.enter().await?;
        if let Some(day) = &self.day {
            day.take(self.clock.now()).await?;
        }
        Ok(leave)
    }

    async fn enter(self: &Arc<Self>) -> Result<Leave, Busy> {
        loop {
            match self.pace(Pace::look) {
                Look::Go(booked) => {
                    return Ok(Leave {
                        class: Arc::clone(self),
                        booked,
                        is_over: false,
                    });
                }
                Look::After(wait) => self.rest(wait).await?,
                Look::Full => self.freed.notified().await,
            }
        }
    }

    async fn rest(&self, wait: Duration) -> Result<(), Busy> {
        if wait > PATIENCE {
            let until = self.clock.now().plus(wait);
            *self.back_at() = until;
            return Err(Busy {
                until,
                why: format!("the allowance{} is used up for now", self.of_class()),
            });
        }
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// How long it is until those who were turned away are back, where they are
    /// on their way.
    fn gathering(&self) -> Duration {
        let (now, back_at) = (self.clock.now(), *self.back_at());
        if now < back_at {
            return Duration::ZERO;
        }
        back_at.plus(GATHERING).since(now)
    }

    fn back_at(&self) -> MutexGuard<'_, Timestamp> {
        self.back_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_class(&self) -> String {
        match self.wish.class.as_str() {
            "" => String::new(),
            class => format!(" for '{class}'"),
        }
    }

    pub fn rate(&self) -> Option<Rate> {
        self.pace(|pace| pace.rate())
    }

    fn pace<T>(&self, look: impl FnOnce(&mut Pace) -> T) -> T {
        look(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The right to send one request.
pub(super) struct Leave {
    class: Arc<Class>,
    booked: Booked,
    is_over: bool,
}

impl Leave {
    fn end(&mut self, told: Option<&Told>) {
        self.is_over = true;
        self.class.pace(|pace| pace.over(self.booked, told));
        self.class.freed.notify_one();
    }
}

impl Permit for Leave {
    fn answered(mut self: Box<Self>, response: &HttpResponse) {
        let told = Told::read(&self.class.wish, response, self.class.clock.now());
        if told.throttled {
            let class = &self.class.wish.class;
            tracing::warn!(class, status = response.status, wait = ?told.wait, "too many requests");
        }
        if let Some(day) = &self.class.day {
            day.learn(&told);
        }
        self.end(Some(&told));
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(None);
        }
    }
}
