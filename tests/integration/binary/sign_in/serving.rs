//! A sign-in that serves: through tokens that end, hubs on a server, and an end
//! and a new beginning.

use std::fs;
use std::path::Path;

use super::*;
use crate::binary::office::{email, results};

/// How the twin begins the tokens, codes and secrets that it gives.
const GIVEN: [&str; 4] = [
    "hubspot_at_",
    "hubspot_rt_",
    "hubspot_code_",
    "concord-secret",
];

fn is_clean(place: &str, bytes: &[u8]) {
    for start in GIVEN {
        let found = bytes
            .windows(start.len())
            .any(|part| part == start.as_bytes());
        assert!(!found, "'{start}…' is in {place}");
    }
}

fn files_are_clean(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        is_clean(&path.display().to_string(), &fs::read(&path).unwrap());
    }
}

fn tokens_end_and_are_renewed(program: Program) {
    let mut firm = Firm::new(program);
    firm.program.set("CONCORD_LOG", "trace");
    // Short enough to end between two syncs, long enough for one.
    firm.hubspot.act("oauth", &json!({ "access_life_s": 4 }));
    let signed_in = firm.signs_in();
    assert_eq!(signed_in["signed_in"], true);
    for line in [
        "connection check hubspot",
        "sync -vv --approve",
        "sync -vv",
        "verify",
        "secrets doctor",
        "secrets rotate",
        "export",
        "status",
        "sync -vv",
    ] {
        let ended = firm.syncs(line);
        assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
        is_clean(line, ended.document.to_string().as_bytes());
        is_clean(line, ended.stderr.as_bytes());
        std::thread::sleep(Duration::from_secs(2));
    }
    let grants = firm.grants();
    assert!(grants["refreshed"].as_u64() >= Some(2), "{grants}");
    assert_eq!(grants["live"], 1, "{grants}");
    files_are_clean(firm.program.path("").as_path());
    assert!(firm.about("hubspot")["linked"].as_i64() > Some(10));
}

#[test]
fn tokens_end_and_are_renewed_and_lie_open_nowhere() {
    tokens_end_and_are_renewed(Program::new());
}

#[test]
fn tokens_end_and_are_renewed_and_lie_open_nowhere_on_a_server() {
    let database = concord_cluster::database().unwrap();
    tokens_end_and_are_renewed(Program::on_server(&database));
    let rows = database.tell("SELECT s::text FROM secrets s").unwrap();
    assert_eq!(rows.len(), 1);
    is_clean("the table", rows.concat().as_bytes());
}

#[test]
fn a_sign_in_that_is_withdrawn_stops_its_connection_and_goes_on_where_it_stopped() {
    let firm = Firm::new(Program::new());
    firm.signs_in();
    firm.syncs("sync --approve").fine();
    firm.syncs("sync").fine();
    // A change that is owed to HubSpot when it is gone.
    let contacts = results(&firm.hubspot.look("dump/contacts"));
    let known = |member: &Value| {
        contacts
            .iter()
            .any(|contact| email(contact) == email(member))
    };
    let mut members = results(&firm.mailchimp.look("dump/members")).into_iter();
    let member = members
        .find(|member| member["status"] == "subscribed" && known(member))
        .unwrap();
    let wish = json!({
        "id": member["id"],
        "properties": { "merge_fields": { "FNAME": "Wilhelmina" } },
    });
    firm.mailchimp.act("edit", &wish);
    firm.hubspot.act("grants", &json!({ "revoke": "all" }));

    let stopped = firm.syncs("sync");
    stopped.refuses(4, &["needs sign-in", "connection login hubspot"]);
    let streams = stopped.document["streams"].as_object().unwrap();
    // The other one was read all the same.
    assert_eq!(
        streams["mailchimp/members"]["stopped"],
        Value::Null,
        "{stopped:?}"
    );
    let held = firm.about("hubspot")["held"].to_string();
    assert!(held.contains("needs sign-in"), "{held}");
    firm.program
        .run("secrets doctor")
        .refuses(2, &["needs sign-in"]);
    // Nobody is asked again before a person has signed in.
    let before = firm.grants();
    firm.syncs("sync").refuses(4, &["needs sign-in"]);
    assert_eq!(firm.grants(), before);

    firm.signs_in();
    let again = firm.syncs("sync").fine();
    // What changed within the settle time before, and not everything anew.
    let read = again["streams"]["hubspot/contacts"]["read"]["records"].as_u64();
    assert!(read < Some(contacts.len() as u64 / 2), "{again}");
    let contacts = firm.hubspot.look("dump/contacts").to_string();
    assert!(
        contacts.contains("Wilhelmina"),
        "what was owed did not arrive"
    );
    assert_eq!(firm.about("hubspot")["held"], Value::Null);
}

#[test]
fn a_sign_in_is_given_back_with_its_connection() {
    let firm = Firm::new(Program::new());
    firm.signs_in();
    // HubSpot has no address for it (RFC 7009), so the person is told.
    let out = firm.program.run("connection logout hubspot").fine();
    assert!(
        out["vendor"].to_string().contains("withdraw the app"),
        "{out}"
    );
    firm.program
        .run("connection logout hubspot")
        .refuses(1, &["nobody is signed in"]);
    firm.syncs("sync").refuses(4, &["nobody has signed in yet"]);
    firm.signs_in();
    let out = firm.program.run("connection remove hubspot").fine();
    assert!(
        out["vendor"].to_string().contains("withdraw the app"),
        "{out}"
    );
    let doctor = firm.program.run("secrets doctor").fine();
    let left = doctor["secrets"].to_string();
    assert!(!left.contains("sign-in"), "{left}");
}

#[test]
fn an_address_is_pasted_where_no_browser_can_come_back() {
    let firm = Firm::new(Program::new());
    let mut visit = Visit::begin(&firm.program, "connection login hubspot --paste");
    visit.paste(&visit::leads_to(&visit.page));
    assert_eq!(visit.end().fine()["signed_in"], true);
    firm.program.run("connection check hubspot").fine();
}
