//! A move to a server that breaks off between the mark on the old database and
//! the word of the new one that it has kept everything.

use std::time::Duration;

use concord_cluster::Database;

use super::office::Office;
use super::program::Program;

const PEOPLE: usize = 30;
const LATENCY: Duration = Duration::from_millis(1);
/// Longer than all of a test.
const MINUTES: u32 = 600;

/// The server is slow to end the transaction that brings the rows.
const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(SPAN); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON streams
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();";

/// An office in agreement, with its records in a file, and an empty database on a
/// server that takes so many seconds a stream to say that it has kept them.
fn on_the_way(seconds: u32) -> (Office, Database, Program) {
    let office = Office::new(PEOPLE, LATENCY);
    office.apply();
    office.people_ask_for_the_newsletter();
    office.program.run("sync --approve").fine();
    let database = concord_cluster::database().unwrap();
    let mut there = Program::on_server(&database);
    there.set("HUBSPOT_TOKEN", "the-key-to-hubspot");
    there.set("MAILCHIMP_TOKEN", "the-key-to-mailchimp");
    let slow = SLOW.replace("SPAN", &seconds.to_string());
    database.tell(&slow).unwrap();
    (office, database, there)
}

/// The process of the server that is at the end of its transaction.
fn committing(database: &Database) -> Option<String> {
    let text = "SELECT pid FROM pg_stat_activity \
                WHERE datname = current_database() AND wait_event = 'PgSleep'";
    database.tell(text).unwrap().pop()
}

fn wait_for_the_end(database: &Database) -> String {
    loop {
        if let Some(process) = committing(database) {
            return process;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn break_off(database: &Database, process: &str) {
    let end = format!("SELECT pg_terminate_backend({process}, 10000)");
    assert_eq!(database.tell(&end).unwrap(), ["t"]);
    database.tell("DROP TRIGGER slow ON streams").unwrap();
}

fn command(database: &Database) -> String {
    format!("db move --to {}", database.hub)
}

/// The old database can be read and not be synced.
fn is_marked(office: &Office) {
    office.program.run("status").fine();
    office
        .program
        .run("sync")
        .refuses(1, &["moved to postgres://"]);
}

/// Everything is there, nothing is left to do, and only there.
fn is_there(office: &Office, there: &Program) {
    is_marked(office);
    office.take_writes();
    let report = there.run("sync").fine();
    assert_eq!((&report["writes"], office.take_writes()), (&0.into(), 0));
    assert_eq!(there.run("verify").fine()["diverged"], 0);
    let people = |program: &Program| program.run("status").fine()["counts"]["entities"].clone();
    assert_eq!(people(there), people(&office.program));
    assert_eq!(office.doubled(), Vec::<String>::new());
}

/// Nothing came over, and the same command brings all of it.
fn goes_once_more(office: &Office, database: &Database, there: &Program) {
    is_marked(office);
    assert_eq!(
        there.run("status").fine()["counts"]["entities"],
        serde_json::json!([])
    );
    office.program.run(&command(database)).fine();
    is_there(office, there);
}

#[test]
fn a_move_that_is_killed_after_the_mark_goes_once_more() {
    let (office, database, there) = on_the_way(MINUTES);
    let moving = office.program.start(&command(&database));
    let process = wait_for_the_end(&database);
    moving.kill();
    break_off(&database, &process);
    goes_once_more(&office, &database, &there);
}

#[test]
fn a_move_whose_end_the_server_does_not_confirm_goes_once_more() {
    let (office, database, there) = on_the_way(MINUTES);
    let moving = office.program.start(&command(&database));
    break_off(&database, &wait_for_the_end(&database));
    moving.end().refuses(1, &["run the same command again"]);
    goes_once_more(&office, &database, &there);
}

#[test]
fn a_move_that_is_killed_while_the_server_keeps_the_rows_is_done() {
    let (office, database, there) = on_the_way(1);
    let moving = office.program.start(&command(&database));
    wait_for_the_end(&database);
    moving.kill();
    while committing(&database).is_some() {
        std::thread::sleep(Duration::from_millis(20));
    }
    office
        .program
        .run(&command(&database))
        .refuses(1, &["moved to postgres://"]);
    is_there(&office, &there);
}
