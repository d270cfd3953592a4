//! `concord writes stop` holds for whoever runs now and whoever runs later, and
//! loses nothing.

use std::time::Duration;

use serde_json::Value;

use super::office::Office;
use super::program::Program;

const PEOPLE: usize = 120;
const LATENCY: Duration = Duration::from_millis(30);

fn is_at_work(office: &Office) -> bool {
    office.hubspot.take_writes() + office.mailchimp.take_writes() > 0
}

fn writes_stop_in_the_middle(program: Program) {
    let office = Office::with(program, PEOPLE, LATENCY);
    office.apply();
    office.people_ask_for_the_newsletter();
    let program = &office.program;
    program.run("sync").fine();
    assert_eq!(office.take_writes(), 0);
    let mut sync = program.start("sync --approve");
    while !is_at_work(&office) {
        assert!(!sync.has_ended(), "it wrote before anybody looked");
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = program.run("writes stop checking-the-numbers").fine();
    assert_eq!(told["stopped"]["reason"], "checking-the-numbers");
    let ended = sync.end();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let why = &ended.document["writes_stopped"]["reason"];
    assert_eq!(why, "checking-the-numbers", "{ended:?}");
    // What was on its way then is finished, and nothing else begun.
    office.take_writes();
    assert!(ended.document["open"].as_u64() > Some(0), "{ended:?}");
    // Reading goes on, and nothing else.  Whose write waits is taken in when that is
    // settled, so how many count as changed depends on where the sync was stopped.
    office.people_work();
    let report = program.run("sync").document;
    assert_eq!(report["writes"], 0, "{report:#}");
    assert_eq!(report["writes_stopped"]["reason"], "checking-the-numbers");
    assert!(report["streams"]["hubspot/contacts"]["read"]["records"].as_u64() > Some(0));
    assert_eq!(office.take_writes(), 0);
    let status = program.run("status").fine();
    assert_eq!(status["writes_stopped"]["reason"], "checking-the-numbers");
    let run = report["run"].as_i64().unwrap() - 1;
    program.run(&format!("undo {run}")).refuses(
        1,
        &["all writes are stopped since", "concord writes resume"],
    );
    assert_eq!(office.take_writes(), 0);

    assert_eq!(program.run("writes resume").fine()["stopped"], Value::Null);
    program
        .run("writes resume")
        .refuses(1, &["writes are not stopped"]);
    let report = program.run("sync").fine();
    assert!(report["writes"].as_u64() > Some(0), "{report:#}");
    let report = program.run("sync").fine();
    assert_eq!(report["writes"], 0, "{report:#}");
    assert_eq!(office.doubled(), Vec::<String>::new());
    assert_eq!(program.run("verify").code, Some(0));
}

#[test]
fn one_switch_stops_all_writes_in_the_middle_of_a_sync() {
    writes_stop_in_the_middle(Program::new());
}

#[test]
fn one_switch_stops_all_writes_of_all_hubs_on_a_server() {
    let database = concord_cluster::database().unwrap();
    writes_stop_in_the_middle(Program::on_server(&database));
}
