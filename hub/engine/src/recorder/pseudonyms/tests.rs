use std::sync::Arc;

use concord_core::Timestamp;
use concord_core::chance::Seeded;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// 2026-11-24.
const NOW: i64 = 1_795_478_400_000;

fn words() -> Pseudonyms {
    let manifest = r#"{"id":"crm","fields":["newsletter"],"choices":["subscribed","Lead"]}"#;
    let component = b"\0\x01statusactivecontactshttps\0next\0EMAIL\0TYPE=\0markdown\x02";
    let vocabulary = Vocabulary::new([manifest], component);
    let mut words = Pseudonyms::new(
        vocabulary,
        Timestamp::from_millis(NOW),
        Arc::new(Seeded::new(7)),
    );
    words.reaches("https://api.example:8443/crm/contacts?after=1");
    words
}

#[test]
fn a_word_keeps_its_shape_and_is_the_same_everywhere() {
    let mut words = words();
    let first = words.text("Käthe O'Neill-Smith");
    assert_eq!(first.chars().count(), "Käthe O'Neill-Smith".chars().count());
    let shape = |text: &str| -> String {
        let shape = text.chars().map(|char| match char {
            char if char.is_uppercase() => 'A',
            char if char.is_alphabetic() => 'a',
            char => char,
        });
        shape.collect()
    };
    assert_eq!(shape(&first), shape("Käthe O'Neill-Smith"));
    let (smith, shouted) = (words.text("smith"), words.text("SMITH"));
    assert!(first.ends_with(&words.text("Smith")), "{first}");
    assert_eq!(shouted, smith.to_uppercase());
    let path = words.text("/contacts/K%C3%A4the.vcf/smith");
    assert!(
        path.starts_with("/contacts/") && path.ends_with(&smith),
        "{path}"
    );
    assert!(path.contains("%C3%A4"), "{path}");
}

#[test]
fn what_says_nothing_of_anybody_stays() {
    let mut words = words();
    for text in [
        "2026-11-24T01:30:00.125Z",
        "20261124T013000Z",
        "1795478400123",
        "subscribed",
        "active",
        "",
        "https://api.example:8443/contacts",
    ] {
        assert_eq!(words.text(text), text);
    }
    let mut answer = json!({
        "updatedAt": 1_795_478_400_123_i64, "at": 1_795_478_400, "total": 42,
        "archived": false, "nothing": null, "status": "active",
    });
    let before = answer.clone();
    words.json(&mut answer);
    assert_eq!(answer, before);
}

#[test]
fn what_may_be_somebodys_does_not() {
    for text in [
        "Ann",
        "ann@example.com",
        "mark@status.next",
        "a contacts status",
        "+43 (660) 123-45.67",
        "0664/1234567",
        "1981-02-03",
        "19810203",
        "6bb1b2e7ae37dfe85c24516b173f3289",
        "https://elsewhere.example/ann",
        "2125551234",
    ] {
        let masked = words().text(text);
        let differs = |(old, new): (char, char)| old.is_alphanumeric() && old != new;
        assert!(text.chars().zip(masked.chars()).any(differs), "{masked}");
        for word in scan::words(text).filter(|word| word.len() > 3 && *word != "https") {
            assert!(!masked.contains(word), "{word}: {masked}");
        }
    }
    let mut numbers = json!([48.208_176, 16_373_819, 2_125_551_234_567_i64]);
    let before = numbers.clone();
    words().json(&mut numbers);
    for (old, new) in before
        .as_array()
        .unwrap()
        .iter()
        .zip(numbers.as_array().unwrap())
    {
        assert_ne!(old, new);
        assert_eq!(old.to_string().len(), new.to_string().len(), "{new}");
    }
}

#[test]
fn a_word_of_a_record_is_nobodys_choice() {
    let mut words = words();
    words.learn(&json!({ "ops": [{
        "action": "create",
        "fields": { "name": "Mark Active", "stage": "Lead", "raw": "{\"city\":\"Next\"}", "zip": "8010" },
    }]}));
    let masked = words.body(r#"{"status":"active","link":"next","stage":"Lead","mark":"8010"}"#);
    let masked: Value = serde_json::from_str(&masked).unwrap();
    assert_eq!(masked["stage"], "Lead");
    for (name, before) in [("status", "active"), ("link", "next"), ("mark", "8010")] {
        assert_ne!(masked[name], before, "{masked}");
    }
}

#[test]
fn markup_and_documents_in_documents_stay_what_they_are() {
    let mut words = words();
    let card = "<d:data>BEGIN&amp;EMAIL;TYPE=home:ann@mail.example\nREV:20261124T013000Z</d:data>";
    let masked = words.body(card);
    assert!(
        masked.starts_with("<d:data>") && masked.ends_with("</d:data>"),
        "{masked}"
    );
    assert!(masked.contains("&amp;EMAIL;TYPE="), "{masked}");
    assert!(
        masked.contains(":20261124T013000Z") && !masked.contains("ann"),
        "{masked}"
    );
    let cards = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><d:a xmlns:d=\"DAV:\" of=\"ann\"><![CDATA[ann]]> < ann</d:a>";
    let masked = words.body(cards);
    assert!(
        masked.starts_with(&cards[..58]) && masked.ends_with("</d:a>"),
        "{masked}"
    );
    assert!(!masked.contains("ann"), "{masked}");
    let cursor = words.text(r#"{"since":"2026-11-24T01:30:00Z","after":"ann"}"#);
    let cursor: Value = serde_json::from_str(&cursor).unwrap();
    assert_eq!(cursor["since"], "2026-11-24T01:30:00Z");
    assert_ne!(cursor["after"], "ann");
    let mut listed = json!({ "ann@mail.example": { "newsletter": true } });
    words.json(&mut listed);
    assert!(!listed.to_string().contains("ann@"), "{listed}");
    assert!(listed.to_string().contains("newsletter"), "{listed}");
}

#[test]
fn headers_that_a_connector_reads_stay() {
    let mut words = words();
    for (name, value) in [("Retry-After", "10"), ("X-RateLimit-Daily", "250000")] {
        assert_eq!(words.header(name, value).as_deref(), Some(value));
    }
    assert_eq!(words.header("Content-Length", "17"), None);
    let etag = words.header("ETag", "\"0a1b2c3d4e\"").unwrap();
    assert_ne!(etag, "\"0a1b2c3d4e\"");
    assert_eq!(etag.len(), 12);
}

proptest! {
    /// Whatever a system writes, nothing breaks, and a second time gives the same.
    #[test]
    fn any_text_is_masked_the_same_twice(text in ".{0,60}") {
        let mut words = words();
        let (text, body) = (words.text(&text), (words.body(&text), words.body(&text)));
        prop_assert_eq!(&body.0, &body.1);
        prop_assert_eq!(words.text(""), "");
        prop_assert!(text.chars().count() <= 4 * 60 * 6);
    }

    /// No name is left that stood in a record.
    #[test]
    fn no_word_of_a_record_is_left(name in "[a-zäöüß]{4,12}", around in "[ -~]{0,30}") {
        let mut words = words();
        words.learn(&json!({ "fields": { "name": name } }));
        for text in [
            name.clone(),
            format!("{around} {name} {around}"),
            json!({ "status": name, "of": [around, name.to_uppercase()] }).to_string(),
            format!("<d:x>{name}</d:x>"),
        ] {
            let masked = words.body(&text).to_lowercase();
            let mut left = scan::words(&masked);
            prop_assert!(!left.any(|word| word == name), "{}", masked);
        }
    }
}
