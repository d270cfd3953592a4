//! A GraphQL API that counts points, as Shopify's Admin API says of itself
//! (shopify.dev, "API limits": "calculated query cost"; "Rate limits" of the
//! GraphQL Admin API).
//!
//! - The bucket of an app in a store holds 2,000 points and gets 100 back each
//!   second (standard plan).
//! - The cost that a query asks for is set aside before it runs; what it did not
//!   use is given back when it has run.
//! - A query that asks for more than there is answers 200 with an error of the
//!   code `THROTTLED` and costs nothing.
//! - Each answer tells both costs and what the bucket holds.

use concord_core::Timestamp;
use serde_json::{Value, json};

use crate::{Request, Response, Twin};

const SIZE: f64 = 2_000.0;
const EACH_SECOND: f64 = 100.0;

#[derive(Debug)]
pub struct Points {
    left: f64,
    counted_at: Option<Timestamp>,
}

impl Default for Points {
    fn default() -> Self {
        Self {
            left: SIZE,
            counted_at: None,
        }
    }
}

impl Points {
    fn refill(&mut self, now: Timestamp) {
        if let Some(before) = self.counted_at {
            let seconds = now.since(before).as_secs_f64();
            self.left = (self.left + seconds * EACH_SECOND).min(SIZE);
        }
        self.counted_at = Some(now);
    }

    fn answer(&self, asked: f64, spent: Option<f64>) -> Response {
        let mut body = json!({"extensions": {"cost": {
            "requestedQueryCost": asked,
            "actualQueryCost": spent,
            "throttleStatus": {
                "maximumAvailable": SIZE,
                "currentlyAvailable": self.left.floor(),
                "restoreRate": EACH_SECOND,
            },
        }}});
        match spent {
            Some(_) => body["data"] = json!({}),
            None => {
                body["errors"] = json!([{
                    "message": "Throttled",
                    "extensions": {"code": "THROTTLED"},
                }]);
            }
        }
        Response::json(200, &body)
    }
}

impl Twin for Points {
    /// A page of `first` rows is asked for; `rows` of them are there.
    fn handle(&mut self, now: Timestamp, request: Request) -> Response {
        self.refill(now);
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let number = |name: &str| body["variables"][name].as_f64();
        let first = number("first").unwrap_or(1.0);
        let asked = 2.0 + first;
        if asked > self.left {
            return self.answer(asked, None);
        }
        let spent = 2.0 + number("rows").unwrap_or(first).min(first);
        self.left -= spent;
        self.answer(asked, Some(spent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(api: &mut Points, ms: i64, first: u32, rows: u32) -> Value {
        let body = json!({"query": "…", "variables": {"first": first, "rows": rows}});
        let request = Request::json("POST", "/graphql.json", &body);
        let answer = api.handle(Timestamp::from_millis(ms), request);
        assert_eq!(answer.status, 200);
        answer.value()
    }

    #[test]
    fn what_is_not_used_is_given_back_and_too_much_is_refused() {
        let mut api = Points::default();
        let cost = ask(&mut api, 0, 998, 98)["extensions"]["cost"].clone();
        assert_eq!(cost["requestedQueryCost"], 1_000.0);
        assert_eq!(cost["actualQueryCost"], 100.0);
        assert_eq!(cost["throttleStatus"]["currentlyAvailable"], 1_900.0);
        ask(&mut api, 0, 1_898, 1_898);
        let refused = ask(&mut api, 500, 98, 98);
        assert_eq!(refused["errors"][0]["extensions"]["code"], "THROTTLED");
        let cost = &refused["extensions"]["cost"];
        assert_eq!(cost["throttleStatus"]["currentlyAvailable"], 50.0);
        assert!(ask(&mut api, 1_000, 98, 98)["errors"].is_null());
        let rested = ask(&mut api, 1_000_000, 1, 1);
        let left = &rested["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"];
        assert_eq!(*left, 1_997.0);
    }
}
