//! Looking for cards, the check, the manifest.

use concord_sdk::prelude::*;
use concord_sdk::testing::{FakeHost, answer, request};
use serde_json::json;

use super::{BOOK, cards, delta, host, report};
use crate::CardDav;

#[test]
fn a_card_is_found_by_its_values_and_nothing_less() {
    let values = json!({"emails": [{"rank": "main", "type": "", "value": "a@example.com"}], "title": "Buyer"});
    let with = |title: &str| {
        format!(
            "BEGIN:VCARD\nVERSION:3.0\nFN:x\nEMAIL;TYPE=INTERNET:a@example.com\nTITLE:{title}\nEND:VCARD\n"
        )
    };
    let host = host();
    host.expect(
        report(),
        answer(207)
            .body(delta("", &["a.vcf", "b.vcf"], &[]).replace("<sync-token></sync-token>", "")),
    );
    host.expect(
        report(),
        answer(207).body(cards(&[
            ("a.vcf", "1", &with("Boss")),
            ("b.vcf", "2", &with("Buyer")),
        ])),
    );
    let found = CardDav::find(
        &host,
        "contacts",
        values.as_object().unwrap(),
        &["title".into()],
    )
    .unwrap();
    assert_eq!(
        found.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(),
        ["b.vcf"]
    );
    assert_eq!(found[0].fields, r#"{"title":"Buyer"}"#);
}

#[test]
fn the_check_names_the_address_books_that_there_are() {
    let host = FakeHost::new().with_config("base_url", "https://dav.example.com");
    let principal = include_str!("../../fixtures/principal.xml");
    let home = include_str!("../../fixtures/home.xml");
    host.expect(
        request("PROPFIND", "https://dav.example.com/"),
        answer(207).body(principal),
    );
    let of_ann = principal.replace("<href>/</href>", "<href>/ann/</href>").replace(
        "</current-user-principal>",
        "</current-user-principal><CR:addressbook-home-set xmlns:CR=\"urn:ietf:params:xml:ns:carddav\"><href>/ann/</href></CR:addressbook-home-set>",
    );
    host.expect(
        request("PROPFIND", "https://dav.example.com/ann/"),
        answer(207).body(of_ann),
    );
    host.expect(
        request("PROPFIND", "https://dav.example.com/ann/").header("depth", "1"),
        answer(207).body(home),
    );
    let Fault::Invalid(faults) = CardDav::check(&host).unwrap_err() else {
        panic!("not invalid")
    };
    assert_eq!(faults[0].field, "base_url");
    assert!(
        faults[0]
            .message
            .contains("https://dav.example.com/ann/contacts/ (Contacts)"),
        "{}",
        faults[0].message
    );
}

#[test]
fn the_check_takes_an_address_book() {
    let host = host();
    let home = include_str!("../../fixtures/home.xml");
    let book = home
        .find("<response><href>/ann/contacts/")
        .map(|at| {
            format!(
                "{}{}",
                &home[..home.find("<response>").unwrap()],
                &home[at..]
            )
        })
        .unwrap();
    host.expect(
        request("PROPFIND", BOOK).header("depth", "0"),
        answer(207).body(book),
    );
    let account = CardDav::check(&host).unwrap();
    assert_eq!(
        (account.account_name.as_str(), account.unavailable.len()),
        ("Contacts", 0)
    );
}

#[test]
fn an_unknown_stream_is_said() {
    assert!(matches!(
        CardDav::fetch(&host(), "cards", &[], &[]),
        Err(Fault::NotFound(_))
    ));
}

#[test]
fn the_manifest_is_one_that_the_hub_takes_two_way() {
    let manifest = concord_core::Manifest::parse(crate::MANIFEST).unwrap();
    assert_eq!(manifest.stream("contacts").unwrap().refused_two_way(), None);
}
