//! Systems that refuse, are not there, or answer with half a page.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use concord_twins::{Request, Response};
use serde_json::{Value, json};

use super::{agreed, recovers};
use crate::binary::office::{self, Office};
use crate::binary::program::Ended;

/// HubSpot's part of the run is stopped with this reason, Mailchimp's is not,
/// and neither has changed but for the edit that waits.
fn stops_hubspot_alone(office: &Office, ended: &Ended, expect: &[&str]) {
    ended.refuses(4, expect);
    let streams = &ended.document["streams"];
    let read = &streams["mailchimp/members"]["read"]["records"];
    assert!(read.as_u64() > Some(0), "{ended:?}");
    assert_eq!(streams["mailchimp/members"]["stopped"], Value::Null);
    assert!(streams["hubspot/contacts"]["stopped"].is_string());
    let said = format!("{ended:?}");
    assert!(!said.contains("the-key-to"), "a secret is shown: {said}");
    assert_eq!(office.take_writes(), 0);
}

/// Somebody edits a member, so that there is something to carry on.
fn edited(office: &Office) -> Vec<String> {
    let member = office.members().remove(0);
    let properties = json!({"merge_fields": {"LNAME": "Lindqvist"}});
    office.mailchimp.act(
        "edit",
        &json!({"id": member["id"], "properties": properties}),
    );
    office.take_writes();
    office.holdings()
}

#[test]
fn a_wrong_secret() {
    let office = agreed();
    office.hubspot.act("token", &json!({"token": "another"}));
    let before = edited(&office);
    let ended = office.program.run("sync");
    stops_hubspot_alone(&office, &ended, &["hubspot", "sign-in", "valid secret"]);
    assert_eq!(office.holdings(), before);
    let check = office.program.run("connection check hubspot");
    check.refuses(1, &["sign-in", "valid secret"]);
    office.hubspot.act("token", &json!({"token": null}));
    recovers(&office);
}

#[test]
fn a_secret_whose_variable_is_not_set() {
    let mut office = agreed();
    let before = edited(&office);
    office.program.unset("HUBSPOT_TOKEN");
    let ended = office.program.run("sync");
    stops_hubspot_alone(&office, &ended, &["'token'", "HUBSPOT_TOKEN", "not set"]);
    assert_eq!(office.holdings(), before);
    let held = |office: &Office| {
        let status = office.program.run("status").fine();
        let all = status["connections"].as_array().unwrap().clone();
        let hubspot = all.into_iter().find(|c| c["name"] == "hubspot").unwrap();
        hubspot["held"].clone()
    };
    assert!(held(&office).as_str().unwrap().contains("HUBSPOT_TOKEN"));
    office.program.set("HUBSPOT_TOKEN", "the-key-to-hubspot");
    recovers(&office);
    assert_eq!(held(&office), Value::Null);
}

/// Applies the configuration with HubSpot at another address.
fn move_hubspot(office: &Office, url: &str) {
    let config = office.config().replace(&office.hubspot.url, url);
    office.program.apply(&config).fine();
}

#[test]
fn a_host_that_is_not_there() {
    let office = agreed();
    let before = edited(&office);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    move_hubspot(&office, &url);
    let ended = office.program.run("sync");
    stops_hubspot_alone(
        &office,
        &ended,
        &["hubspot", "Connection refused", "next sync tries again"],
    );
    assert_eq!(office.holdings(), before);
    office.apply();
    recovers(&office);
}

/// Promises a longer body than it sends.
fn cut_short(mut stream: TcpStream) -> std::io::Result<()> {
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        seen.extend_from_slice(&part[..read]);
    }
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n\
          {\"results\":[{\"id\":\"1\",\"properties\":{\"email\":\"ann@exam",
    )
}

#[test]
fn a_page_that_is_cut_off() {
    let office = agreed();
    let before = edited(&office);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that went away has its answer.
            let _ = cut_short(stream);
        }
    });
    move_hubspot(&office, &url);
    let known = office.program.run("status").fine()["counts"]["entities"].clone();
    // Also where everything is read: half a list takes nobody away.
    let ended = office.program.run("sync --full");
    stops_hubspot_alone(
        &office,
        &ended,
        &["hubspot", "end of file", "next sync tries again"],
    );
    assert_eq!(office.holdings(), before);
    let status = office.program.run("status").fine();
    assert_eq!(status["counts"]["entities"], known);
    office.apply();
    recovers(&office);
}

/// The first record of a page of contacts is not what it should be.
fn malform(request: &Request, answer: &mut Response) {
    if !request.path.contains("/contacts") {
        return;
    }
    let mut body = answer.value();
    let first = body
        .get_mut("results")
        .and_then(|results| results.get_mut(0));
    if let Some(first) = first {
        first["properties"] = json!("not an object");
        answer.body = serde_json::to_vec(&body).unwrap();
    }
}

#[test]
fn a_page_with_one_malformed_record() {
    let office = Office::new(super::PEOPLE, std::time::Duration::ZERO);
    office.apply();
    office.hubspot.spoil(Some(malform));
    let report = office.program.run("sync").fine();
    let read = &report["streams"]["hubspot/contacts"]["read"];
    assert_eq!(read["new"], office.contacts().len() - 1, "{read}");
    let quarantined = office.program.run("status").fine()["quarantined"].clone();
    let quarantined = quarantined.as_array().unwrap();
    assert_eq!(quarantined.len(), 1, "{quarantined:?}");
    let shown = quarantined[0].to_string();
    assert!(shown.contains("fields are not an object"), "{shown}");
    // Whole again, it is taken in like the others.
    office.hubspot.spoil(None);
    office.program.run("sync --full --approve").fine();
    let status = office.program.run("status").fine();
    assert_eq!(status["quarantined"], json!([]));
    recovers(&office);
}

#[test]
fn the_url_of_an_account_that_is_none() {
    let office = agreed();
    let config = office::config("not a URL", &office.mailchimp.url, "");
    let refused = office.program.apply(&config);
    refused.refuses(1, &["connections.hubspot.config.base_url", "not a URL"]);
    recovers(&office);
}
