//! Who is who at the two twins, and whom the story is about.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::Value;

/// One person as one system knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub id: String,
    pub email: String,
    pub given: String,
    pub family: String,
    pub phone: String,
    /// What the system says about consent, in its own words.
    pub consent: String,
}

impl Known {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }
}

/// The same person in both systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub contact: Known,
    pub member: Known,
}

/// The contacts of a dump of the HubSpot twin.
pub(super) fn contacts(dump: &Value) -> Vec<Known> {
    let read = |record: &Value| {
        let property = |name: &str| text(&record["properties"][name]);
        Known {
            id: text(&record["id"]),
            email: property("email"),
            given: property("firstname"),
            family: property("lastname"),
            phone: property("phone"),
            consent: property("newsletter"),
        }
    };
    records(dump).map(read).collect()
}

/// The members of a dump of the Mailchimp twin.
pub(super) fn members(dump: &Value) -> Vec<Known> {
    let read = |record: &Value| {
        let field = |tag: &str| text(&record["merge_fields"][tag]);
        Known {
            id: text(&record["id"]),
            email: text(&record["email_address"]),
            given: field("FNAME"),
            family: field("LNAME"),
            phone: field("PHONE"),
            consent: text(&record["status"]),
        }
    };
    records(dump).map(read).collect()
}

fn records(dump: &Value) -> impl Iterator<Item = &Value> {
    dump["results"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Digits alone: the same number is written in many ways.
pub(super) fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

/// Records with an e-mail address that no other record of the same system has,
/// and a phone number that nobody else has either: nobody doubts who they are.
fn plain(known: &[Known]) -> HashMap<String, &Known> {
    let mut mails: HashMap<String, u32> = HashMap::new();
    let mut phones: HashMap<String, u32> = HashMap::new();
    for one in known {
        *mails.entry(one.email.to_lowercase()).or_default() += 1;
        *phones.entry(ending(&one.phone)).or_default() += 1;
    }
    known
        .iter()
        .filter(|one| !one.email.is_empty() && mails[&one.email.to_lowercase()] == 1)
        .filter(|one| !one.phone.is_empty() && phones[&ending(&one.phone)] == 1)
        .map(|one| (one.email.to_lowercase(), one))
        .collect()
}

/// The last seven digits, which no way of writing a number changes.
fn ending(phone: &str) -> String {
    let digits = digits(phone);
    digits[digits.len().saturating_sub(7)..].to_owned()
}

/// Whom the story is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cast {
    /// Changes the family name in HubSpot.
    pub renamed: Pair,
    /// Has the given name corrected in Mailchimp.
    pub corrected: Pair,
    /// Gets two phone numbers at once, one in each system.
    pub conflict: Pair,
    /// Follows the unsubscribe link of a newsletter.
    pub leaves: Pair,
    /// Is deleted in HubSpot.
    pub deleted: Pair,
    /// Opted out in Mailchimp long ago, and HubSpot says without a date that
    /// they want the newsletter.
    pub opted_out: Pair,
    /// Only HubSpot knows them; somebody else of the household signs up at
    /// Mailchimp with the same mailbox.
    pub shares: Known,
    /// Only HubSpot knows them, and they asked for the newsletter there.
    pub asked: Vec<Known>,
}

/// How many people ask for the newsletter in HubSpot.
const ASKING: usize = 5;

impl Cast {
    pub(super) fn choose(contacts: &[Known], members: &[Known]) -> Result<Self> {
        let at_mailchimp = plain(members);
        let anywhere: Vec<String> = members.iter().map(|m| m.email.to_lowercase()).collect();
        let mut at_hubspot: Vec<&Known> = plain(contacts).into_values().collect();
        at_hubspot.sort_by_key(|contact| contact.id.parse::<u64>().unwrap_or(u64::MAX));
        let pairs: Vec<Pair> = at_hubspot
            .iter()
            .filter_map(|contact| {
                let member = *at_mailchimp.get(&contact.email.to_lowercase())?;
                let same = contact.name() == member.name();
                same.then(|| Pair {
                    contact: (*contact).clone(),
                    member: member.clone(),
                })
            })
            .collect();
        let (subscribed, rest): (Vec<Pair>, Vec<Pair>) = pairs
            .into_iter()
            .partition(|pair| pair.member.consent == "subscribed");
        let mut strangers = at_hubspot
            .into_iter()
            .filter(|contact| !anywhere.contains(&contact.email.to_lowercase()))
            .cloned();
        let mut subscribed = subscribed.into_iter();
        let mut next = || {
            subscribed
                .next()
                .context("too few people are known to both twins")
        };
        Ok(Self {
            renamed: next()?,
            corrected: next()?,
            conflict: next()?,
            leaves: next()?,
            deleted: next()?,
            opted_out: rest
                .into_iter()
                .find(|pair| pair.member.consent == "unsubscribed")
                .context("nobody known to both twins has opted out")?,
            shares: strangers
                .next()
                .context("HubSpot knows nobody whom Mailchimp does not know")?,
            asked: strangers.take(ASKING).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contact(id: &str, email: &str, phone: &str) -> Value {
        let properties = json!({
            "email": email, "firstname": "Ann", "lastname": "Lee", "phone": phone,
        });
        json!({ "id": id, "properties": properties })
    }

    #[test]
    fn who_shares_a_mailbox_or_a_number_is_left_out() {
        let dump = json!({ "results": [
            contact("1", "a@x.test", "+1 415 555 0101"),
            contact("2", "A@x.test", "+1 415 555 0102"),
            contact("3", "b@x.test", "(415) 555-0103"),
            contact("4", "c@x.test", "+14155550103"),
            contact("5", "", "+1 415 555 0105"),
            contact("6", "d@x.test", ""),
            contact("7", "e@x.test", "+1 415 555 0107"),
        ]});
        let contacts = contacts(&dump);
        let found = plain(&contacts);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["e@x.test"]);
    }

    #[test]
    fn both_kinds_of_dumps_are_understood() {
        let dump = json!({ "results": [{
            "id": "f00", "email_address": "A@x.test", "status": "subscribed",
            "merge_fields": { "FNAME": "Ann", "LNAME": "Lee", "PHONE": "0151 22" },
        }]});
        let member = members(&dump).remove(0);
        assert_eq!(
            (member.name().as_str(), member.consent.as_str()),
            ("Ann Lee", "subscribed")
        );
        assert_eq!(digits(&member.phone), "015122");
        let contact = contacts(&json!({ "results": [contact("9", "a@x.test", "1")] })).remove(0);
        assert_eq!((contact.id.as_str(), contact.consent.as_str()), ("9", ""));
    }
}
