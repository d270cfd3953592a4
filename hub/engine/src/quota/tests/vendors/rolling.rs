//! HubSpot: windows that roll, and a day.

use std::time::Duration;

use concord_core::manifest::{Quota, Scope};
use concord_core::ports::Urgency;
use concord_twins::Request;
use concord_twins::hubspot::HubSpot;
use futures::future::join_all;

use super::road::{Books, Road};
use super::{TWENTY_MINUTES, WARM_UP, of_manifest};
use crate::quota::ConnectionQuota;
use crate::quota::tests::rig::Rig;

const CONTACTS: &str = "/crm/objects/2026-03/contacts";

const DAY: u64 = 86_400;

fn quotas() -> Vec<Quota> {
    of_manifest(include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../connectors/hubspot/manifest.toml"
    )))
}

fn list() -> Request {
    Request::plain("GET", &format!("{CONTACTS}?limit=10"))
}

fn search() -> Request {
    let body = serde_json::json!({"limit": 10});
    Request::json("POST", &format!("{CONTACTS}/search"), &body)
}

/// Three of each lane ask for as much as they get.
async fn crowd(road: &Road<'_>, quota: &ConnectionQuota, class: &'static str) {
    let request = if class == "search" { search } else { list };
    let asking = Urgency::ALL.iter().rev().flat_map(|urgency| [*urgency; 3]);
    join_all(asking.map(|urgency| road.keep_asking(quota, class, urgency, request))).await;
}

#[test]
fn ten_seconds_and_searches_are_used_and_kept() {
    let rig = Rig::starting_at(10 * DAY, &quotas());
    let road = Road::new(&rig, HubSpot::default());
    rig.run(async {
        futures::join!(
            crowd(&road, &rig.quota, ""),
            crowd(&road, &rig.quota, "search")
        )
    });
    let books = road.end();
    let seconds = (TWENTY_MINUTES - WARM_UP).as_secs_f64();
    let used = |class: &str| books.settled(class).count() as f64;
    books.used("190 in ten seconds", used(""), 19.0 * seconds);
    books.used("5 searches a second", used("search"), 5.0 * seconds);
    books.lanes_in_order("190 in ten seconds");
}

/// The plan has 12,000 calls a day, and midnight is a quarter of an hour away.
#[test]
fn a_day_is_used_up_and_the_next_one_begins() {
    let rig = Rig::starting_at(10 * DAY - 900, &quotas());
    let mut twin = HubSpot::default();
    twin.set_daily_calls(12_000);
    let road = Road::new(&rig, twin);
    rig.run(crowd(&road, &rig.quota, ""));
    let books = road.end();
    let midnight = Duration::from_secs(900);
    let today = books.0.iter().filter(|trip| trip.left < midnight).count();
    let rest = books.0.len() - today;
    println!("12,000 a day: {today} before midnight, {rest} after");
    books.used("12,000 a day", today as f64, 12_000.0);
    assert!(rest as f64 >= 0.95 * 19.0 * 295.0, "{rest}");
}

/// Two hubs, one of them with two connections, on one app's budget.
fn together(quotas: &[Quota], daily: u32) -> Books {
    let rig = Rig::starting_at(10 * DAY, quotas);
    let (second, third) = (rig.connection(quotas, true), rig.connection(quotas, false));
    let mut twin = HubSpot::default();
    twin.set_daily_calls(daily);
    let road = Road::new(&rig, twin);
    rig.run(join_all(
        [&rig.quota, &second, &third].map(|quota| crowd(&road, quota, "")),
    ));
    road.end()
}

#[test]
fn two_hubs_stay_inside_one_app_budget() {
    let mut quotas = quotas();
    quotas.retain(|quota| quota.class.is_empty());
    quotas[0].scope = Scope::App;
    let books = together(&quotas, 650_000);
    let seconds = (TWENTY_MINUTES - WARM_UP).as_secs_f64();
    let used = books.settled("").count() as f64;
    books.used("two hubs, 190 in ten seconds", used, 19.0 * seconds);
    books.lanes_in_order("two hubs, 190 in ten seconds");
    let books = together(&quotas, 12_000);
    books.used("two hubs, 12,000 a day", books.0.len() as f64, 12_000.0);
}
