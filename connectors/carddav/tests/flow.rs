//! The connector against scripted answers of a server (RFC 6352, RFC 6578; the
//! answers below `fixtures` are those of Radicale 3.9.0).

use concord_connector_carddav::CardDav;
use concord_sdk::prelude::*;
use concord_sdk::testing::{Expected, FakeHost, answer, request};
use serde_json::json;

const BOOK: &str = "https://dav.example.com/ann/contacts/";

fn host() -> FakeHost {
    FakeHost::new().with_config("base_url", BOOK)
}

fn report() -> Expected {
    request("REPORT", BOOK)
}

fn selection(mode: PullMode, page_size: u32) -> Selection {
    Selection {
        mode,
        fields: Vec::new(),
        page_size,
        window: None,
    }
}

fn delta(token: &str, here: &[&str], gone: &[&str]) -> String {
    let here = here.iter().map(|id| {
        format!("<response><href>/ann/contacts/{id}</href><propstat><prop><getetag>\"e\"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>")
    });
    let gone = gone.iter().map(|id| {
        format!("<response><href>/ann/contacts/{id}</href><status>HTTP/1.1 404 Not Found</status></response>")
    });
    let all: String = here.chain(gone).collect();
    format!("<multistatus xmlns=\"DAV:\"><sync-token>{token}</sync-token>{all}</multistatus>")
}

fn cards(cards: &[(&str, &str, &str)]) -> String {
    let one = |(id, etag, card): &(&str, &str, &str)| {
        format!(
            "<response><href>/ann/contacts/{id}</href><propstat><prop><getetag>\"{etag}\"</getetag><C:address-data>{card}</C:address-data></prop><status>HTTP/1.1 200 OK</status></propstat></response>"
        )
    };
    let all: String = cards.iter().map(one).collect();
    format!(
        "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:carddav\">{all}</multistatus>"
    )
}

fn card(name: &str) -> String {
    format!(
        "BEGIN:VCARD\nVERSION:3.0\nUID:{name}\nFN:{name}\nN:;{name};;;\nX-KEEP;A=b:c\nEND:VCARD\n"
    )
}

fn pull(host: &FakeHost, mode: PullMode, size: u32, cursor: Option<&str>) -> Result<Page, Fault> {
    CardDav::pull(host, "contacts", &selection(mode, size), cursor)
}

fn ids(page: &Page) -> Vec<&str> {
    page.changes
        .iter()
        .map(|change| match change {
            Change::Upsert(record) => record.id.as_str(),
            Change::Gone(gone) => gone.id.as_str(),
            Change::Malformed(malformed) => malformed.id.as_deref().unwrap_or_default(),
        })
        .collect()
}

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
        answer(403).body(include_str!("../fixtures/unknown-token.xml")),
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

fn op(action: Action, base: Option<&str>, fields: Value) -> Op {
    Op {
        intent: "17".into(),
        action,
        base_version: base.map(str::to_owned),
        fields: fields.to_string(),
    }
}

fn update(base: Option<&str>, fields: Value) -> Op {
    op(Action::Update("a.vcf".into()), base, fields)
}

fn pushed(host: &FakeHost, op: Op) -> Outcome {
    CardDav::push(host, "contacts", &[op]).unwrap().remove(0)
}

fn url(id: &str) -> String {
    format!("{BOOK}{id}")
}

fn body_of(host: &FakeHost, method: &str) -> String {
    let sent = host
        .sent()
        .into_iter()
        .find(|r| r.method == method)
        .unwrap();
    String::from_utf8(sent.body.unwrap()).unwrap()
}

#[test]
fn an_update_sends_the_card_back_with_only_its_fields_changed() {
    let host = host();
    host.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "1", &card("Ann"))])),
    );
    host.expect(
        request("PUT", url("a.vcf")).header("if-match", "\"1\""),
        answer(204).header("ETag", "\"2\""),
    );
    let outcome = pushed(&host, update(Some("\"1\""), json!({"title": "Buyer"})));
    assert_eq!(outcome, Outcome::applied("a.vcf", Some("\"2\"".into())));
    let expect = card("Ann")
        .replace('\n', "\r\n")
        .replace("END:", "TITLE:Buyer\r\nEND:");
    assert_eq!(body_of(&host, "PUT"), expect);
}

#[test]
fn an_update_that_changes_nothing_sends_nothing() {
    let host = host();
    host.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "1", &card("Ann"))])),
    );
    let outcome = pushed(
        &host,
        update(
            Some("\"1\""),
            json!({"n": {"given": "Ann", "family": null}}),
        ),
    );
    assert_eq!(outcome, Outcome::applied("a.vcf", Some("\"1\"".into())));
}

#[test]
fn a_card_that_moved_on_is_a_conflict_that_shows_it() {
    // Seen before the write, and between the read and the write.
    let early = host();
    early.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "2", &card("Eve"))])),
    );
    let late = host();
    late.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "1", &card("Ann"))])),
    );
    late.expect(request("PUT", url("a.vcf")), answer(412));
    late.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "2", &card("Eve"))])),
    );
    for host in [early, late] {
        let outcome = pushed(&host, update(Some("\"1\""), json!({"title": "x"})));
        let Outcome::Failed(Fault::VersionConflict(Some(current))) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(current.version.as_deref(), Some("\"2\""));
        assert!(current.fields.contains("Eve"));
    }
}

#[test]
fn a_server_that_names_no_version_is_asked_for_it() {
    // RFC 6352 §6.3.2.3: no strong ETag where another card was stored.
    let stored = card("Ann").replace("END:", "TITLE:Buyer\nEND:");
    for (stored, version) in [
        (stored.clone(), Some("\"2\"")),
        (stored.replace("Buyer", "Boss"), None),
    ] {
        let host = host();
        host.expect(
            report(),
            answer(207).body(cards(&[("a.vcf", "1", &card("Ann"))])),
        );
        host.expect(request("PUT", url("a.vcf")), answer(204));
        host.expect(
            report(),
            answer(207).body(cards(&[("a.vcf", "2", &stored)])),
        );
        let Outcome::Applied(applied) = pushed(&host, update(None, json!({"title": "Buyer"})))
        else {
            panic!("not applied");
        };
        assert_eq!(applied.version.as_deref(), version);
        assert_eq!(applied.stored.is_some(), version.is_some());
    }
}

#[test]
fn a_lost_answer_to_a_write_is_in_doubt() {
    let host = host();
    host.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "1", &card("Ann"))])),
    );
    host.expect(
        request("PUT", url("a.vcf")),
        HttpError::NoAnswer("reset".into()),
    );
    let outcome = pushed(&host, update(None, json!({"title": "x"})));
    assert!(
        matches!(outcome, Outcome::Failed(Fault::UnknownOutcome(_))),
        "{outcome:?}"
    );
}

#[test]
fn a_create_sent_twice_meets_its_own_card() {
    let create = || {
        op(
            Action::Create,
            None,
            json!({"n": {"given": "Ann", "family": "Lee"}, "emails": [{"rank": "main", "value": "a@example.com"}]}),
        )
    };
    let id = name_of(&create());
    let first = host();
    first.expect(
        request("PUT", url(&id)).header("if-none-match", "*"),
        answer(201).header("etag", "\"1\""),
    );
    assert_eq!(
        pushed(&first, create()),
        Outcome::applied(id.as_str(), Some("\"1\"".into()))
    );
    let card = body_of(&first, "PUT");
    let uid = id.trim_end_matches(".vcf");
    assert_eq!(
        card,
        format!(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nEMAIL:a@example.com\r\nN:Lee;Ann;;;\r\nFN:Ann Lee\r\nEND:VCARD\r\n"
        )
    );
    let again = host();
    again.expect(request("PUT", url(&id)), answer(412));
    again.expect(report(), answer(207).body(cards(&[(&id, "1", &card)])));
    again.expect(report(), answer(207).body(cards(&[(&id, "1", &card)])));
    let Outcome::Applied(applied) = pushed(&again, create()) else {
        panic!("not applied")
    };
    assert_eq!(
        (applied.id, applied.version.as_deref()),
        (id, Some("\"1\""))
    );
}

/// The name that a create takes: the one that the server is asked to make.
fn name_of(op: &Op) -> String {
    struct Recorder(std::cell::RefCell<String>);
    impl Host for Recorder {
        fn send(&self, request: Request) -> Result<Response, HttpError> {
            *self.0.borrow_mut() = request.url;
            Err(HttpError::Unreachable("only listening".into()))
        }
        fn log(&self, _: Level, _: &str) {}
        fn now(&self) -> i64 {
            0
        }
        fn config(&self, _: &str) -> Option<String> {
            Some(BOOK.to_owned())
        }
    }
    let recorder = Recorder(std::cell::RefCell::new(String::new()));
    drop(CardDav::push(
        &recorder,
        "contacts",
        std::slice::from_ref(op),
    ));
    recorder.0.into_inner().trim_start_matches(BOOK).to_owned()
}

#[test]
fn another_content_under_the_same_number_is_another_card() {
    let ann = op(Action::Create, None, json!({"n": {"given": "Ann"}}));
    let bob = op(Action::Create, None, json!({"n": {"given": "Bob"}}));
    assert_eq!(name_of(&ann), name_of(&ann));
    assert_ne!(name_of(&ann), name_of(&bob));
}

#[test]
fn a_delete_is_conditional_and_a_missing_card_is_said() {
    let host = host();
    host.expect(
        report(),
        answer(207).body(cards(&[("a.vcf", "1", &card("Ann"))])),
    );
    host.expect(
        request("DELETE", url("a.vcf")).header("if-match", "\"1\""),
        answer(204),
    );
    let delete = || op(Action::Delete("a.vcf".into()), Some("\"1\""), json!({}));
    assert_eq!(pushed(&host, delete()), Outcome::applied("a.vcf", None));
    let gone = crate::host();
    gone.expect(
        report(),
        answer(207).body(delta("", &[], &["a.vcf"]).replace("<sync-token></sync-token>", "")),
    );
    let outcome = pushed(&gone, delete());
    assert!(
        matches!(outcome, Outcome::Failed(Fault::NotFound(_))),
        "{outcome:?}"
    );
}

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
    let principal = include_str!("../fixtures/principal.xml");
    let home = include_str!("../fixtures/home.xml");
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
    let home = include_str!("../fixtures/home.xml");
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
    let manifest = concord_core::Manifest::parse(concord_connector_carddav::MANIFEST).unwrap();
    assert_eq!(manifest.stream("contacts").unwrap().refused_two_way(), None);
}
