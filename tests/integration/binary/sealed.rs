//! Secrets that the database keeps: they serve a sync, lie open nowhere, and a
//! key can be changed under them.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_twins::{Request, Response};
use serde_json::json;

use super::office::Office;
use super::program::Program;

const PEOPLE: usize = 30;
/// Found nowhere else, and with what URLs, JSON and base64 would change.
const CANARY: &str = "canary/5e2c+91\"ab&==kept";
/// A part that none of them changes.
const PIECE: &str = "5e2c";

/// Whoever comes without the canary is sent away.
fn only_with_the_canary(request: &Request, answer: &mut Response) {
    let is_known = request.header("authorization") == Some(&format!("Bearer {CANARY}"));
    if !is_known && !request.path.starts_with("/_twin") {
        *answer = Response::json(401, &json!({"message": "who are you?"}));
    }
}

/// Two systems that take the canary only; the key is made, the secrets are not
/// given yet.
fn office(program: Program, latency: Duration) -> Office {
    let mut office = Office::with(program, PEOPLE, latency);
    office.hubspot.spoil(Some(only_with_the_canary));
    office.mailchimp.spoil(Some(only_with_the_canary));
    office.program.unset("HUBSPOT_TOKEN");
    office.program.unset("MAILCHIMP_TOKEN");
    office.program.run("key make concord.key").fine();
    office.program.set("CONCORD_KEY", "concord.key");
    let config = office.config();
    let config = config.replace("{ env: HUBSPOT_TOKEN }", "sealed");
    let config = config.replace("{ env: MAILCHIMP_TOKEN }", "sealed");
    office.program.apply(&config).fine();
    office
}

fn give(program: &Program) {
    for line in ["secrets set hubspot token", "secrets set mailchimp token"] {
        let given = program.run_with_input(line, &format!("{CANARY}\n"));
        assert_eq!(given.code, Some(0), "{given:?}");
    }
}

/// The canary as it is, and as others would write it.
fn forms() -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = [CANARY, PIECE, "canary%2F5e2c", "canary\\/5e2c"]
        .iter()
        .map(|form| form.as_bytes().to_vec())
        .collect();
    // In base64 at each place that it can begin at; what its neighbours have a
    // part in is cut off.
    for before in 0..3 {
        let coded = STANDARD.encode([&b"..."[..before], CANARY.as_bytes()].concat());
        forms.push(coded.as_bytes()[4..24].to_vec());
    }
    let hex = CANARY.bytes().map(|byte| format!("{byte:02x}"));
    forms.push(hex.collect::<String>().into_bytes());
    forms
}

fn is_clean(place: &str, bytes: &[u8]) {
    for form in forms() {
        let found = bytes.windows(form.len()).any(|part| part == form);
        let form = String::from_utf8_lossy(&form);
        assert!(!found, "'{form}' is in {place}");
    }
}

/// Every file, however deep, and how many there were.
fn files_are_clean(folder: &Path) -> usize {
    let mut searched = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            searched += files_are_clean(&path);
        } else {
            is_clean(&path.display().to_string(), &fs::read(&path).unwrap());
            searched += 1;
        }
    }
    searched
}

/// A backup that is not sealed holds every table as text.
fn backup_is_clean(program: &Program, name: &str) {
    let bytes = fs::read(program.path(name)).unwrap();
    let mut text = Vec::new();
    let mut unpacked = flate2::read::MultiGzDecoder::new(&bytes[..]);
    unpacked.read_to_end(&mut text).unwrap();
    let held = text.windows(9).any(|part| part == b"\"secrets\"");
    assert!(held, "the sealed secrets are not in the backup");
    is_clean(name, &text);
}

fn the_canary_is_nowhere(program: Program) {
    let mut office = office(program, Duration::ZERO);
    office.program.set("CONCORD_LOG", "trace");
    give(&office.program);
    office.people_ask_for_the_newsletter();
    for line in [
        "sync -vv --approve --record first.recording",
        "sync -vv --record second.recording",
        "status",
        "plan --save plan.json",
        "verify",
        "connection list",
        "connection check hubspot",
        "connection check mailchimp",
        "conflicts list",
        "matches list",
        "dead-letters list",
        "holds list",
        "secrets doctor",
        "export",
        "secrets rotate",
    ] {
        let ended = office.program.run(line);
        assert!(matches!(ended.code, Some(0 | 2)), "{line}: {ended:?}");
        is_clean(line, ended.document.to_string().as_bytes());
        is_clean(line, ended.stderr.as_bytes());
    }
    // Both systems were really asked with it, or nothing would have been read.
    let status = office.program.run("status").fine();
    for connection in status["connections"].as_array().unwrap() {
        assert!(connection["linked"].as_i64() > Some(10), "{status}");
    }
    // Without the key, and where the systems send it away.
    office.program.set("CONCORD_KEY", "no-such.key");
    let held = office.program.run("sync -vv");
    held.refuses(4, &["no-such.key", "cannot be read"]);
    office.program.unset("CONCORD_KEY");
    let sealed = office.program.run("replay first.recording");
    sealed.refuses(1, &["is sealed", "--key"]);
    let backup = office.program.run("backup open.backup").fine();
    assert_eq!(backup["sealed"], false);
    backup_is_clean(&office.program, "open.backup");
    office.program.set("CONCORD_KEY", "concord.key");
    office.hubspot.spoil(Some(|_, answer| {
        *answer = Response::json(401, &json!({"message": "who are you?"}));
    }));
    let refused = office.program.run("sync -vv");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    for said in [held, refused] {
        is_clean(
            "an error",
            format!("{} {}", said.document, said.stderr).as_bytes(),
        );
    }
    let searched = files_are_clean(office.program.path("").as_path());
    assert!(searched >= 4, "{searched}");
}

#[test]
fn a_sealed_secret_serves_and_is_found_nowhere() {
    the_canary_is_nowhere(Program::new());
}

#[test]
fn a_sealed_secret_serves_and_is_found_nowhere_on_a_server() {
    let database = concord_cluster::database().unwrap();
    the_canary_is_nowhere(Program::on_server(&database));
    let rows = database.tell("SELECT s::text FROM secrets s").unwrap();
    assert_eq!(rows.len(), 2);
    is_clean("the table", rows.concat().as_bytes());
}

#[test]
fn what_cannot_be_sealed_or_opened_is_told_with_the_next_step() {
    let mut office = office(Program::new(), Duration::ZERO);
    let set = |program: &Program, line: &str, text: &str| {
        program.run_with_input(&format!("secrets set {line}"), text)
    };
    let program = &office.program;
    // Nothing is given yet: the connections do not run and say so.
    program.run("sync").refuses(4, &["concord secrets set"]);
    let found = program.run("secrets doctor");
    found.refuses(2, &["hubspot", "not here yet"]);
    set(program, "hubspot token", "\n").refuses(1, &["no secret was given"]);
    set(program, "hubspot token", &"x".repeat(70_000)).refuses(1, &["at most 65536 bytes"]);
    set(program, "hubspot tokn", CANARY).refuses(1, &["takes no sealed secret 'tokn'"]);
    set(program, "hubspt token", CANARY).refuses(1, &["hubspt"]);
    program
        .run("secrets remove hubspot token")
        .refuses(1, &["keeps no secret"]);
    program
        .run("secrets rotate")
        .refuses(1, &["nothing to rotate"]);
    give(program);
    program.run("connection check hubspot").fine();

    // Another database's key, none, one in pieces.
    program.run("key make other.key").fine();
    office.program.set("CONCORD_KEY", "other.key");
    let found = office.program.run("secrets doctor");
    found.refuses(2, &["sealed with the key", "and other.key holds"]);
    office
        .program
        .run("sync")
        .refuses(4, &["and other.key holds"]);
    office
        .program
        .run("secrets rotate")
        .refuses(1, &["other.key"]);
    fs::write(office.program.path("other.key"), "CONCORD-KEY-1 c2hvcnQ=\n").unwrap();
    office
        .program
        .run("sync")
        .refuses(4, &["other.key holds no key"]);
    office.program.unset("CONCORD_KEY");
    office
        .program
        .run("sync")
        .refuses(4, &["no key is named", "--key"]);
    set(&office.program, "hubspot token", CANARY).refuses(1, &["no key is named"]);

    // The key itself in the environment.
    let key = fs::read_to_string(office.program.path("concord.key")).unwrap();
    let line = key.lines().last().unwrap().to_owned();
    office.program.set("CONCORD_KEY", &line);
    office.program.run("sync").fine();
    let refused = office.program.run("secrets rotate");
    refused.refuses(1, &["put it into a file"]);
    assert!(!refused.stderr.contains(&line[15..]), "{refused:?}");
}

#[test]
fn a_key_is_changed_while_a_sync_runs_and_after_it_was_cut_short() {
    let office = office(Program::new(), Duration::from_millis(20));
    let program = &office.program;
    give(program);
    let before = fs::read_to_string(program.path("concord.key")).unwrap();
    let sync = program.start("sync --approve");
    let rotated = program.run("secrets rotate").fine();
    assert_eq!(rotated["sealed"], 2, "{rotated}");
    assert_eq!(rotated["went_on"], false, "{rotated}");
    sync.end().fine();
    program.run("sync").fine();
    let found = program.run("secrets doctor").fine();
    assert_eq!(found["secrets"][0]["key"], rotated["key"]);
    assert_eq!(found["idle_keys"].as_array().unwrap().len(), 1, "{found}");

    // A backup that the key before has sealed opens with the file of today, and
    // its secrets with it.
    fs::write(program.path("old.key"), &before).unwrap();
    program.run("backup --key old.key old.backup").fine();
    let restored = program.run("--db restored.db restore old.backup").fine();
    assert_eq!(restored["missing_secrets"], json!([]), "{restored}");
    program.run("--db restored.db sync").fine();

    // Killed between the new key and the first secret: what the file holds then.
    let now = fs::read_to_string(program.path("concord.key")).unwrap();
    program.run("key make next.key").fine();
    let next = fs::read_to_string(program.path("next.key")).unwrap();
    fs::write(program.path("concord.key"), format!("{next}{now}")).unwrap();
    program.run("sync").fine();
    let rotated = program.run("secrets rotate").fine();
    assert_eq!(rotated["went_on"], true, "{rotated}");
    assert_eq!(rotated["sealed"], 2, "{rotated}");
    // With the last key alone everything opens.
    program.run("--key next.key sync").fine();
}
