//! The twins, driven by the vendors' own client libraries over real HTTP.
//!
//! Ignored by default, since the clients come from the network;
//! `cargo xtask test --clients` runs them.  The scripts are in tests/clients.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::Clock;
use concord_twins::hubspot::HubSpot;
use concord_twins::mailchimp::Mailchimp;
use concord_twins::{ServeOptions, Twin, serve};

use crate::venv;

/// A second passes between any two looks at it, so that every change has a
/// moment of its own even where a vendor keeps whole seconds.
struct TickingClock(AtomicI64);

#[async_trait]
impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1_000_000, Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    async fn sleep(&self, _: Duration) {}
}

/// Serves the twin, runs the script of this name against it, and passes when
/// the script does; its own lines say what it checked.
async fn check(script: &str, twin: impl Twin + 'static) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let python = venv::python(&folder.join("requirements.txt"))?;
    let start = Timestamp::from_millis(1_772_359_200_000);
    let clock = Arc::new(TickingClock(AtomicI64::new(start.0)));
    let running = serve(Box::new(twin), ServeOptions::default(), clock).await?;

    let status = tokio::process::Command::new(python)
        .arg(folder.join(script))
        .arg(format!("http://{}", running.http))
        // The checkout stays clean, and no proxy comes between.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .status()
        .await?;
    running.stop().await;
    if !status.success() {
        return Err(format!("{script} failed; its last line says at what").into());
    }
    Ok(())
}

#[tokio::test]
#[ignore = "installs the vendors' clients: cargo xtask test --clients"]
async fn hubspots_own_client_accepts_the_twin() -> Result<(), Box<dyn Error>> {
    check("hubspot_check.py", HubSpot::default()).await
}

#[tokio::test]
#[ignore = "installs the vendors' clients: cargo xtask test --clients"]
async fn mailchimps_own_client_accepts_the_twin() -> Result<(), Box<dyn Error>> {
    check("mailchimp_check.py", Mailchimp::default()).await
}
