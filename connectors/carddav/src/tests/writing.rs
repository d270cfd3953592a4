//! Creates, updates and deletes.

use concord_sdk::prelude::*;
use concord_sdk::testing::{FakeHost, answer, request};
use serde_json::json;

use super::{BOOK, card, cards, delta, host, report};
use crate::CardDav;

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
    let gone = super::host();
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
