//! `cargo xtask bench webhooks`: how many webhooks a serving hub answers a second
//! when each answer means that it is on the disk, and how long one waits.
//!
//! The load is open loop: each connection sends at moments that are fixed before,
//! and a wait counts from such a moment, so that a hub that falls behind is not
//! asked less.  What they name is not read meanwhile: the schedule is paused.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::Bench;
use super::figures::hundredths;
use super::hub::Hub;
use crate::run;
use crate::stage::APP;

mod arrival;
mod load;

/// As long as the longest that HubSpot sends are in practice.
const BODY: usize = 1_500;
/// What checks the webhooks of the bench, as an entry under `secrets`.
const CHECKED_WITH: &str = "client_secret: { env: HUBSPOT_APP }";
pub(super) const PUBLIC_URL: &str = "https://hub.example.com";
const SYNCED: usize = 500;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many are sent each second
    #[arg(long, default_value_t = 2_500)]
    rate: u32,
    /// For how many seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Over how many connections
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// How many edits are followed from one system to the other
    #[arg(long, default_value_t = 300)]
    edits: usize,
}

/// A port that nobody listens at.
fn free_address() -> Result<String> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    Ok(format!("127.0.0.1:{port}"))
}

impl Bench<'_> {
    pub(super) fn webhooks(&self, arguments: &Arguments) -> Result<()> {
        let twin = self.twin("webhooks", 0)?;
        let hub = Hub::new(self.stage, self.ground, "webhooks", &[&twin])?;
        hub.apply_with(
            &format!("webhooks: {{ url: \"{PUBLIC_URL}\" }}\n"),
            CHECKED_WITH,
        )?;
        hub.run_quietly(&["schedule", "pause", "bench"])?;
        let address = free_address()?;
        let serving = hub.serve(&address)?;
        let result = self.measure(&address, twin.name, arguments);
        self.stage.children.end(serving);
        result?;
        hub.remove()?;
        self.arrivals(arguments.edits)
    }

    fn measure(&self, address: &str, connection: &str, arguments: &Arguments) -> Result<()> {
        load::wait_until_ready(address)?;
        let synced = synced(&self.stage.folder)?;
        run::say(&format!(
            "{} webhooks a second for {} s",
            arguments.rate, arguments.seconds
        ));
        let load = load::Load {
            address: address.to_owned(),
            path: format!("/webhooks/{connection}"),
            secret: APP.1,
            body: BODY,
            rate: arguments.rate,
            span: Duration::from_secs(u64::from(arguments.seconds)),
            connections: arguments.connections,
        };
        let mut done = load.send()?;
        if done.refused > 0 {
            bail!("{} webhooks were not answered with 200", done.refused);
        }
        let per_s = done.waits.len() as f64 / done.took.as_secs_f64();
        let [p50, p99] = [50, 99].map(|part| percentile(&mut done.waits, part));
        let [sync50, sync99] = synced;
        let store = self.ground.name();
        self.tell(
            &json!({ "name": "webhooks", "store": store, "per_s": per_s.round(),
                     "p50_ms": hundredths(p50), "p99_ms": hundredths(p99),
                     "offered_per_s": arguments.rate,
                     "fdatasync_p50_ms": hundredths(sync50),
                     "fdatasync_p99_ms": hundredths(sync99) }),
            &format!(
                "webhooks on {store}: {per_s:.0} a second of {} offered, answered within \
                 {p50:.1} ms (half) and {p99:.1} ms (99 of 100); the disk takes {sync50:.1} and \
                 {sync99:.1} ms to make a page durable",
                arguments.rate
            ),
        );
        Ok(())
    }
}

/// How long the machine's disk takes to make one page durable, in milliseconds.
fn synced(folder: &Path) -> Result<[f64; 2]> {
    let path = folder.join("fdatasync");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let page = [7; 4096];
    let mut waits = Vec::with_capacity(SYNCED);
    for _ in 0..SYNCED {
        let clock = indicatif::ProgressBar::hidden();
        file.write_all(&page)?;
        file.sync_data()?;
        waits.push(clock.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(&path)?;
    Ok([50, 99].map(|part| percentile(&mut waits, part)))
}

/// The smallest of them that this part of a hundred is not above.
fn percentile(waits: &mut [f64], part: usize) -> f64 {
    waits.sort_by(f64::total_cmp);
    let at = (waits.len() * part).div_ceil(100);
    waits.get(at.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut waits: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(
            [percentile(&mut waits, 50), percentile(&mut waits, 99)],
            [50.0, 99.0]
        );
        assert_eq!(percentile(&mut [4.0], 99), 4.0);
        assert_eq!(percentile(&mut [], 99), 0.0);
    }
}
