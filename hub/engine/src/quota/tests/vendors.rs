//! Twenty minutes against limiters that are not ours: the twins', each written
//! from its vendor's documentation.  Everybody asks as fast as they are let.

mod connections;
mod metered;
mod road;
mod rolling;

use std::time::Duration;

use concord_core::Manifest;
use concord_core::manifest::Quota;

const TWENTY_MINUTES: Duration = Duration::from_secs(20 * 60);

/// In the first of them, what is learned first does not count.
const WARM_UP: Duration = Duration::from_secs(30);

/// What a connector's manifest says.
fn of_manifest(text: &str) -> Vec<Quota> {
    Manifest::parse(text).unwrap().quotas
}
