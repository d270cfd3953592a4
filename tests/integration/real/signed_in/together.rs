//! Three hubs and somebody who checks, all on the same sign-ins, for minutes of
//! tokens that live five seconds.

use std::time::Duration;

use concord_core::ports::Clock as _;
use concord_engine::clock::SystemClock;
use serde_json::json;

use super::*;
use crate::binary::office::{email, results};
use crate::real::oidc::{Counts, SERVICE};

const HUBS: usize = 3;
const ACCESS_SECONDS: u32 = 5;

/// Tokens that no hub was given reach nothing behind the guard.
fn only_good_tokens_are_let_in(firm: &Firm) {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "contacts.read"),
    ];
    let (_, foreign) = firm.oidc.ask("token_endpoint", &SERVICE, &form);
    let foreign = foreign["access_token"].as_str().unwrap();
    let url = format!("{}/crm/objects/2026-03/contacts", firm.hubspot.url);
    for token in [foreign, "no-token-at-all"] {
        let asked = agent()
            .get(&url)
            .header("authorization", format!("Bearer {token}"));
        assert_eq!(asked.call().unwrap().status(), 401, "{token}");
    }
    assert_eq!(agent().get(&url).call().unwrap().status(), 401);
}

/// Somebody changes a title at HubSpot.
fn edit(firm: &Firm, number: u64) {
    let mut contacts = results(&firm.hubspot.look("dump/contacts"));
    contacts.retain(|contact| !email(contact).is_empty());
    let contact = &contacts[number as usize % contacts.len()];
    let properties = json!({ "firstname": format!("Ann{number}") });
    let wish = json!({ "id": contact["id"], "properties": properties });
    firm.hubspot.act("edit", &wish);
}

#[test]
#[ignore = "takes a minute and installs oidc-provider: cargo xtask test --real"]
fn three_hubs_stay_signed_in_at_a_server_that_takes_each_token_once() {
    check(40);
}

/// For so many seconds.
pub fn check(seconds: u64) {
    let firm = Firm::open(ACCESS_SECONDS);
    firm.signs_in("hubspot");
    firm.enters_the_code("mailchimp");
    only_good_tokens_are_let_in(&firm);
    firm.start("sync --approve").end().fine();

    let lines = [
        "sync --approve --lease 10",
        "sync --approve --lease 10",
        "sync --approve --lease 10",
        "connection check hubspot",
    ];
    assert_eq!(lines.len(), HUBS + 1);
    let clock = SystemClock::new();
    let start = clock.monotonic();
    let mut running: Vec<Running> = lines.iter().map(|line| firm.start(line)).collect();
    let (mut ended, mut edits) = (0, 0);
    while clock.monotonic() - start < Duration::from_secs(seconds) {
        for (hub, line) in running.iter_mut().zip(lines) {
            if hub.has_ended() {
                let old = std::mem::replace(hub, firm.start(line));
                old.end().fine();
                ended += 1;
            }
        }
        if (clock.monotonic() - start).as_secs() / 10 > edits {
            edit(&firm, edits);
            edits += 1;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for hub in running {
        hub.end().fine();
    }
    let counts = firm.oidc.counts().unwrap();
    println!("signed in for {seconds} s: {ended} commands, {edits} edits, {counts:?}");
    let Counts {
        refreshed,
        refused,
        reused,
        revoked,
    } = counts;
    assert_eq!((refused, reused, revoked), (0, 0, 0));
    // Two sign-ins whose tokens are renewed every four seconds while they are used.
    assert!(refreshed > seconds / 5, "{refreshed} refreshes");
    for _ in 0..3 {
        firm.start("sync").end().fine();
    }
    firm.start("verify").end().fine();
}
