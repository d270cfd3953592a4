//! A run is recorded by the program and runs again from the file alone, without the
//! systems, without a secret and without its database.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use concord_connector_hubspot::HubSpot;
use concord_connector_mailchimp::Mailchimp;
use concord_sdk::testing::recorded as recorded_calls;
use concord_twins::{Request, Response};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::office::Office;
use super::program::{Ended, Program};
use crate::parts::plugins;

const PEOPLE: usize = 60;

/// Systems that send back what they were let in with, where people would look last.
fn echo(request: &Request, answer: &mut Response) {
    if let Some(secret) = request.header("authorization") {
        answer.headers.push(("x-let-in-with".into(), secret.into()));
    }
}

/// An office that has worked for a while: a first sync that writes, and one with
/// changes, conflicts and a delete.
fn recorded(mut office: Office) -> Office {
    office.hubspot.spoil(Some(echo));
    office.mailchimp.spoil(Some(echo));
    office.apply();
    office.people_ask_for_the_newsletter();
    office.program.run("sync").fine();
    office
        .program
        .run("sync --approve --record first.recording")
        .fine();
    let again = office.program.run("sync --record first.recording");
    again.refuses(1, &["overwrites nothing"]);
    office.people_work();
    office.program.run("sync --record second.recording").fine();
    // Nobody is there any more: neither systems nor secrets.
    office.hubspot.spoil(Some(|_, answer| answer.status = 500));
    office
        .mailchimp
        .spoil(Some(|_, answer| answer.status = 500));
    for token in ["HUBSPOT_TOKEN", "MAILCHIMP_TOKEN"] {
        office.program.unset(token);
    }
    office.program.set("CONCORD_DB", "nothing-is-here.db");
    office
}

fn is_identical(program: &Program, line: &str) -> Value {
    let played = program.run(line);
    let account = played.document.clone();
    assert_eq!(played.code, Some(0), "{line}: {account:#} {played:?}");
    assert_eq!(account["identical"], true, "{account:#}");
    assert_eq!(account["departures"], json!([]), "{account:#}");
    account
}

fn all_are_identical(office: &Office) {
    let first = is_identical(&office.program, "replay first.recording");
    let second = is_identical(&office.program, "replay second.recording");
    for (account, intents) in [(&first, 20), (&second, 3)] {
        let same = &account["same"];
        assert!(same["calls"].as_i64() >= Some(4), "{account}");
        assert!(same["requests"].as_i64() >= Some(4), "{account}");
        assert!(same["intents"].as_i64() >= Some(intents), "{account}");
        assert_eq!(account["plugins"], json!({}), "{account}");
    }
    println!("{} {}", first["same"], second["same"]);
    let here = office.program.path("nothing-is-here.db");
    assert!(!here.exists(), "a replay made a database");
}

#[test]
fn a_recorded_run_runs_again_byte_for_byte() {
    let office = recorded(Office::new(PEOPLE, Duration::ZERO));
    all_are_identical(&office);
}

#[test]
fn no_secret_is_in_a_recording() {
    let office = recorded(Office::new(PEOPLE, Duration::ZERO));
    for file in ["first.recording", "second.recording"] {
        let text = parts(&fs::read(office.program.path(file)).unwrap()).concat();
        assert!(text.contains("x-let-in-with") && text.contains("[secret]"));
        for secret in ["the-key-to-hubspot", "the-key-to-mailchimp"] {
            assert!(!text.contains(secret), "{secret} is in {file}");
            // In base64 at each place that it can begin at, as `Basic` has it.
            for before in 0..3 {
                let coded = STANDARD_NO_PAD.encode(["..", secret].concat().split_off(before));
                let coded = &coded[4..coded.len() - 4];
                assert!(!text.contains(coded), "{coded} is in {file}");
            }
        }
        assert!(
            !text.to_lowercase().contains("\"authorization\",\""),
            "{file}"
        );
    }
}

#[test]
fn a_recorded_run_of_a_server_runs_again_without_it() {
    let database = concord_cluster::database().unwrap();
    let program = Program::on_server(&database);
    let office = recorded(Office::with(program, PEOPLE, Duration::ZERO));
    drop(database);
    all_are_identical(&office);
}

/// The texts of all departures.
fn departures(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.document["identical"], false);
    ended.document["departures"].to_string()
}

#[test]
fn a_changed_mapping_departs_where_it_decides_otherwise() {
    let office = recorded(Office::new(PEOPLE, Duration::ZERO));
    // The same lenses as the configuration has, and a name that is only read.
    let lenses = |more: &str| {
        format!(
            "version: 1\nstreams:\n  contacts:\n    fields:\n      email_consent:\n        consent: \
             {{ path: newsletter, opted-in: [\"yes\"], opted-out: [\"no\"] }}\n{more}"
        )
    };
    fs::write(office.program.path("same.yaml"), lenses("")).unwrap();
    let other = lenses("      given_name: { path: firstname, direction: read }\n");
    fs::write(office.program.path("other.yaml"), other).unwrap();
    let same = "replay second.recording --mapping hubspot=same.yaml";
    is_identical(&office.program, same);
    let played = office
        .program
        .run("replay second.recording --mapping hubspot=other.yaml");
    let departed = departures(&played);
    assert!(departed.contains("firstname"), "{departed}");
    let refused = office
        .program
        .run("replay second.recording --mapping nobody=same.yaml");
    refused.refuses(1, &["no connection 'nobody'"]);
}

/// The three parts of a recording that is not sealed.
fn parts(bytes: &[u8]) -> [String; 3] {
    let mut rest = BufReader::new(bytes);
    std::array::from_fn(|_| {
        let mut text = String::new();
        GzDecoder::new(&mut rest).read_to_string(&mut text).unwrap();
        text
    })
}

fn packed(parts: &[String; 3]) -> Vec<u8> {
    let packed = parts.iter().map(|text| {
        let mut member = GzEncoder::new(Vec::new(), Compression::fast());
        member.write_all(text.as_bytes()).unwrap();
        member.finish().unwrap()
    });
    packed.collect::<Vec<_>>().concat()
}

/// The same events with a text put in the place of another, once, and with
/// checksums that are right again.
fn with_another(parts: &[String; 3], from: &str, to: &str) -> Vec<u8> {
    let [header, books, events] = parts;
    assert!(events.contains(from), "{from} is not in it");
    let events = events.replacen(from, to, 1);
    let mut sum = blake3::Hasher::new();
    sum.update(header.trim_end().as_bytes());
    let lines = events.as_bytes().lines().map(Result::unwrap).map(|line| {
        let (line, _) = line.rsplit_once('\t').unwrap();
        sum.update(line.as_bytes());
        format!("{line}\t{}\n", &sum.finalize().to_hex()[..16])
    });
    let events = lines.collect();
    packed(&[header.clone(), books.clone(), events])
}

#[test]
fn a_planted_difference_is_found_and_a_damaged_file_is_refused() {
    let office = recorded(Office::new(PEOPLE, Duration::ZERO));
    let program = &office.program;
    let whole = fs::read(program.path("second.recording")).unwrap();
    let replay = |bytes: &[u8]| {
        fs::write(program.path("spoilt"), bytes).unwrap();
        program.run("replay spoilt")
    };
    // One letter of an answer, in the exchange and not in what the run made of it.
    let parts = parts(&whole);
    let spoilt = with_another(&parts, "Okonkwo-Lindqvist", "Okonkwo-Lindqvisd");
    let departed = departures(&replay(&spoilt));
    assert!(departed.contains("Okonkwo-Lindqvisd"), "{departed}");
    // What is written would be another thing, and nobody knows what is said to that.
    let played = replay(&spoilt);
    assert!(
        played.document["ended"]
            .as_str()
            .unwrap()
            .contains("sync --record"),
        "{played:?}"
    );
    // The same without right checksums is no recording any more.
    let mut broken = parts.clone();
    broken[2] = broken[2].replacen("Okonkwo-Lindqvist", "Okonkwo-Lindqvisd", 1);
    replay(&packed(&broken)).refuses(1, &["damaged at line", "checksum"]);
    // Killed in the middle of the run: what is there is compared.
    let length = whole.len();
    let cut = replay(&whole[..length - 200]);
    assert_eq!(cut.code, Some(0), "{cut:?}");
    assert_eq!(cut.document["cut"], true, "{cut:?}");
    replay(&whole[..300]).refuses(1, &["ends within the books"]);
    replay(b"hello").refuses(1, &["no recording"]);
    let mut newer = parts;
    newer[0] = newer[0].replacen("\"format\":1", "\"format\":2", 1);
    replay(&packed(&newer)).refuses(1, &["newer Concord"]);
    // Nobody else on this machine reads it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(program.path("first.recording")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn recorded_calls_are_fixtures_of_their_connector() {
    let office = recorded(Office::new(PEOPLE, Duration::ZERO));
    let program = &office.program;
    let line = "plugin fixture second.recording --connection hubspot --into calls";
    let account = program.run(line).fine();
    let files = account["files"].as_array().unwrap();
    let text = |file: &Value| fs::read_to_string(program.path(file.as_str().unwrap())).unwrap();
    let all: String = files.iter().map(text).collect();
    for operation in ["pull", "push"] {
        let named = format!("\"operation\": \"{operation}\"");
        assert!(all.contains(&named), "{operation}: {account}");
    }
    assert!(!all.contains("the-key-to-hubspot"));
    let folder = program.path("calls");
    assert_eq!(recorded_calls::<HubSpot>(&folder), files.len());
    // The connector is really asked: with another answer it comes to something else.
    let spoilt = program.path("spoilt");
    fs::create_dir(&spoilt).unwrap();
    let read = files.iter().map(text);
    let mut read = read.filter(|text| text.contains("Okonkwo-Lindqvist"));
    let one: Value = serde_json::from_str(&read.next().unwrap()).unwrap();
    let mut other = one.clone();
    let exchanges = one["exchanges"].to_string();
    let exchanges = exchanges.replace("Okonkwo-Lindqvist", "Okonkwo-Lindqvisd");
    other["exchanges"] = serde_json::from_str(&exchanges).unwrap();
    fs::write(spoilt.join("1.json"), other.to_string()).unwrap();
    let departs = std::panic::catch_unwind(|| recorded_calls::<HubSpot>(&spoilt));
    let told = departs.unwrap_err();
    assert!(
        told.downcast_ref::<String>()
            .unwrap()
            .contains("it answers"),
        "{told:?}"
    );
    let unknown = program.run("plugin fixture second.recording --connection hubspto --into more");
    unknown.refuses(1, &["no connection 'hubspto' was recorded", "hubspot"]);
}

/// The words of people, long enough not to be anything else by chance.
fn words_of(records: &[Value], into: &mut BTreeSet<String>) {
    let mut left: Vec<&Value> = records.iter().collect();
    while let Some(value) = left.pop() {
        match value {
            Value::Array(all) => left.extend(all),
            Value::Object(all) => left.extend(all.values()),
            Value::String(text) => into.extend(words(text)),
            _ => {}
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|char: char| !char.is_alphanumeric());
    let words = words.filter(|word| word.chars().count() >= 5);
    words.map(str::to_lowercase)
}

#[test]
fn masked_fixtures_name_nobody_and_hold() {
    let office = recorded(Office::new(PEOPLE, Duration::ZERO));
    let program = &office.program;
    let mut private = BTreeSet::new();
    for contact in office.contacts() {
        let told = ["email", "firstname", "lastname", "phone", "company", "city"];
        let told = told.map(|name| contact["properties"][name].clone());
        words_of(&told, &mut private);
    }
    for member in office.members() {
        let told = ["email_address", "full_name", "merge_fields"];
        words_of(&told.map(|name| member[name].clone()), &mut private);
    }
    // Where everybody's addresses are.
    for everybodys in ["example", "gmail", "googlemail"] {
        private.remove(everybodys);
    }
    assert!(private.len() > 2 * PEOPLE, "{private:?}");
    for connection in ["hubspot", "mailchimp"] {
        for recording in ["first", "second"] {
            let into = format!("{recording}-{connection}");
            let line = format!("plugin fixture {recording}.recording --connection {connection}");
            let plain = program.run(&format!("{line} --into plain-{into}")).fine();
            let masked = format!("{line} --masked --into masked-{into}");
            let masked = program.run(&masked).fine();
            assert_eq!(masked["otherwise"], 0, "{masked}");
            let text = |account: &Value| -> String {
                let files = account["files"].as_array().unwrap().iter();
                let files = files.map(|file| program.path(file.as_str().unwrap()));
                files
                    .map(|file| fs::read_to_string(file).unwrap())
                    .collect()
            };
            let (plain, text) = (text(&plain), text(&masked));
            let named = |text: &str| words(text).filter(|word| private.contains(word)).count();
            let (before, after) = (named(&plain), named(&text));
            assert!(before > 50, "{into}: {before}");
            let named = words(&text).filter(|word| private.contains(word));
            assert_eq!(after, 0, "{into}: {:?}", named.collect::<BTreeSet<_>>());
            // What belongs to nobody is still there.
            for kept in ["\"pull\"", "exchanges", "127.0.0.1"] {
                assert!(text.contains(kept), "{into}: {kept}");
            }
            // What was different is, and what was the same.
            let shape = |text: &str| -> Vec<String> {
                let plain = ["\"operation\"", "\"method\"", "\"status\": "];
                let lines = text.lines().map(str::trim);
                let lines = lines.filter(|line| plain.iter().any(|name| line.starts_with(name)));
                lines.map(str::to_owned).collect()
            };
            assert_eq!(shape(&plain), shape(&text), "{into}");
            let folder = program.path(&format!("masked-{into}"));
            let calls = masked["files"].as_array().unwrap().len();
            let hold = match connection {
                "hubspot" => recorded_calls::<HubSpot>(&folder),
                _ => recorded_calls::<Mailchimp>(&folder),
            };
            assert_eq!(hold, calls, "{into}");
        }
    }
    // It is asked again, so it has to be the one that was recorded.
    let other = program.path("other");
    fs::create_dir(&other).unwrap();
    let mut component = fs::read(plugins().join("hubspot.wasm")).unwrap();
    // A section of its own, of one letter and one byte.
    component.extend([0, 3, 1, b'x', b'y']);
    fs::write(other.join("hubspot.wasm"), component).unwrap();
    let line = "plugin fixture second.recording --connection hubspot --masked --into more";
    let refused = program.run(&format!("--plugins other {line}"));
    refused.refuses(1, &["is not the connector that was recorded", "--plugins"]);
    assert!(!program.path("more").exists());
}
