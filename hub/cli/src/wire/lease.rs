//! The right to write to a database: one process has it at a time.

use std::time::Duration;

use concord_core::ports::{Clock, Store, StoreError};

/// How long the right lasts without being extended.
pub const SPAN: Duration = Duration::from_secs(120);

/// What a hub calls itself that shares its database: it passes the right on
/// before long, so it is waited for.
pub const AMONG: &str = "among others";
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// Who this process is, for the message to others:
/// `concord sync, process 123 on host since 2026-11-21T12:00:00Z`.
pub fn owner(command: &str, clock: &dyn Clock) -> String {
    let since = clock.now().millis() / 1000 * 1000;
    let since = concord_core::Timestamp::from_millis(since);
    let process = std::process::id();
    format!(
        "concord {command}, process {process} on {} since {since}",
        machine()
    )
}

/// Takes the right to write.  A process of this machine that has ended without
/// giving it back cannot write any more, so its lease is not waited out.
pub async fn take(store: &dyn Store, clock: &dyn Clock, owner: &str) -> Result<(), StoreError> {
    if let Some(holder) = store.lease_holder().await?
        && has_ended(&holder.owner)
    {
        tracing::info!(
            holder = holder.owner,
            "the process that held the database has ended"
        );
        store.release(&holder.owner).await?;
    }
    let start = clock.monotonic();
    loop {
        let now = clock.now();
        match store.lease(owner, now, now.plus(SPAN)).await {
            Err(StoreError::Busy { owner })
                if owner.contains(AMONG) && clock.monotonic() - start < PATIENCE =>
            {
                clock.sleep(LOOK).await;
            }
            taken => return taken,
        }
    }
}

/// Does one change with the right to write, and gives it back.
pub async fn with<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    command: &str,
    change: impl AsyncFnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let owner = owner(command, clock);
    take(store, clock, &owner).await?;
    let result = change().await;
    let released = store.release(&owner).await;
    let value = result?;
    released?;
    Ok(value)
}

/// True where the owner was a process of this machine that is not there now.
fn has_ended(owner: &str) -> bool {
    let Some((process, machine_name)) = parts(owner) else {
        return false;
    };
    machine_name == machine() && process != std::process::id() && !is_running(process)
}

/// Process and machine of an owner's text.
fn parts(owner: &str) -> Option<(u32, &str)> {
    let (_, rest) = owner.rsplit_once(", process ")?;
    let (process, rest) = rest.split_once(" on ")?;
    let (machine, _) = rest.rsplit_once(" since ")?;
    Some((process.parse().ok()?, machine))
}

#[cfg(unix)]
fn machine() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(unix)]
fn is_running(process: u32) -> bool {
    let pid = i32::try_from(process)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    // "Not permitted" means that it is there and somebody else's.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn machine() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "this machine".into())
}

/// Without a way to ask, the lease is waited out.
#[cfg(not(unix))]
fn is_running(_process: u32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use concord_engine::clock::SystemClock;

    use super::*;

    #[test]
    fn an_owner_names_process_and_machine() {
        let text = owner("sync", &SystemClock::new());
        assert!(text.starts_with("concord sync, process "), "{text}");
        assert_eq!(parts(&text), Some((std::process::id(), machine().as_str())));
        assert_eq!(parts("a hub of another make"), None);
    }

    #[test]
    #[cfg(unix)]
    fn only_a_process_of_this_machine_that_ended_is_passed_over() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = child.id();
        child.wait().unwrap();
        let says = |process: u32, machine: &str| {
            has_ended(&format!(
                "concord sync, process {process} on {machine} since now"
            ))
        };
        assert!(says(ended, &machine()));
        assert!(!says(ended, "another-machine"));
        assert!(!says(std::process::id(), &machine()));
        // The process that everything descends from always runs.
        assert!(!says(1, &machine()));
    }

    #[tokio::test]
    async fn a_second_writer_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("concord.db");
        let clock = SystemClock::new();
        let first = crate::wire::store::make(&path).await.unwrap();
        let second = crate::wire::store::for_writing(&path).await.unwrap();
        let owner = "concord sync, process 1 on elsewhere since now";
        take(first.as_ref(), &clock, owner).await.unwrap();
        let error = with(second.as_ref(), &clock, "apply", async || {
            Ok::<(), StoreError>(())
        })
        .await
        .unwrap_err();
        assert!(error.to_string().contains(owner), "{error}");
        first.release(owner).await.unwrap();
        with(second.as_ref(), &clock, "apply", async || {
            Ok::<(), StoreError>(())
        })
        .await
        .unwrap();
    }
}
