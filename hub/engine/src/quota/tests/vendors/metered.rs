//! Points that are known afterwards, and operations that are asked once a minute.

use concord_core::manifest::Quota;
use concord_core::ports::{HttpResponse, Urgency};
use concord_twins::Request;
use concord_twins::metered::{Operations, Points};
use futures::future::join_all;
use serde_json::{Value, json};

use super::road::Road;
use super::{TWENTY_MINUTES, WARM_UP};
use crate::quota::tests::rig::Rig;

/// As a manifest would say it of the smallest account; the answers tell of a
/// bucket twice as large.
const OF_POINTS: &str = r#"[{
    "cost": {
        "size": 1000, "restore": 50, "usual": 252,
        "asked-at": "/extensions/cost/requestedQueryCost",
        "spent-at": "/extensions/cost/actualQueryCost",
        "left-at": "/extensions/cost/throttleStatus/currentlyAvailable",
        "size-at": "/extensions/cost/throttleStatus/maximumAvailable",
        "restore-at": "/extensions/cost/throttleStatus/restoreRate"
    },
    "throttled": {"statuses": [429], "body":
        {"list": "/errors", "at": "/extensions/code", "is": "THROTTLED"}}
}]"#;

const OF_OPERATIONS: &str = r#"[{
    "class": "orders", "requests": 167, "per-ms": 10000000, "burst": 20,
    "headers": {"per-second": "x-amzn-RateLimit-Limit"}
}]"#;

fn rig(quotas: &str) -> Rig {
    let quotas: Vec<Quota> = serde_json::from_str(quotas).unwrap();
    Rig::starting_at(864_000, &quotas)
}

fn spent(body: &[u8]) -> f64 {
    let body: Value = serde_json::from_slice(body).unwrap();
    body["extensions"]["cost"]["actualQueryCost"]
        .as_f64()
        .unwrap_or_default()
}

/// Pages of 50 and of 250 rows are asked for, and come with fewer.
#[test]
fn points_are_used_and_kept() {
    let rig = rig(OF_POINTS);
    let is_refusal =
        |answer: &HttpResponse| String::from_utf8_lossy(&answer.body).contains("THROTTLED");
    let road = Road::new(&rig, Points::default()).refusing(is_refusal);
    let request = || {
        let first = if road.chance(4) == 0 { 250 } else { 50 };
        let rows = first / 2 + road.chance(first / 2);
        let body = json!({"query": "…", "variables": {"first": first, "rows": rows}});
        Request::json("POST", "/graphql.json", &body)
    };
    let asking = Urgency::ALL.iter().rev().flat_map(|urgency| [*urgency; 3]);
    rig.run(join_all(asking.map(|urgency| {
        road.keep_asking(&rig.quota, "", urgency, request)
    })));
    let books = road.end();
    let points: f64 = books.settled("").map(|trip| spent(&trip.body)).sum();
    let allowed = 100.0 * (TWENTY_MINUTES - WARM_UP).as_secs_f64();
    books.used("100 points a second", points, allowed);
    books.lanes_in_order("100 points a second");
}

#[test]
fn once_a_minute_is_used_and_kept() {
    let rig = rig(OF_OPERATIONS);
    let road = Road::new(&rig, Operations::default());
    let orders = || Request::plain("GET", "/orders/v0/orders");
    let asking = Urgency::ALL.iter().rev().flat_map(|urgency| [*urgency; 2]);
    rig.run(join_all(asking.map(|urgency| {
        road.keep_asking(&rig.quota, "orders", urgency, orders)
    })));
    let books = road.end();
    let allowed = 0.0167 * TWENTY_MINUTES.as_secs_f64();
    books.used("0.0167 a second", books.0.len() as f64, allowed);
    books.lanes_in_order("0.0167 a second");
}
