//! A PostgreSQL that goes away in the middle of a sync and comes back.

use std::time::Duration;

use concord_cluster::Cluster;

use super::office::Office;
use super::program::Program;

const LATENCY: Duration = Duration::from_millis(15);
const PEOPLE: usize = 60;

/// After so many requests to a system the server is gone: while pages are read,
/// while writes are sent, and while their answers are written down.
const MOMENTS: [usize; 4] = [2, 5, 12, 20];

#[test]
fn a_server_that_goes_away_in_mid_sync_is_named_and_nothing_is_lost() {
    let unbroken = Office::new(PEOPLE, LATENCY);
    unbroken.apply();
    unbroken.people_ask_for_the_newsletter();
    unbroken.program.run("sync --approve").fine();
    let expect = unbroken.holdings();

    let mut cluster = Cluster::start().unwrap();
    for moment in MOMENTS {
        let program = Program::on_server(&cluster.database().unwrap());
        let office = Office::with(program, PEOPLE, LATENCY);
        office.apply();
        office.people_ask_for_the_newsletter();
        let mut running = office.program.start("sync --approve --lease 5");
        assert!(office.events.reach(moment, || running.has_ended()));
        cluster.stop().unwrap();
        let ended = running.end();
        ended.refuses(1, &["PostgreSQL server cannot be reached"]);
        // Nor does a command that finds it gone say anything else.
        let refused = office.program.run("status");
        refused.refuses(1, &["PostgreSQL server cannot be reached"]);
        cluster.start_again().unwrap();
        let why = format!("gone after request {moment}");
        let mut open = serde_json::Value::Null;
        for _ in 0..4 {
            open = office.program.run("sync --approve --lease 5").fine()["open"].clone();
        }
        assert_eq!(open, 0, "{why}");
        assert_eq!(office.holdings(), expect, "{why}");
        assert_eq!(office.doubled(), Vec::<String>::new(), "{why}");
        office.take_writes();
        office.program.run("sync --lease 5").fine();
        assert_eq!(office.take_writes(), 0, "{why}: one more sync writes");
    }
}
