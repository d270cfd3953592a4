//! Fills an audience with people of the shared data set.

use std::time::Duration;

use concord_core::Timestamp;
use serde_json::{Value, json};

use super::Mailchimp;
use super::member::{Member, Seconds, Status, seconds, subscriber_hash};
use crate::people::{Consent, Person};

impl Mailchimp {
    /// Adds people to the first audience as they were known before now.  An
    /// audience holds e-mail addresses: whoever has none is left out, and a
    /// household that shares one is one member.
    pub fn add_people(&mut self, now: Timestamp, people: &[Person]) {
        let list = &mut self.lists[0];
        for person in people {
            let Some(email) = &person.email else { continue };
            if list.find(&subscriber_hash(email)).is_some() {
                continue;
            }
            let member = member(list.next_web_id(), email, person, seconds(now));
            list.put(member, now, Duration::ZERO);
        }
        // They were there all along: nobody is told.
        list.take_turns();
    }
}

fn member(web_id: u64, email: &str, person: &Person, now: Seconds) -> Member {
    let known = seconds(person.known_since).min(now);
    let (status, changed) = match person.consent {
        Consent::Given(at) => (Status::Subscribed, seconds(at).min(now)),
        Consent::Withdrawn(at) => (Status::Unsubscribed, seconds(at).min(now)),
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
