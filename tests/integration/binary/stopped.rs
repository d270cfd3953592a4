//! A hub that is stopped within a transaction on a server, where it holds locks
//! that no lease frees.

use std::time::Duration;

use concord_cluster::Database;
use concord_core::ports::Clock;
use concord_engine::clock::SystemClock;
use rustix::process::Signal;

use super::office::Office;
use super::program::{Program, Running};

const PEOPLE: usize = 60;
const LATENCY: Duration = Duration::from_millis(1);
/// A hub is stopped so often before one is found within a transaction.
const TRIES: usize = 3000;
/// The lease and the clocks' skew, the server's patience, and all the work.
const LONGEST: Duration = Duration::from_secs(5 + 2 + 5 + 30);

/// Whether a hub that stands still has changed a lease and not said so yet.
fn is_within(database: &Database) -> bool {
    let text = "
        SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid)
        WHERE application_name = 'stopped' AND state = 'idle in transaction'
        AND relation = 'leases'::regclass AND mode = 'RowExclusiveLock'";
    !database.tell(text).unwrap().is_empty()
}

/// A hub that stands still within a transaction.
fn stopped(office: &Office, database: &Database) -> Running {
    let start = || {
        let line = "sync --approve --lease 5 --full";
        office.program.start_with(line, "PGAPPNAME", "stopped")
    };
    let mut hub = start();
    for _ in 0..TRIES {
        if hub.has_ended() {
            hub = start();
        }
        hub.signal(Signal::STOP);
        if is_within(database) {
            return hub;
        }
        hub.signal(Signal::CONT);
        std::thread::sleep(Duration::from_millis(3));
    }
    panic!("no hub was ever stopped within a transaction");
}

#[test]
fn a_hub_that_stops_within_a_transaction_keeps_nobody_waiting_for_ever() {
    let database = concord_cluster::database().unwrap();
    let office = Office::with(Program::on_server(&database), PEOPLE, LATENCY);
    office.apply();
    office.people_ask_for_the_newsletter();
    let hub = stopped(&office, &database);
    let clock = SystemClock::new();
    let start = clock.monotonic();
    let mut other = office.program.start("sync --approve --lease 5");
    while !other.has_ended() {
        assert!(clock.monotonic() - start < LONGEST, "it waits for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    other.end().fine();
    // It finds its transaction gone, and what it wanted to write is refused.
    hub.signal(Signal::CONT);
    hub.end().fine();
    let report = office.program.run("sync --lease 5").fine();
    assert_eq!(report["open"], 0, "{report}");
    office.take_writes();
    office.program.run("sync --lease 5").fine();
    assert_eq!(office.take_writes(), 0);
    assert_eq!(office.doubled(), Vec::<String>::new());
}
