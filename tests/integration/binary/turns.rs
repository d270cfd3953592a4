//! A hub that keeps running and reads and writes each connection at its own times.

use serde_json::Value;

use super::office::{Office, email};
use super::program::Program;
use super::serving::{arrives, ends_when_told, office, rename, runs, until, with};

const OFTEN: &str = "{ every: 2s, jitter: 0s }";

/// HubSpot is written to once an hour.
fn with_own_times(office: &Office) -> String {
    let own = "    connector: hubspot\n    schedule: { write: { every: 1h } }\n";
    with(office, OFTEN).replace("    connector: hubspot\n", own)
}

fn first_name(office: &Office, address: &str) -> Value {
    let contacts = office.contacts();
    let contact = contacts.iter().find(|contact| email(contact) == address);
    contact.unwrap()["properties"]["firstname"].clone()
}

fn some_runs_pass(office: &Office) {
    let before = runs(office);
    until("three more runs", || runs(office) >= before + 4);
}

/// The streams that the last run with an end was about.
fn streams(office: &Office) -> Vec<String> {
    let list = office.program.run("runs list").fine();
    let mut ended = list.as_array().unwrap().iter();
    let last = ended.find(|run| run["ended_at"].is_i64()).unwrap();
    let streams = last["summary"]["streams"].as_object().unwrap();
    streams.keys().cloned().collect()
}

fn each_at_its_own_times(program: Program) {
    let office = office(program, OFTEN);
    office.program.apply(&with_own_times(&office)).fine();
    let hub = office.program.start("serve --lease 8");

    let address = rename(&office, "Wilhelmina");
    some_runs_pass(&office);
    assert_ne!(first_name(&office, &address), "Wilhelmina");
    assert!(streams(&office).contains(&"mailchimp/members".to_owned()));
    let shown = office.program.run("schedule show").fine();
    let turns = shown["turns"].as_array().unwrap();
    let own: Vec<&Value> = turns.iter().filter(|turn| turn["own"] == true).collect();
    assert!(
        own.len() == 1 && own[0]["connection"] == "hubspot",
        "{shown}"
    );
    assert_eq!(own[0]["direction"], "write");
    assert!(own[0]["next"].as_i64() > shown["next"].as_i64(), "{shown}");
    let now = "schedule now --connection hubspot";
    office.program.run(now).fine();
    arrives(&office, &address, "Wilhelmina");

    // One that is paused is left alone, and the others are not.
    let pause = "schedule pause --connection mailchimp moving";
    office.program.run(pause).fine();
    let mailchimp = "schedule now --connection mailchimp";
    office
        .program
        .run(mailchimp)
        .refuses(1, &["is paused", "schedule resume"]);
    let address = rename(&office, "Clementine");
    some_runs_pass(&office);
    assert!(
        streams(&office)
            .iter()
            .all(|place| place.starts_with("hubspot/"))
    );
    office.program.run(now).fine();
    some_runs_pass(&office);
    assert_ne!(first_name(&office, &address), "Clementine");
    office
        .program
        .run("schedule resume --connection mailchimp")
        .fine();
    office.program.run("schedule now").fine();
    arrives(&office, &address, "Clementine");
    ends_when_told(hub);

    let runs = office.program.run("runs list").fine();
    let mut reasons = runs.as_array().unwrap().iter().map(|run| {
        let reason = run["summary"]["resumed"]["reason"].as_str();
        reason.unwrap_or_default().to_owned()
    });
    assert!(
        reasons.any(|reason| reason == "mailchimp paused moving"),
        "{runs}"
    );
    let unknown = "schedule pause --connection nobody";
    office
        .program
        .run(unknown)
        .refuses(1, &["'nobody'", "connection list"]);
    let never = with_own_times(&office).replace("every: 1h", "every: often");
    let place = "connections.hubspot.schedule.write";
    office
        .program
        .apply(&never)
        .refuses(1, &[place, "like 15m"]);
}

#[test]
fn each_connection_is_read_and_written_at_its_own_times() {
    each_at_its_own_times(Program::new());
}

#[test]
fn each_connection_is_read_and_written_at_its_own_times_on_a_server() {
    let database = concord_cluster::database().unwrap();
    each_at_its_own_times(Program::on_server(&database));
}
