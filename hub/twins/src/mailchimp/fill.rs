//! Fills an audience with people of the shared data set.

use std::time::Duration;

use serde_json::{Value, json};

use super::audience::Audience;
use super::member::{Member, Status, seconds, subscriber_hash};
use crate::people::{Consent, Person, Side, known_to};

/// Adds the people whom this side knows and who can be members: an audience
/// holds e-mail addresses, so whoever has none is left out, and a household
/// that shares one is one member.  Returns how many were added.
pub fn fill(list: &mut Audience, seed: u64, count: usize) -> usize {
    let mut added = 0;
    for person in known_to(Side::Second, seed, count) {
        let Some(email) = &person.email else { continue };
        if list.find(&subscriber_hash(email)).is_some() {
            continue;
        }
        let web_id = list.next_web_id();
        let member = member(web_id, email, &person);
        list.put(member, person.known_since, Duration::ZERO);
        added += 1;
    }
    added
}

fn member(web_id: u64, email: &str, person: &Person) -> Member {
    let known = seconds(person.known_since);
    let (status, changed) = match person.consent {
        Consent::Given(at) => (Status::Subscribed, seconds(at)),
        Consent::Withdrawn(at) => (Status::Unsubscribed, seconds(at)),
        // Imported without leave to write to: the vendor's "non-subscribed".
        Consent::Unknown => (Status::Transactional, known),
    };
    let mut member = Member::new(web_id, email, status, "List Import", changed);
    member.compliance = status == Status::Unsubscribed;
    member.last_changed = changed.max(known);
    member.language = person.language.to_owned();
    let birthday = person
        .birthday
        .as_deref()
        .and_then(|date| date.get(5..))
        .map(|d| d.replace('-', "/"));
    let fields: [(&str, Option<Value>); 4] = [
        ("FNAME", Some(json!(person.given))),
        ("LNAME", Some(json!(person.family))),
        ("PHONE", person.phone.as_ref().map(|phone| json!(phone))),
        ("BIRTHDAY", birthday.map(Value::from)),
    ];
    for (tag, value) in fields {
        if let Some(value) = value.filter(|value| value != "") {
            member.merge.insert(tag.to_owned(), value);
        }
    }
    member
}
