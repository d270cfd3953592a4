//! An API with a token bucket for each operation, as Amazon's Selling Partner API
//! says of itself ("Usage plans and rate limits"): it is full at first, holds
//! `burst` requests, and gets `rate` back each second.  `getOrders` has 0.0167 a
//! second and a burst of 20.  A request that finds it empty answers 429 with the
//! code `QuotaExceeded` and costs nothing.  `x-amzn-RateLimit-Limit` tells the
//! rate; how much is left is told nowhere.

use std::collections::BTreeMap;

use concord_core::Timestamp;
use serde_json::json;

use crate::{Request, Response, Twin};

const RATE: f64 = 0.0167;
const BURST: f64 = 20.0;

#[derive(Debug, Default)]
pub struct Operations {
    /// What each operation has left, and when that was counted.
    buckets: BTreeMap<String, (f64, Timestamp)>,
}

impl Twin for Operations {
    fn handle(&mut self, now: Timestamp, request: Request) -> Response {
        let bucket = self.buckets.entry(request.path).or_insert((BURST, now));
        let earned = now.since(bucket.1).as_secs_f64() * RATE;
        *bucket = ((bucket.0 + earned).min(BURST), now);
        // Parts of a token that get lost in the arithmetic are no refusal.
        let mut answer = if bucket.0 + 1e-9 >= 1.0 {
            bucket.0 -= 1.0;
            Response::json(200, &json!({"payload": {"Orders": []}}))
        } else {
            let message = "You exceeded your quota for the requested resource.";
            let errors = json!([{"code": "QuotaExceeded", "message": message, "details": ""}]);
            Response::json(429, &json!({"errors": errors}))
        };
        let rate = ("x-amzn-RateLimit-Limit".to_owned(), RATE.to_string());
        answer.headers.push(rate);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_in_and_then_one_a_minute() {
        let mut api = Operations::default();
        let mut ask = |seconds: i64, path: &str| {
            let now = Timestamp::from_millis(seconds * 1_000);
            api.handle(now, Request::plain("GET", path)).status
        };
        for _ in 0..20 {
            assert_eq!(ask(0, "/orders"), 200);
        }
        assert_eq!(ask(0, "/orders"), 429);
        assert_eq!(ask(0, "/order"), 200);
        assert_eq!(ask(59, "/orders"), 429);
        assert_eq!(ask(60, "/orders"), 200);
        assert_eq!(ask(61, "/orders"), 429);
    }
}
