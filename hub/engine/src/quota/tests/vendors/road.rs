//! The way to a twin and back, which takes time, and what happened on it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use concord_core::ports::{HttpResponse, Urgency};
use concord_twins::http::IN_FLIGHT_HEADER;
use concord_twins::{Request, Twin};

use super::{TWENTY_MINUTES, WARM_UP};
use crate::quota::ConnectionQuota;
use crate::quota::tests::rig::Rig;

pub struct Road<'r> {
    rig: &'r Rig,
    twin: RefCell<Box<dyn Twin>>,
    /// Which answers are refusals.
    is_refusal: fn(&HttpResponse) -> bool,
    under_way: Cell<u32>,
    chance: Cell<u64>,
    began: Duration,
    trips: RefCell<Vec<Trip>>,
}

pub struct Trip {
    pub class: &'static str,
    pub urgency: Urgency,
    /// In line, before the request left.
    pub waited: Duration,
    /// Since the beginning.
    pub left: Duration,
    pub back: Duration,
    pub refused: bool,
    pub body: Vec<u8>,
}

impl<'r> Road<'r> {
    pub fn new(rig: &'r Rig, twin: impl Twin + 'static) -> Self {
        Self {
            rig,
            twin: RefCell::new(Box::new(twin)),
            is_refusal: |answer| answer.status == 429 || answer.status == 403,
            under_way: Cell::new(0),
            chance: Cell::new(1),
            began: rig.elapsed(),
            trips: RefCell::default(),
        }
    }

    pub fn refusing(self, is_refusal: fn(&HttpResponse) -> bool) -> Self {
        Self { is_refusal, ..self }
    }

    pub fn elapsed(&self) -> Duration {
        self.rig.elapsed() - self.began
    }

    /// Pseudo-random, the same in each run.
    pub fn chance(&self, below: u64) -> u64 {
        let next = self.chance.get().wrapping_mul(6_364_136_223_846_793_005) + 1;
        self.chance.set(next);
        (next >> 33) % below
    }

    /// Sends one request after another until the time is over.
    pub async fn keep_asking(
        &self,
        quota: &ConnectionQuota,
        class: &'static str,
        urgency: Urgency,
        request: impl Fn() -> Request,
    ) {
        while self.elapsed() < TWENTY_MINUTES {
            self.ask(quota, class, urgency, request()).await;
        }
    }

    async fn ask(
        &self,
        quota: &ConnectionQuota,
        class: &'static str,
        urgency: Urgency,
        mut request: Request,
    ) {
        let joined = self.elapsed();
        let permit = loop {
            match quota.take_for(class, urgency).await {
                Ok(permit) => break permit,
                Err(busy) => {
                    // The host tells a guest whole seconds.
                    let wait = busy.until.since(self.rig.now());
                    let seconds = wait.as_millis().div_ceil(1_000);
                    self.rig.sleep(Duration::from_secs(seconds as u64)).await;
                    if self.elapsed() >= TWENTY_MINUTES {
                        return;
                    }
                }
            }
        };
        let left = self.elapsed();
        self.under_way.set(self.under_way.get() + 1);
        self.sleep(40, 15).await;
        let in_flight = self.under_way.get().to_string();
        request.headers.push((IN_FLIGHT_HEADER.into(), in_flight));
        let bearer = ("authorization".to_owned(), "Bearer token".to_owned());
        request.headers.push(bearer);
        let answer = self.twin.borrow_mut().handle(self.rig.now(), request);
        self.sleep(60, 140).await;
        self.under_way.set(self.under_way.get() - 1);
        let response = HttpResponse {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        };
        permit.answered(&response);
        let refused = (self.is_refusal)(&response);
        assert!(refused || response.status < 300, "{}", response.status);
        self.trips.borrow_mut().push(Trip {
            class,
            urgency,
            waited: left - joined,
            left,
            back: self.elapsed(),
            refused,
            body: response.body,
        });
    }

    async fn sleep(&self, least: u64, more: u64) {
        let micros = least * 1_000 + self.chance(more * 1_000);
        self.rig.sleep(Duration::from_micros(micros)).await;
    }

    pub fn end(self) -> Books {
        Books(self.trips.into_inner())
    }
}

/// What was sent.
pub struct Books(pub Vec<Trip>);

impl Books {
    pub fn refused(&self) -> usize {
        self.0.iter().filter(|trip| trip.refused).count()
    }

    /// Those of a class that left after the warm-up and in time.
    pub fn settled(&self, class: &str) -> impl Iterator<Item = &Trip> {
        let counts = |trip: &&Trip| trip.left >= WARM_UP && trip.left < TWENTY_MINUTES;
        let class = class.to_owned();
        let is_of = move |trip: &&Trip| trip.class == class && !trip.refused;
        self.0.iter().filter(is_of).filter(counts)
    }

    /// Says how much was used of what was allowed, in whatever unit, and holds it
    /// to 95 per cent.
    pub fn used(&self, what: &str, used: f64, allowed: f64) {
        let share = 100.0 * used / allowed;
        let (all, refused) = (self.0.len(), self.refused());
        println!("{what}: {all} requests, {share:.1} % of what is allowed, {refused} refused");
        assert!(share >= 95.0, "{what}: {share:.1} %");
        assert_eq!(refused, 0, "{what}");
    }

    /// The higher the lane, the more it sends and the less it waits; none starves.
    /// A handful of requests has no mean worth comparing.
    pub fn lanes_in_order(&self, what: &str) {
        let mut lanes: Vec<(usize, f64)> = Vec::new();
        for urgency in Urgency::ALL {
            let of = self.0.iter().filter(|trip| trip.urgency == urgency);
            let waits: Vec<f64> = of.map(|trip| trip.waited.as_secs_f64()).collect();
            assert!(!waits.is_empty(), "{what}: {urgency:?} starves");
            let mean = waits.iter().sum::<f64>() / waits.len() as f64;
            lanes.push((waits.len(), mean));
        }
        let shown = lanes
            .iter()
            .map(|(number, mean)| format!("{number} after {mean:.1} s"));
        let shown: Vec<String> = shown.collect();
        println!(
            "{what}: person, webhook, incremental, backfill: {}",
            shown.join(", ")
        );
        let in_order = lanes.is_sorted_by(|a, b| a.0 >= b.0 && (b.0 < 10 || a.1 < b.1));
        assert!(in_order, "{what}: {lanes:?}");
    }
}
