//! Real third-party servers, installed and started here.
//!
//! Ignored by default, since their packages come from the network;
//! `cargo xtask test --real` runs them.

mod agreement;
mod bed;
mod browser;
mod conformance;
mod hubs;
mod node;
mod oidc;
mod process;
mod program;
mod proxy;
mod python;
mod radicale;
mod sign_in;
pub mod signed_in;
mod tryton;

use std::path::{Path, PathBuf};

use serde_json::json;

use radicale::Radicale;
use tryton::Tryton;

/// The files of a system below `tests/real`.
fn files(system: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("real")
        .join(system)
}

#[test]
#[ignore = "installs and starts Radicale: cargo xtask test --real"]
fn radicale_keeps_its_cards_over_a_restart() {
    let mut radicale = Radicale::start().unwrap();
    let ann = json!([{"uid": "u1", "given": "Ann", "family": "Lee", "email": "ann@example.com"}]);
    radicale.people("add", &ann).unwrap();
    let before = radicale.people("list", &json!([])).unwrap();
    let first = radicale.server.pid();
    radicale.server.restart().unwrap();
    assert_ne!(radicale.server.pid(), first);
    assert_eq!(radicale.people("list", &json!([])).unwrap(), before);
    assert_eq!(before[0]["emails"], json!(["ann@example.com"]));
}

#[test]
#[ignore = "installs and starts Tryton: cargo xtask test --real"]
fn tryton_keeps_its_parties_over_a_restart() {
    let mut tryton = Tryton::start().unwrap();
    let ann =
        json!([{"name": "Ann Lee", "email": "ann@example.com", "city": "Bern", "country": "CH"}]);
    let ids = tryton.people("add", &ann).unwrap();
    let before = tryton.people("list", &json!([])).unwrap();
    let first = tryton.server.pid();
    tryton.server.restart().unwrap();
    assert_ne!(tryton.server.pid(), first);
    assert_eq!(tryton.people("list", &json!([])).unwrap(), before);
    assert_eq!(
        before.as_array().unwrap().len(),
        1,
        "the company's own party is archived"
    );
    let numbers = tryton
        .people("invoice", &json!([{"party": ids[0], "amount": "12.50"}]))
        .unwrap();
    assert_eq!(numbers, json!(["1"]));
}
