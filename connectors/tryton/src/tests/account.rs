//! Looking for parties, invoices, the check, the manifest.

use concord_sdk::prelude::*;
use serde_json::json;

use super::{ann, call, expect, expect_error, host, selection};
use crate::Tryton;

#[test]
fn a_party_is_found_by_its_values_and_nothing_less() {
    let find = |values: Value| {
        let host = host();
        expect(&host, ann());
        let found = Tryton::find(&host, "parties", values.as_object().unwrap(), &[]).unwrap();
        (found.len(), call(&host, 0).1[0].clone())
    };
    let mechanisms = json!([{"type": "email", "value": "ann@example.com"}, {"type": "phone", "value": "+49 30 123456"}]);
    let (found, domain) = find(json!({"name": "Ann Lee", "contact_mechanisms": mechanisms}));
    assert_eq!(found, 1);
    assert_eq!(
        domain,
        json!([
            ["active", "=", true],
            ["name", "=", "Ann Lee"],
            ["contact_mechanisms.value", "=", "ann@example.com"]
        ])
    );
    assert_eq!(
        find(json!({"name": "Ann Lee", "contact_mechanisms": []})).0,
        0
    );
    assert_eq!(
        find(json!({"name": "Ann Lee", "address": {"city": "Berlin"}})).0,
        1
    );
    assert_eq!(
        find(json!({"name": "Ann Lee", "address": {"city": "Bern"}})).0,
        0
    );
}

#[test]
fn invoices_are_only_read() {
    let host = host();
    let body: Value = serde_json::from_str(include_str!("../../fixtures/invoices.json")).unwrap();
    expect(&host, body["result"].clone());
    let page = Tryton::pull(&host, "invoices", &selection(PullMode::Full, 10), None).unwrap();
    assert_eq!((page.changes.len(), page.complete), (1, true));
    assert_eq!(
        call(&host, 0).1[0],
        json!([["id", ">", 0], ["type", "=", "out"]])
    );
    assert!(matches!(
        Tryton::push(&host, "invoices", &[]),
        Err(Fault::Forbidden(_))
    ));
    assert!(matches!(
        Tryton::push(&host, "orders", &[]),
        Err(Fault::NotFound(_))
    ));
}

#[test]
fn the_check_says_which_streams_there_are() {
    let host = host();
    expect(&host, json!(1));
    expect_error(&host, json!(["'account.invoice'", ""]));
    let account = Tryton::check(&host).unwrap();
    assert_eq!(account.account_name, "books");
    assert_eq!(account.unavailable[0].0, "invoices");
}

#[test]
fn the_manifest_is_one_that_the_hub_takes_two_way() {
    let manifest = concord_core::Manifest::parse(crate::MANIFEST).unwrap();
    for stream in &manifest.streams {
        assert_eq!(stream.refused_two_way(), None);
    }
}
