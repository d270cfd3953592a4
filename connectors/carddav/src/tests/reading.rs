//! Pages and single cards.

use concord_sdk::prelude::*;
use concord_sdk::testing::answer;

use super::{card, cards, delta, host, ids, pull, report};

#[test]
fn a_walk_goes_page_by_page_with_nothing_but_its_cursor() {
    let first = host();
    // The server lists in no order; the pages do.
    first.expect(
        report(),
        answer(207).body(delta("t1", &["c.vcf", "a.vcf", "b.vcf"], &[])),
    );
    first.expect(
        report(),
        answer(207).body(cards(&[
            ("b.vcf", "2", &card("B")),
            ("a.vcf", "1", &card("A")),
        ])),
    );
    let page = pull(&first, PullMode::Changes, 2, None).unwrap();
    assert_eq!(
        (ids(&page), page.more, page.complete),
        (vec!["a.vcf", "b.vcf"], true, false)
    );

    let second = host();
    second.expect(
        report(),
        answer(207).body(cards(&[("c.vcf", "3", &card("C"))])),
    );
    let page = pull(&second, PullMode::Changes, 2, page.next.as_deref()).unwrap();
    assert_eq!(
        (ids(&page), page.more, page.complete),
        (vec!["c.vcf"], false, true)
    );
    let Change::Upsert(record) = &page.changes[0] else {
        panic!("{page:?}")
    };
    assert_eq!(record.version.as_deref(), Some("\"3\""));

    // The next run asks for what changed since the token of the listing.
    let third = host();
    third.expect(
        report(),
        answer(207).body(delta("t2", &["b.vcf"], &["a.vcf"])),
    );
    third.expect(
        report(),
        answer(207).body(cards(&[("b.vcf", "4", &card("B"))])),
    );
    let page = pull(&third, PullMode::Changes, 100, page.next.as_deref()).unwrap();
    let asked = String::from_utf8(third.sent()[0].body.clone().unwrap()).unwrap();
    assert!(asked.contains("<sync-token>t1</sync-token>"), "{asked}");
    assert_eq!(
        (page.more, page.complete),
        (false, false),
        "a delta never proves an absence"
    );
    assert!(
        page.changes
            .contains(&Change::gone("a.vcf", Absence::Tombstone, None))
    );
    assert_eq!(ids(&page).len(), 2);
}

#[test]
fn a_full_walk_starts_anew_whatever_the_cursor_says() {
    let first = host();
    first.expect(report(), answer(207).body(delta("t1", &[], &[])));
    let page = pull(&first, PullMode::Changes, 10, None).unwrap();
    assert!(page.complete && page.changes.is_empty());
    let full = host();
    full.expect(report(), answer(207).body(delta("t1", &[], &[])));
    let page = pull(&full, PullMode::Full, 10, page.next.as_deref()).unwrap();
    assert!(page.complete);
    let asked = String::from_utf8(full.sent()[0].body.clone().unwrap()).unwrap();
    assert!(asked.contains("<sync-token></sync-token>"), "{asked}");
}

#[test]
fn a_listing_that_no_cursor_can_hold_is_asked_for_again() {
    let names: Vec<String> = (0..2001).map(|i| format!("{i:04}.vcf")).collect();
    let listed: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut cursor = None;
    let mut seen = Vec::new();
    for part in names.chunks(200) {
        let host = host();
        if seen.is_empty() {
            host.expect(report(), answer(207).body(delta("t1", &listed, &[])));
        }
        if seen.len() + 200 == 2000 {
            // The bound is reached: the rest is listed before this page is read.
            host.expect(report(), answer(207).body(delta("t2", &listed, &[])));
        }
        for ids in part.chunks(100) {
            let bodies: Vec<String> = ids.iter().map(|id| card(id)).collect();
            let all: Vec<_> = ids
                .iter()
                .zip(&bodies)
                .map(|(id, c)| (id.as_str(), "1", c.as_str()))
                .collect();
            host.expect(report(), answer(207).body(cards(&all)));
        }
        let page = pull(&host, PullMode::Full, 500, cursor.as_deref()).unwrap();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        assert_eq!(
            (page.complete, page.more),
            (seen.len() == 2001, seen.len() < 2001)
        );
        cursor = page.next;
    }
    assert_eq!(seen, names);
    // What changed during the walk comes with the delta of its beginning.
    assert_eq!(cursor.as_deref(), Some("{\"read\":\"t1\"}"));
}

#[test]
fn a_truncated_delta_is_followed_to_its_end() {
    let host = host();
    let cut = delta("t1", &["a.vcf"], &[]).replace(
        "</multistatus>",
        "<response><href>/ann/contacts/</href><status>HTTP/1.1 507 Insufficient Storage</status></response></multistatus>",
    );
    host.expect(report(), answer(207).body(cut));
    // The rest of the listing is asked for before the page is read.
    host.expect(report(), answer(207).body(delta("t2", &["b.vcf"], &[])));
    host.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "1", &card("A"))])),
    );
    let page = pull(&host, PullMode::Full, 10, None).unwrap();
    assert_eq!(
        (ids(&page), page.more, page.complete),
        (vec!["a.vcf"], true, false)
    );
}

#[test]
fn an_unknown_token_and_a_foreign_cursor_ask_for_a_full_walk() {
    let host = host();
    host.expect(
        report(),
        answer(403).body(include_str!("../../fixtures/unknown-token.xml")),
    );
    for cursor in ["{\"read\":\"old\"}", "{\"after\":7}", "x"] {
        let fault = pull(&host, PullMode::Changes, 10, Some(cursor)).unwrap_err();
        assert!(
            matches!(fault, Fault::CursorExpired(_)),
            "{cursor}: {fault:?}"
        );
    }
}

#[test]
fn one_bad_card_does_not_stop_the_others() {
    let host = host();
    host.expect(
        report(),
        answer(207).body(delta("t", &["a.vcf", "b.vcf", "c.vcf"], &[])),
    );
    // Not XML as a whole, and then not for one of them.
    host.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "1", "\u{b}")])),
    );
    host.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "1", "\u{b}")])),
    );
    host.expect(
        report(),
        answer(207).body(cards(&[
            ("b.vcf", "1", &card("B")),
            ("c.vcf", "1", "BEGIN:VCARD"),
        ])),
    );
    let page = pull(&host, PullMode::Full, 10, None).unwrap();
    let kinds: Vec<bool> = page
        .changes
        .iter()
        .map(|c| matches!(c, Change::Malformed(_)))
        .collect();
    assert_eq!(
        (ids(&page), kinds),
        (vec!["a.vcf", "b.vcf", "c.vcf"], vec![true, false, true])
    );
}

#[test]
fn a_refused_sign_in_and_a_server_error_are_told_apart() {
    for (status, expect) in [
        (401, "auth-revoked"),
        (403, "forbidden"),
        (503, "transient"),
    ] {
        let host = host();
        host.expect(report(), answer(status).body("no"));
        let name = match pull(&host, PullMode::Full, 10, None).unwrap_err() {
            Fault::AuthRevoked(_) => "auth-revoked",
            Fault::Forbidden(_) => "forbidden",
            Fault::Transient(_) => "transient",
            other => panic!("{other:?}"),
        };
        assert_eq!(name, expect, "{status}");
    }
}
