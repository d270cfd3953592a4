//! When the next request of a class may leave, as far as one hub knows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::Clock;
use concord_core::{Timestamp, manifest};

use super::aimd::{Aimd, Step};
use super::bucket::{Bucket, Rate};
use super::told::{Points, Told};

/// What is waited after a refusal that says nothing; it doubles with each one in
/// a row.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// So many requests back the rate of a class without one is measured, and the
/// costs of requests are remembered.
const REMEMBERED: usize = 64;
const COSTS: usize = 16;

/// A rate that was found is forgotten when so many times of what was refused is
/// let in.
const FORGET: f64 = 4.0;

/// Only what left in so much time before a refusal says at which rate it came.
const MEASURED: Duration = Duration::from_secs(10);

/// The slowest that a class without a stated rate gets, in requests a second.
const SLOWEST: f64 = 1.0 / 60.0;

pub(super) struct Pace {
    wish: manifest::Quota,
    clock: Arc<dyn Clock>,
    /// Another hub shares the rate, so its places are handed out elsewhere.
    is_elsewhere: bool,
    /// None where no rate is known, or it is handed out elsewhere.
    bucket: Option<Bucket>,
    rate: Option<Rate>,
    held_until: Timestamp,
    refusals: u32,
    under_way: u32,
    at_once: Option<Aimd>,
    /// The rate that was found where none is stated; none before a refusal.
    found: Option<Aimd>,
    /// The rate at which the last refusal came.
    refused_rate: f64,
    left: VecDeque<Duration>,
    points: Option<Spending>,
}

/// The points of a class.
struct Spending {
    size: u32,
    restore: u32,
    /// Set aside for requests under way.
    aside: u64,
    /// Spent beyond what was set aside, or less if below zero; the next request
    /// evens it out.
    owed: i64,
    asked: VecDeque<u32>,
}

/// A request that may leave, or has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booked {
    cost: u32,
    left_at: Duration,
}

pub(super) enum Look {
    Go(Booked),
    /// Not before this much time has passed.
    After(Duration),
    /// Not before one that is under way has its answer.
    Full,
}

impl Pace {
    pub fn new(wish: manifest::Quota, clock: Arc<dyn Clock>, is_elsewhere: bool) -> Self {
        let now = clock.monotonic();
        let at_once = wish.concurrency.map(|most| {
            let most = f64::from(most);
            Aimd::new(most, Step::Of(1.0), 1.0, most, now)
        });
        let points = wish.cost.as_ref().map(|cost| Spending {
            size: cost.size,
            restore: cost.restore,
            aside: 0,
            owed: 0,
            asked: VecDeque::new(),
        });
        let mut pace = Self {
            rate: stated(&wish, wish.requests, wish.per_ms.map(Duration::from_millis)),
            wish,
            clock,
            is_elsewhere,
            bucket: None,
            held_until: Timestamp::ZERO,
            refusals: 0,
            under_way: 0,
            at_once,
            found: None,
            refused_rate: 0.0,
            left: VecDeque::new(),
            points,
        };
        if let Some(points) = &pace.points {
            // Nobody has told yet what is left of it: enough for one request.
            let left = points.next(&pace.wish);
            pace.bucket = Bucket::of_points(points.size, points.restore, left, &pace.clock);
        } else {
            pace.refill();
        }
        pace
    }

    /// The rate of the class as it is believed now.
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    fn refill(&mut self) {
        let rate = self.rate.filter(|_| !self.is_elsewhere);
        self.bucket = rate.and_then(|rate| Bucket::new(rate, &self.clock));
    }

    /// How long the system asked to be left alone from now on.
    pub fn held(&self) -> Duration {
        self.held_until.since(self.clock.now())
    }

    /// Books the next request where it may leave now.
    pub fn look(&mut self) -> Look {
        let held = self.held();
        if !held.is_zero() {
            return Look::After(held);
        }
        let most = self.at_once.as_ref().map(Aimd::value);
        if most.is_some_and(|most| f64::from(self.under_way) + 1.0 > most) {
            return Look::Full;
        }
        let cost = self.points.as_ref().map(|points| points.next(&self.wish));
        let due = self
            .points
            .as_ref()
            .map_or(1, |points| points.due(cost.unwrap_or(1)));
        if let Some(bucket) = &self.bucket
            && let Err(wait) = bucket.take(due, &self.clock)
        {
            return Look::After(wait.max(Duration::from_micros(1)));
        }
        if let Some(points) = &mut self.points {
            points.owed = (points.owed + i64::from(cost.unwrap_or(1)) - i64::from(due)).min(0);
            points.aside += u64::from(cost.unwrap_or(1));
        }
        let left_at = self.clock.monotonic();
        self.under_way += 1;
        self.left.push_back(left_at);
        if self.left.len() > REMEMBERED {
            self.left.pop_front();
        }
        let cost = cost.unwrap_or(1);
        Look::Go(Booked { cost, left_at })
    }

    /// A request is over, with an answer that told this or without one.
    pub fn over(&mut self, booked: Booked, told: Option<&Told>) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(points) = &mut self.points {
            points.aside = points.aside.saturating_sub(u64::from(booked.cost));
        }
        let Some(told) = told else {
            return;
        };
        self.learn(told);
        if self.points.is_some() {
            self.settle(booked, &told.points);
        }
        let now = self.clock.monotonic();
        if told.throttled {
            self.slow_down(booked, told, now);
        } else {
            self.refusals = 0;
            self.speed_up(now);
        }
        if let Some(wait) = told.wait {
            self.hold(wait);
        }
        // Nothing is left although we kept to the rate: others ask as well.
        if told.remaining == Some(0) {
            let window = told.window.or(self.wish.per_ms.map(Duration::from_millis));
            self.hold(told.reset.or(window.map(|w| w / 10)).unwrap_or(PAUSE));
        }
    }

    fn hold(&mut self, wait: Duration) {
        let until = self.clock.now().plus(wait);
        self.held_until = self.held_until.max(until);
    }

    /// Believes what the vendor says of its own limits.
    fn learn(&mut self, told: &Told) {
        let window = told.window.or(self.wish.per_ms.map(Duration::from_millis));
        let rate = match told.per_second {
            Some(rate) => stated(
                &self.wish,
                Some(1),
                Duration::try_from_secs_f64(1.0 / rate).ok(),
            ),
            None => told
                .limit
                .and_then(|limit| stated(&self.wish, Some(limit), window)),
        };
        // A rounded figure is no news.
        let is_news = |rate: &Rate| {
            let known = self.rate.map_or(0.0, |known| known.gap.as_secs_f64());
            (rate.gap.as_secs_f64() - known).abs() > known / 500.0
        };
        if self.points.is_none()
            && let Some(rate) = rate.filter(is_news)
        {
            self.rate = Some(rate);
            self.refill();
        }
    }

    /// Evens out what was set aside for a request and what it cost.
    fn settle(&mut self, booked: Booked, told: &Points) {
        let Some(points) = &mut self.points else {
            return;
        };
        points.size = told.size.unwrap_or(points.size);
        points.restore = told.restore.unwrap_or(points.restore);
        if let Some(asked) = told.asked.or(told.spent) {
            points.asked.push_back(asked);
            if points.asked.len() > COSTS {
                points.asked.pop_front();
            }
        }
        if let Some(left) = told.left {
            // Those under way may not have reached the vendor when it counted.
            let aside = u32::try_from(points.aside).unwrap_or(u32::MAX);
            let left = left.saturating_sub(aside).min(points.size);
            points.owed = 0;
            self.bucket = Bucket::of_points(points.size, points.restore, left, &self.clock);
        } else if let Some(spent) = told.spent {
            points.owed += i64::from(spent) - i64::from(booked.cost);
        }
    }

    fn slow_down(&mut self, booked: Booked, told: &Told, now: Duration) {
        self.refusals += 1;
        let is_told = told.wait.is_some() || told.points.left.is_some();
        if !is_told {
            let pause = self.wish.throttled.pause_ms.map(Duration::from_millis);
            let doubled = PAUSE.saturating_mul(1 << (self.refusals - 1).min(10));
            self.hold(pause.unwrap_or(doubled.min(LONGEST_PAUSE)));
        }
        // Where a rate is stated, only the wait is obeyed: others used it up.
        if self.wish.requests.is_some() || self.points.is_some() {
            return;
        }
        // A request that was alone was not refused for the number at once.
        if let Some(at_once) = &mut self.at_once
            && self.under_way > 0
        {
            at_once.cut(booked.left_at, now);
            return;
        }
        let measured = rate_of(&self.left);
        self.refused_rate = self.found.as_ref().map_or(measured, Aimd::value);
        let found = match &mut self.found {
            Some(found) => found.cut(booked.left_at, now).then_some(found),
            none => {
                let mut found = Aimd::new(measured, Step::Twentieth, SLOWEST, f64::MAX, now);
                found.cut(booked.left_at, now);
                Some(none.insert(found))
            }
        };
        if let Some(rate) = found.map(|found| found.value()) {
            self.rate = Some(Rate::of_second(rate));
            self.refill();
        }
    }

    fn speed_up(&mut self, now: Duration) {
        if let Some(at_once) = &mut self.at_once {
            at_once.grow(now);
        }
        if let Some(found) = &mut self.found
            && found.grow(now)
        {
            if found.value() > self.refused_rate * FORGET {
                // What was refused once does not hold any more.
                (self.found, self.rate) = (None, None);
            } else {
                self.rate = Some(Rate::of_second(found.value()));
            }
            self.refill();
        }
    }
}

impl Spending {
    /// What the next request may cost: as much as the dearest of the last ones, and
    /// never less than what the manifest calls usual.
    fn next(&self, wish: &manifest::Quota) -> u32 {
        let usual = wish.cost.as_ref().map_or(1, |cost| cost.usual);
        let dearest = self.asked.iter().copied().max().unwrap_or(usual);
        dearest.max(usual).clamp(1, self.size.max(1))
    }

    /// What is taken out of the bucket for it, with what is owed.
    fn due(&self, cost: u32) -> u32 {
        let due = (i64::from(cost) + self.owed).clamp(0, i64::from(self.size));
        u32::try_from(due).unwrap_or(cost)
    }
}

/// The rate that a window or a bucket of the vendor's comes to.
fn stated(wish: &manifest::Quota, requests: Option<u32>, span: Option<Duration>) -> Option<Rate> {
    let (requests, span) = (requests.filter(|n| *n > 0)?, span.filter(|s| !s.is_zero())?);
    Some(match wish.burst {
        Some(burst) => Rate::of_bucket(requests, span, burst),
        None => Rate::of_window(requests, span),
    })
}

/// Requests a second, by when the last ones left.
fn rate_of(left: &VecDeque<Duration>) -> f64 {
    let Some(last) = left.back() else {
        return 1.0;
    };
    let recent = left.iter().filter(|at| **at + MEASURED >= *last);
    let (mut first, mut number) = (*last, 0_u32);
    for at in recent {
        first = first.min(*at);
        number += 1;
    }
    let span = last.saturating_sub(first).max(Duration::from_millis(100));
    f64::from(number.saturating_sub(1).max(1)) / span.as_secs_f64()
}
