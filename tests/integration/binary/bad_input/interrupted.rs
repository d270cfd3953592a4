//! Two at once, and Ctrl-C.

use std::time::Duration;

use serde_json::Value;

use super::{PEOPLE, agreed_after, recovers};
use crate::binary::office::Office;
use crate::binary::program::Running;

/// Long enough for another command to start and end while a sync runs.
const SLOW: Duration = Duration::from_millis(300);

/// A sync that has asked a system for something by now.
fn under_way(office: &Office, line: &str) -> Running {
    let events = office.events.count();
    let mut running = office.program.start(line);
    let over = || running.has_ended();
    assert!(office.events.reach(events + 2, over), "it asked nobody");
    running
}

#[test]
fn a_second_sync_is_told_who_the_first_is_and_may_look_on() {
    let office = agreed_after(SLOW);
    let running = under_way(&office, "sync --full");
    let holder = format!("concord sync, process {} on ", running.id());
    office.program.run("sync").refuses(1, &[&holder, "wait"]);
    let refused = office.program.apply(&office.config());
    refused.refuses(1, &[&holder, "wait"]);
    let status = office.program.run("status").fine();
    let shown = status["running"].as_str().unwrap_or_default();
    assert!(shown.starts_with(&holder), "{status}");
    office.program.run("conflicts list").fine();
    running.end().fine();
    recovers(&office);
}

#[test]
fn ctrl_c_ends_between_two_steps_and_the_next_sync_goes_on() {
    let office = Office::new(PEOPLE, SLOW);
    office.people_ask_for_the_newsletter();
    office.apply();
    let running = under_way(&office, "sync --approve");
    running.interrupt();
    let ended = running.end();
    ended.refuses(130, &["interrupted"]);
    assert_eq!(ended.document["interrupted"], true);
    let status = office.program.run("status").fine();
    assert_eq!(status["running"], Value::Null, "{status}");
    office.program.run("sync --approve").fine();
    recovers(&office);
}
