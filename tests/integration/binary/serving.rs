//! A hub that keeps running: it syncs on schedule, hears what an operator wants,
//! ends when it is told to and goes on after it was killed.

use std::time::Duration;

use concord_cluster::Cluster;
use concord_core::ports::Clock as _;
use concord_engine::clock::SystemClock;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::office::{Office, email};
use super::program::{Program, Running};

const PEOPLE: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Two systems that agree, and a schedule.
pub(super) fn office(program: Program, schedule: &str) -> Office {
    slow_office(program, schedule, Duration::ZERO)
}

fn slow_office(program: Program, schedule: &str, latency: Duration) -> Office {
    let office = Office::with(program, PEOPLE, latency);
    office.program.apply(&with(&office, schedule)).fine();
    for _ in 0..3 {
        office.program.run("sync --approve").fine();
    }
    office
}

pub(super) fn with(office: &Office, schedule: &str) -> String {
    format!("schedule: {schedule}\n{}", office.config())
}

pub(super) fn runs(office: &Office) -> i64 {
    let status = office.program.run("status").fine();
    status["last_run"]["id"].as_i64().unwrap()
}

pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    while !holds() {
        assert!(clock.monotonic() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Somebody at Mailchimp gets another name there.
pub(super) fn rename(office: &Office, name: &str) -> String {
    let contacts = office.contacts();
    let known = |member: &Value| contacts.iter().any(|c| email(c) == email(member));
    let mut members = office.members().into_iter();
    let member = members
        .find(|member| member["status"] == "subscribed" && known(member))
        .unwrap();
    let properties = json!({ "merge_fields": { "FNAME": name } });
    let wish = json!({ "id": member["id"], "properties": properties });
    office.mailchimp.act("edit", &wish);
    email(&member)
}

pub(super) fn arrives(office: &Office, address: &str, name: &str) {
    until(name, || {
        let contacts = office.contacts();
        let contact = contacts.iter().find(|contact| email(contact) == *address);
        contact.unwrap()["properties"]["firstname"] == name
    });
}

pub(super) fn ends_when_told(hub: Running) {
    hub.signal(Signal::TERM);
    let ended = hub.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

fn it_syncs_and_listens(program: Program) {
    let office = office(program, "{ every: 2s, jitter: 0s }");
    // On a server what it has taken is left alone for so long after it died.
    let serve = "serve --lease 8";
    let hub = office.program.start(serve);
    let address = rename(&office, "Wilhelmina");
    arrives(&office, &address, "Wilhelmina");
    // It is killed in whatever it does, and the next one goes on.
    hub.kill();
    let address = rename(&office, "Clementine");
    let hub = office.program.start(serve);
    arrives(&office, &address, "Clementine");

    office.program.run("schedule pause moving").fine();
    let shown = office.program.run("schedule show").fine();
    assert_eq!(shown["paused"]["reason"], "moving");
    assert_eq!(shown["next"], Value::Null);
    office
        .program
        .run("schedule now")
        .refuses(1, &["is paused", "schedule resume"]);
    // One that had begun goes on to its end; after that none begins.
    std::thread::sleep(Duration::from_secs(3));
    until("the end of the last run", || {
        office.program.run("status").fine()["last_run"]["ended_at"].is_i64()
    });
    let before = runs(&office);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(runs(&office), before);
    office.program.run("schedule resume").fine();
    office
        .program
        .run("schedule resume")
        .refuses(1, &["is not paused"]);
    until("a run after the pause", || runs(&office) > before);
    ends_when_told(hub);
}

#[test]
fn a_serving_hub_syncs_on_schedule_and_listens() {
    it_syncs_and_listens(Program::new());
}

#[test]
fn a_serving_hub_syncs_on_schedule_and_listens_on_a_server() {
    let database = concord_cluster::database().unwrap();
    it_syncs_and_listens(Program::on_server(&database));
}

#[test]
fn what_is_not_due_waits_unless_it_is_hurried() {
    let office = office(Program::new(), "{ every: 1h }");
    let before = runs(&office);
    let hub = office.program.start("serve");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(runs(&office), before);
    let shown = office.program.run("schedule show").fine();
    assert!(
        shown["next"].as_i64() > shown["last_began"].as_i64(),
        "{shown}"
    );
    office.program.run("schedule now").fine();
    until("the hurried run", || runs(&office) > before);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(runs(&office), before + 1);

    // What is applied meanwhile counts, and two of them do not do one thing twice.
    let other = office.program.start("serve");
    office
        .program
        .apply(&with(&office, "{ every: 6s, jitter: 0s }"))
        .fine();
    let start = runs(&office);
    until("runs of the new schedule", || runs(&office) >= start + 2);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(runs(&office), start + 2);
    // A sync by hand is no other's way.
    office.program.run("schedule pause").fine();
    std::thread::sleep(Duration::from_secs(3));
    office.program.run("sync").fine();
    ends_when_told(hub);
    ends_when_told(other);
}

#[test]
fn a_schedule_that_cannot_be_is_refused_with_its_place() {
    let office = office(Program::new(), "{}");
    for (schedule, parts) in [
        ("{ cron: '0 0 30 2 *' }", ["schedule", "is never"]),
        ("{ every: often }", ["schedule", "like 15m"]),
        (
            "{ cron: '* * * * *', time-zone: Berlin }",
            ["schedule", "Europe/Berlin"],
        ),
        ("{ evry: 15m }", ["evry", "every"]),
    ] {
        let refused = office.program.apply(&with(&office, schedule));
        refused.refuses(1, &parts);
    }
}

/// The schedule alone would come too late: what failed is tried again before.
#[test]
fn a_serving_hub_outlives_its_server() {
    let mut cluster = Cluster::start().unwrap();
    let program = Program::on_server(&cluster.database().unwrap());
    // Slow enough that the server is gone before the run is through.
    let office = slow_office(program, "{ every: 1h }", Duration::from_millis(100));
    let mut hub = office.program.start("serve --lease 5");
    let address = rename(&office, "Wilhelmina");
    let before = office.events.count();
    office.program.run("schedule now").fine();
    assert!(office.events.reach(before + 1, || hub.has_ended()));
    cluster.stop().unwrap();
    hub.told("a sync failed, and is tried again");
    cluster.start_again().unwrap();
    arrives(&office, &address, "Wilhelmina");
    ends_when_told(hub);
}
