//! Two systems, the people who work in them, and what they expect to find there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use concord_core::ports::Clock;
use concord_twins::by_name;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::binary::account::{self, Account, Events};
use crate::binary::office::{self, email, results};

const PEOPLE: usize = 80;

/// Somebody whom both systems know.
struct Known {
    email: String,
    contact: Value,
    member: Value,
}

#[derive(Default)]
struct State {
    known: Vec<Known>,
    /// By address: first and last name, as they were given last.
    expected: BTreeMap<String, (Option<String>, Option<String>)>,
    edits: usize,
}

/// Those who work.  First names are given in one system and last names in the other,
/// so that each value has one author and nobody wins or loses.
#[derive(Default)]
pub struct People {
    state: Mutex<State>,
    desks: Mutex<Option<(Arc<Account>, Arc<Account>)>>,
}

/// The systems, as long as they are open.
pub struct Town {
    hubspot: Arc<Account>,
    mailchimp: Arc<Account>,
    _runtime: Runtime,
}

/// A name that nobody had before.
fn name(number: usize) -> String {
    let letter = |place: u32| char::from(b'a' + (number / 26_usize.pow(place) % 26) as u8);
    format!("Nom{}{}{}", letter(2), letter(1), letter(0))
}

impl Town {
    pub fn open(people: &Arc<People>, clock: &Arc<dyn Clock>) -> Self {
        let runtime = account::runtime();
        let events = Events::new();
        let open = |name: &str| {
            let twin = by_name(name, 7, PEOPLE).unwrap();
            let clock = Arc::clone(clock);
            Arc::new(Account::on(
                &runtime,
                twin,
                Duration::ZERO,
                &events,
                None,
                clock,
            ))
        };
        let town = Self {
            hubspot: open("hubspot"),
            mailchimp: open("mailchimp"),
            _runtime: runtime,
        };
        *people.desks.lock().unwrap() =
            Some((Arc::clone(&town.hubspot), Arc::clone(&town.mailchimp)));
        town
    }

    pub fn config(&self) -> String {
        let config = office::config(&self.hubspot.url, &self.mailchimp.url, "");
        format!(
            "{config}
schedule: {{ cron: \"*/30 * * * *\", time-zone: Europe/Berlin, quiet: [\"01:00-01:30\"] }}
"
        )
    }
}

impl People {
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks whom both systems know, once they were brought together: an address
    /// that several share makes nobody the same.
    pub fn begin(&self, town: &Town) {
        let members = results(&town.mailchimp.look("dump/members"));
        let contacts = results(&town.hubspot.look("dump/contacts"));
        let known = contacts.into_iter().filter_map(|contact| {
            let address = email(&contact);
            let member = members.iter().find(|member| email(member) == address)?;
            let (ours, theirs) = (&contact["properties"], &member["merge_fields"]);
            let alike = ours["firstname"] == theirs["FNAME"] && ours["lastname"] == theirs["LNAME"];
            let takes_part = !address.is_empty() && member["status"] == "subscribed";
            (alike && takes_part).then(|| Known {
                email: address,
                member: member["id"].clone(),
                contact: contact["id"].clone(),
            })
        });
        let known: Vec<Known> = known.collect();
        assert!(known.len() > PEOPLE / 4, "{} know each other", known.len());
        self.state.lock().unwrap().known = known;
    }

    /// One edit in each system.
    pub fn work(&self) {
        let desks = self.desks.lock().unwrap();
        let (hubspot, mailchimp) = desks.as_ref().unwrap();
        let mut state = self.state.lock().unwrap();
        if state.known.is_empty() {
            return;
        }
        for _ in 0..2 {
            let number = state.edits;
            state.edits += 1;
            let one = &state.known[number * 7 % state.known.len()];
            let (address, value) = (one.email.clone(), name(number));
            let (of_contact, of_member) = (one.contact.clone(), one.member.clone());
            let entry = state.expected.entry(address).or_default();
            if number.is_multiple_of(2) {
                let properties = json!({ "lastname": value });
                hubspot.act("edit", &json!({"id": of_contact, "properties": properties}));
                entry.1 = Some(value);
            } else {
                let fields = json!({ "merge_fields": { "FNAME": value } });
                mailchimp.act("edit", &json!({"id": of_member, "properties": fields}));
                entry.0 = Some(value);
            }
        }
    }

    /// Both systems hold what was given last; says how many edits there were.
    pub fn check(&self, town: &Town) -> usize {
        let state = self.state.lock().unwrap();
        let contacts = results(&town.hubspot.look("dump/contacts"));
        let members = results(&town.mailchimp.look("dump/members"));
        let of = |all: &[Value], address: &str| {
            let mut all = all.iter().filter(|record| email(record) == address);
            let one = all.next().unwrap().clone();
            assert!(all.next().is_none(), "{address} is there twice");
            one
        };
        for (address, (first, last)) in &state.expected {
            let contact = of(&contacts, address);
            let member = of(&members, address);
            if let Some(first) = first {
                assert_eq!(contact["properties"]["firstname"], **first, "{address}");
                assert_eq!(member["merge_fields"]["FNAME"], **first, "{address}");
            }
            if let Some(last) = last {
                assert_eq!(contact["properties"]["lastname"], **last, "{address}");
                assert_eq!(member["merge_fields"]["LNAME"], **last, "{address}");
            }
        }
        state.edits
    }
}
