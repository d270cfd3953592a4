//! What a command says on standard error, for programs that collect it.

use std::time::Duration;

use serde_json::Value;

use super::office::Office;

fn lines(text: &str) -> Vec<Value> {
    let read = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| {
            panic!("{line:?} is no document: {error}");
        })
    };
    text.lines().map(read).collect()
}

#[test]
fn each_line_is_a_document_that_names_its_run() {
    let office = Office::new(3, Duration::ZERO);
    // Nobody listens at the port that is for discarding.
    let config = office
        .config()
        .replace(&office.hubspot.url, "http://127.0.0.1:9");
    office.program.apply(&config).fine();
    let ended = office.program.run("--log-format json sync --approve");
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let lines = lines(&ended.stderr);
    let stopped = lines
        .iter()
        .find(|line| line["fields"]["stream"] == "hubspot/contacts");
    let stopped = stopped.unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(stopped["level"], "ERROR");
    assert_eq!(stopped["span"]["name"], "run");
    assert_eq!(stopped["span"]["id"], ended.document["run"]);
    assert!(stopped["timestamp"].is_string(), "{stopped}");
}

#[test]
fn a_command_that_fails_says_so_in_one_document() {
    let office = Office::new(3, Duration::ZERO);
    let ended = office
        .program
        .run("--log-format json apply -f missing.yaml");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let lines = lines(&ended.stderr);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["level"], "ERROR");
    let message = lines[0]["fields"]["message"].as_str().unwrap();
    assert!(message.contains("missing.yaml"), "{message}");
}
