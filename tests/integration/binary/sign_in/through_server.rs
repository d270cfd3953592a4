//! Browsers that come back to the hub that serves, and the command that waits for
//! what comes of it.

use super::refused::moved;
use super::*;
use crate::binary::program::Running;

/// A firm whose app names an address of the hub, and that address.
fn firm(program: Program) -> (Firm, String) {
    let firm = Firm::new(program);
    let address = format!("127.0.0.1:{}", visit::port());
    let config = moved(&firm.config(""), &format!("http://{address}/oauth"));
    firm.program
        .apply(&format!("schedule: {{ every: 1h }}\n{config}"))
        .fine();
    (firm, address)
}

fn serving(firm: &Firm, address: &str) -> Running {
    let line = format!("serve --lease 5 --listen {address}");
    let mut hub = firm.program.start(&line);
    hub.told("listening at");
    hub
}

fn begin(firm: &Firm) -> Visit {
    Visit::begin(&firm.program, "connection login hubspot --through-server")
}

/// What the browser is shown of an address that belongs to no sign-in.
fn is_turned_away(address: &str) {
    let (status, page) = visit::open(address);
    assert_eq!(status, 400, "{page}");
    assert!(page.contains("is over, or is not known here"), "{page}");
}

fn a_hub_that_serves_takes_browsers_back(program: Program) {
    let (firm, address) = firm(program);
    // The hub may be started after the command.
    let visit = begin(&firm);
    let hub = serving(&firm, &address);
    is_turned_away(&format!("http://{address}/oauth/callback?code=c&state=s"));
    is_turned_away(&format!("http://{address}/oauth/callback"));
    let doctor = firm.program.run("secrets doctor");
    doctor.refuses(2, &["nobody has signed in yet"]);
    assert!(!format!("{doctor:?}").contains("under-way"), "{doctor:?}");

    let back = visit::leads_to(&visit.page);
    let (status, page) = visit::open(&back);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("'hubspot' is signed in"), "{page}");
    assert_eq!(visit.end().fine()["signed_in"], true);
    firm.program.run("connection check hubspot").fine();
    // Whoever has the address again does nothing with it: a code that is used twice
    // ends the sign-in at a strict vendor.
    is_turned_away(&back);
    assert_eq!(firm.grants()["live"], 1);
    firm.program.run("connection check hubspot").fine();
    firm.program.run("secrets doctor").fine();

    hub.signal(rustix::process::Signal::TERM);
    assert_eq!(hub.end().code, Some(0));
}

#[test]
fn a_hub_takes_browsers_back() {
    a_hub_that_serves_takes_browsers_back(Program::new());
}

#[test]
fn a_hub_takes_browsers_back_on_a_server() {
    let database = concord_cluster::database().unwrap();
    a_hub_that_serves_takes_browsers_back(Program::on_server(&database));
}

#[test]
fn whoever_waits_at_the_terminal_hears_why_it_failed_and_what_was_ended_stays_ended() {
    let (firm, address) = firm(Program::new());
    let hub = serving(&firm, &address);
    let outage = json!({ "count": 1, "status": 503, "path": "/token" });
    firm.hubspot.act("fail", &outage);
    let visit = begin(&firm);
    let (status, page) = visit::open(&visit.page);
    assert_eq!(status, 400);
    assert!(page.contains("503"), "{page}");
    visit.end().refuses(1, &["cannot be asked", "503"]);

    // Two at once: the later one counts, and the first is told so.
    let (first, second) = (begin(&firm), begin(&firm));
    first.end().refuses(1, &["another sign-in was begun"]);
    let late = visit::leads_to(&second.page);
    second.interrupt();
    second.end().refuses(130, &["interrupted"]);
    is_turned_away(&late);
    assert_eq!(firm.grants()["grants"], 0);

    // Signing out ends what is under way.
    let visit = begin(&firm);
    visit::open(&visit.page);
    visit.end().fine();
    let visit = begin(&firm);
    let back = visit::leads_to(&visit.page);
    firm.program.run("connection logout hubspot").fine();
    is_turned_away(&back);
    visit.end().refuses(1, &["ended"]);

    // An address at which no hub takes anybody back is named before anybody waits.
    let elsewhere = moved(&firm.config(""), "http://127.0.0.1:9");
    firm.program.apply(&elsewhere).fine();
    let line = "connection login hubspot --through-server";
    let refused = firm.program.run(line);
    refused.refuses(1, &["http://127.0.0.1:9/callback", "/oauth/callback"]);
    drop(hub);
}
