//! Mailchimp: ten connections at once, and no header.

use concord_core::ports::Urgency;
use concord_twins::Request;
use concord_twins::mailchimp::Mailchimp;
use futures::future::join_all;

use super::road::Road;
use super::{TWENTY_MINUTES, of_manifest};
use crate::quota::tests::rig::Rig;

#[test]
fn ten_connections_are_used_and_kept() {
    let quotas = of_manifest(include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../connectors/mailchimp/manifest.toml"
    )));
    let rig = Rig::starting_at(864_000, &quotas);
    let road = Road::new(&rig, Mailchimp::default());
    let asking = Urgency::ALL.iter().rev().flat_map(|urgency| [*urgency; 15]);
    let ping = || Request::plain("GET", "/3.0/ping");
    rig.run(join_all(
        asking.map(|urgency| road.keep_asking(&rig.quota, "", urgency, ping)),
    ));
    let books = road.end();
    let open: f64 = books
        .settled("")
        .map(|t| (t.back - t.left).as_secs_f64())
        .sum();
    let allowed = 10.0 * (TWENTY_MINUTES - super::WARM_UP).as_secs_f64();
    books.used("ten connections", open, allowed);
    books.lanes_in_order("ten connections");
}
