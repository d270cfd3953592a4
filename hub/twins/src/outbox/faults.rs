//! The unreliable way between a vendor and the hub, as a test wants it, and the
//! books of what was delivered.
//!
//! `GET /_twin/webhooks` answers with the books, `POST /_twin/webhooks` takes any
//! of these and answers the same:
//!
//! | field | meaning |
//! |---|---|
//! | `drop: N` | the next N requests never leave and are never tried again |
//! | `duplicate: N` | the next N requests leave twice |
//! | `reorder: N` | the next N requests wait for each other and leave in reverse order; 0 lets go what waits |
//! | `forge: N` | the next N requests are signed with a wrong secret |
//! | `delay_ms: M` | from now on every notification waits as long before its first attempt |
//!
//! Faults count requests, of which each may hold a batch of notifications; all
//! books but `requests` count notifications.  A dropped request uses up none of
//! the other faults.

use std::time::Duration;

use concord_core::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Delivery, Notice, Outbox};
use crate::control::{read, refused};
use crate::{Request, Response};

/// Between two requests that leave in reverse order, so that they also arrive in it.
const APART: Duration = Duration::from_millis(20);

/// What became of the notifications since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Answered with 2xx.
    pub(super) delivered: u64,
    /// Answered otherwise or not at all, each attempt for itself.
    pub(super) refused: u64,
    /// Attempts after a first one.
    pub(super) retried: u64,
    /// Dropped on demand, or given up after the last attempt.
    pub(super) lost: u64,
    /// Requests that left.
    pub(super) requests: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    drop: u32,
    duplicate: u32,
    reorder: u32,
    forge: u32,
    pub(super) delay: Duration,
}

/// What a test asks for; what is not given stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    drop: Option<u32>,
    duplicate: Option<u32>,
    reorder: Option<u32>,
    forge: Option<u32>,
    delay_ms: Option<u64>,
}

impl<E: Clone> Outbox<E> {
    /// Answers `/_twin/webhooks`.
    pub(crate) fn screen(&mut self, now: Timestamp, request: &Request) -> Option<Response> {
        if request.path != "/_twin/webhooks" {
            return None;
        }
        Some(match request.method.as_str() {
            "GET" => Response::json(200, &self.books()),
            "POST" => match read::<Wish>(request) {
                Ok(wish) => {
                    self.heed(now, &wish);
                    Response::json(200, &self.books())
                }
                Err(refusal) => refusal,
            },
            _ => refused(405, "/_twin/webhooks takes GET and POST"),
        })
    }

    /// Forms a delivery, and does to it what a test asked for.
    pub(super) fn send_on_its_way(&mut self, now: Timestamp, notices: Vec<Notice<E>>) {
        if used_up(&mut self.faults.drop) {
            self.counts.lost += notices.len() as u64;
            return;
        }
        let delivery = Delivery {
            id: self.new_id(),
            notices,
            forged: used_up(&mut self.faults.forge),
        };
        if used_up(&mut self.faults.duplicate) {
            let id = self.new_id();
            let copy = Delivery {
                id,
                ..delivery.clone()
            };
            self.ready.insert((now, id), copy);
        }
        if used_up(&mut self.faults.reorder) {
            self.held.push(delivery);
            if self.faults.reorder == 0 {
                self.let_go(now);
            }
            return;
        }
        self.ready.insert((now, delivery.id), delivery);
    }

    fn heed(&mut self, now: Timestamp, wish: &Wish) {
        let faults = &mut self.faults;
        for (fault, asked) in [
            (&mut faults.drop, wish.drop),
            (&mut faults.duplicate, wish.duplicate),
            (&mut faults.reorder, wish.reorder),
            (&mut faults.forge, wish.forge),
        ] {
            *fault = asked.unwrap_or(*fault);
        }
        faults.delay = wish.delay_ms.map_or(faults.delay, Duration::from_millis);
        if faults.reorder == 0 {
            self.let_go(now);
        }
    }

    /// The last one that was held back leaves first.
    fn let_go(&mut self, now: Timestamp) {
        let mut at = now;
        while let Some(delivery) = self.held.pop() {
            self.ready.insert((at, delivery.id), delivery);
            at = at.plus(APART);
        }
    }

    fn books(&self) -> Value {
        let formed = self.ready.values().chain(&self.held);
        let formed: usize = formed.map(|delivery| delivery.notices.len()).sum();
        let under_way: usize = self.under_way.values().map(Vec::len).sum();
        let (counts, faults) = (&self.counts, &self.faults);
        json!({
            "queued": self.waiting.len() + formed + under_way,
            "delivered": counts.delivered,
            "refused": counts.refused,
            "retried": counts.retried,
            "lost": counts.lost,
            "requests": counts.requests,
            "faults": {
                "drop": faults.drop,
                "duplicate": faults.duplicate,
                "reorder": faults.reorder,
                "forge": faults.forge,
                "delay_ms": u64::try_from(faults.delay.as_millis()).unwrap_or(u64::MAX),
            },
        })
    }
}

/// Whether there was one left of it.
fn used_up(left: &mut u32) -> bool {
    let had = *left > 0;
    *left = left.saturating_sub(1);
    had
}
