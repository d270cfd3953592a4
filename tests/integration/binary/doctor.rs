//! `concord doctor` finds what is wrong, and says what to do.

use std::time::Duration;

use serde_json::Value;

use super::office::Office;
use super::program::Ended;

/// State of a check, at a connection or at none.
fn state<'a>(found: &'a Ended, check: &str, connection: Option<&str>) -> &'a str {
    let all = found.document.as_array().unwrap();
    let mut all = all.iter().filter(|one| one["check"] == check);
    let one = all.find(|one| one["connection"].as_str() == connection);
    one.map_or("", |one| one["state"].as_str().unwrap())
}

#[test]
fn the_doctor_finds_what_is_wrong_and_nothing_else() {
    let mut office = Office::new(30, Duration::ZERO);
    office.apply();
    let found = office.program.run("doctor");
    assert_eq!(found.code, Some(2), "{found:?}");
    assert_eq!(state(&found, "schedule", None), "warning");
    assert_eq!(state(&found, "system", Some("hubspot")), "fine");
    assert_eq!(state(&found, "clock", Some("mailchimp")), "fine");
    office.program.run("sync --approve").fine();
    let requests = office.take_writes();
    let found = office.program.run("doctor");
    assert_eq!(found.code, Some(0), "{:#}", found.document);
    assert_eq!(office.take_writes(), 0, "{requests}");

    // HubSpot's clock is not ours.
    office.hubspot.spoil(Some(|_, answer| {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        answer.headers.push(("date".into(), date.into()));
    }));
    office.program.run("schedule pause moving").fine();
    office.program.run("writes stop checking").fine();
    let found = office.program.run("doctor");
    assert_eq!(found.code, Some(2), "{:#}", found.document);
    assert_eq!(state(&found, "clock", Some("hubspot")), "warning");
    assert_eq!(state(&found, "clock", Some("mailchimp")), "fine");
    assert_eq!(state(&found, "schedule", None), "warning");
    assert_eq!(state(&found, "writes", None), "warning");

    office.hubspot.spoil(Some(|_, answer| answer.status = 403));
    office.program.unset("MAILCHIMP_TOKEN");
    let found = office.program.run("doctor");
    assert_eq!(state(&found, "system", Some("hubspot")), "broken");
    assert_eq!(state(&found, "connector", Some("mailchimp")), "broken");
    assert_eq!(state(&found, "secrets", None), "broken");
    let all = found.document.as_array().unwrap();
    let helpless = |one: &&Value| one["state"] != "fine" && one["next"].is_null();
    assert_eq!(all.iter().find(helpless), None);
    let offline = office.program.run("doctor --offline");
    assert_eq!(state(&offline, "system", Some("hubspot")), "");
    assert_eq!(state(&offline, "connector", Some("hubspot")), "fine");
    assert!(!format!("{found:?}{offline:?}").contains("the-key-to-hubspot"));
}
