//! Ctrl-C: the first one ends the command between two steps, the second one at
//! once.  Both are safe, because every step is one transaction and a write is
//! durable before it is sent; the first one only leaves less in doubt.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use concord_core::ports::Clock;

use crate::exit::Ending;
use crate::logging::say;

/// How long a step may take to end after the first Ctrl-C.  One that waits for
/// a slow system is then left where it is.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a command that looks at `stop` between its steps.  None: it was ended
/// before it was through.
pub async fn until_told<T>(
    work: impl Future<Output = T>,
    stop: Arc<AtomicBool>,
    clock: &dyn Clock,
) -> Option<T> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => return Some(done),
        () = told() => {}
    }
    stop.store(true, Ordering::Relaxed);
    say("ending after this step; press Ctrl-C again to end at once");
    tokio::select! {
        done = work => Some(done),
        () = clock.sleep(GRACE) => None,
        () = told() => {
            say("ended at once; the next run looks at what was under way");
            std::process::exit(i32::from(Ending::Interrupted.code()));
        }
    }
}

/// Waits for Ctrl-C or, where there is one, a request to terminate.
pub async fn told() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                () = ctrl_c() => {}
            }
            return;
        }
    }
    ctrl_c().await;
}

/// Where signals cannot be had, none ever comes.
async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
