//! The address book as a client of no library's sees it: vCards written by hand
//! and bare HTTP.

use super::super::radicale::Radicale;
use super::crowd::{IN_BOOKS, Person};

/// What no connector has a field for, and what therefore has to stay.
pub const KEPT: &str = "X-SHOE-SIZE:42";

/// The file name of somebody's card.
pub fn file(number: usize) -> String {
    format!("card-{number}.vcf")
}

/// Every other card is a vCard 4.0 (RFC 6350), the others are 3.0 (RFC 2426).
///
/// Of those whom the accounting knows too, the first half has an e-mail address
/// here, so that both share it, and the second half has none.
pub fn card(number: usize, person: &Person) -> String {
    let Person {
        phone,
        given,
        family,
        email,
        ..
    } = person;
    let (area, office, line) = (&phone[..3], &phone[3..6], &phone[6..]);
    let mut lines = vec!["BEGIN:VCARD".to_owned()];
    let modern = number.is_multiple_of(2);
    if modern {
        lines.push("VERSION:4.0".into());
        lines.push(format!(
            "TEL;VALUE=uri;TYPE=\"voice,work\":tel:+1-{area}-{office}-{line}"
        ));
    } else {
        lines.push("VERSION:3.0".into());
        lines.push(format!("TEL;TYPE=WORK,VOICE:({area}) {office}-{line}"));
    }
    lines.push(format!("UID:card-{number}"));
    lines.push(format!("N:{family};{given};;;"));
    lines.push(format!("FN:{given} {family}"));
    if has_email(number) {
        lines.push(if modern {
            format!("EMAIL;PREF=1:{email}")
        } else {
            format!("item1.EMAIL;TYPE=INTERNET:{email}\r\nitem1.X-ABLabel:mail")
        });
    }
    lines.push(KEPT.into());
    lines.push("END:VCARD\r\n".into());
    lines.join("\r\n")
}

fn has_email(number: usize) -> bool {
    !IN_BOOKS.contains(&number) || number < 150
}

/// One request about a card; the status and the body.
pub fn ask(radicale: &Radicale, method: &str, name: &str, body: &str) -> (u16, String) {
    radicale.ask(method, &format!("contacts/{name}"), body)
}

/// The same, for one that has to succeed.
pub fn done(server: &Radicale, method: &str, name: &str, body: &str) -> String {
    let (status, answer) = ask(server, method, name, body);
    assert!(
        (200..300).contains(&status),
        "{method} {name}: {status} {answer}"
    );
    answer
}
