//! The connector against scripted answers in the form of trytond 7.0.59.

mod account;
mod reading;
mod writing;

use crate::Tryton;
use concord_sdk::prelude::*;
use concord_sdk::testing::{FakeHost, answer, post};
use serde_json::json;

pub const URL: &str = "https://tryton.example.com/books/";
/// `Sat, 21 Nov 2026 22:39:30 GMT`: later than every row of the fixture.
pub const DATE: &str = "Sat, 21 Nov 2026 22:39:30 GMT";
pub const NOW: i64 = 1_795_300_770_000_000;

/// Every call begins by asking for the user's company.
pub fn host() -> FakeHost {
    let host = FakeHost::new()
        .with_config("base_url", "https://tryton.example.com")
        .with_config("database", "books");
    expect(&host, json!({"company": 1, "language": "en"}));
    host
}

pub fn rows() -> Value {
    let body: Value = serde_json::from_str(include_str!("../../fixtures/parties.json")).unwrap();
    body["result"].clone()
}

pub fn ann() -> Value {
    json!([rows()[0]])
}

pub fn expect(host: &FakeHost, result: Value) {
    host.expect(
        post(URL),
        answer(200)
            .header("Date", DATE)
            .json(&json!({"id": 1, "result": result})),
    );
}

pub fn expect_error(host: &FakeHost, error: Value) {
    host.expect(
        post(URL),
        answer(200).json(&json!({"id": 1, "error": error})),
    );
}

/// Method and parameters of the n-th call after that.
pub fn call(host: &FakeHost, n: usize) -> (String, Value) {
    let body: Value = serde_json::from_slice(host.sent()[n + 1].body.as_ref().unwrap()).unwrap();
    (
        body["method"].as_str().unwrap().to_owned(),
        body["params"].clone(),
    )
}

pub fn selection(mode: PullMode, page_size: u32) -> Selection {
    Selection {
        mode,
        fields: Vec::new(),
        page_size,
        window: None,
    }
}

pub fn pull(
    host: &FakeHost,
    mode: PullMode,
    size: u32,
    cursor: Option<&str>,
) -> Result<Page, Fault> {
    Tryton::pull(host, "parties", &selection(mode, size), cursor)
}
