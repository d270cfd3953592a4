//! Two systems that know many of the same people, and the people who work in
//! them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::account::{self, Account, Events};
use super::program::Program;

/// The configuration; `more` stands under the connection to HubSpot.
pub fn config(hubspot: &str, mailchimp: &str, more: &str) -> String {
    format!(
        r#"
rules:
  person:
    phone: {{ owner: [hubspot, mailchimp] }}
connections:
  hubspot:
    connector: hubspot
    config: {{ base_url: "{hubspot}" }}
    secrets: {{ token: {{ env: HUBSPOT_TOKEN }} }}
    network: {{ allow-private: true }}
    quotas: [{{ class: "" }}, {{ class: search }}]
{more}
  mailchimp:
    connector: mailchimp
    config: {{ base_url: "{mailchimp}", list_id: a1b2c3d4e5 }}
    secrets: {{ token: {{ env: MAILCHIMP_TOKEN }} }}
    network: {{ allow-private: true }}
    quotas: [{{ class: "" }}]
"#
    )
}

/// HubSpot's own opt-out cannot be set through its API, so this account asks
/// for consent with a property of its own.
const NEWSLETTER: &str = r#"    mapping:
      streams:
        contacts:
          fields:
            email_consent:
              consent: { path: newsletter, opted-in: ["yes"], opted-out: ["no"] }
"#;

/// What the lenses read and write of a contact.
const PROPERTIES: &[&str] = &[
    "email",
    "firstname",
    "lastname",
    "phone",
    "mobilephone",
    "company",
    "jobtitle",
    "website",
    "address",
    "city",
    "state",
    "zip",
    "country",
    "newsletter",
];

pub struct Office {
    pub hubspot: Account,
    pub mailchimp: Account,
    pub program: Program,
    pub events: Arc<Events>,
    /// The twins live in it.
    _runtime: Runtime,
}

impl Office {
    pub fn new(people: usize, latency: Duration) -> Self {
        Self::with(Program::new(), people, latency)
    }

    pub fn with(mut program: Program, people: usize, latency: Duration) -> Self {
        let runtime = account::runtime();
        let events = Events::new();
        let open = |name: &str| Account::at(&runtime, name, people, latency, &events);
        let (hubspot, mailchimp) = (open("hubspot"), open("mailchimp"));
        let options = [("Yes", "yes"), ("No", "no")]
            .map(|(label, value)| json!({"label": label, "value": value}));
        hubspot.act(
            "property/contacts",
            &json!({
                "name": "newsletter", "label": "Newsletter", "type": "enumeration",
                "fieldType": "select", "groupName": "contactinformation", "options": options,
            }),
        );
        program.set("HUBSPOT_TOKEN", "the-key-to-hubspot");
        program.set("MAILCHIMP_TOKEN", "the-key-to-mailchimp");
        Self {
            hubspot,
            mailchimp,
            program,
            events,
            _runtime: runtime,
        }
    }

    pub fn config(&self) -> String {
        config(&self.hubspot.url, &self.mailchimp.url, NEWSLETTER)
    }

    pub fn apply(&self) {
        self.program.apply(&self.config()).fine();
    }

    pub fn contacts(&self) -> Vec<Value> {
        results(&self.hubspot.look("dump/contacts"))
    }

    pub fn members(&self) -> Vec<Value> {
        results(&self.mailchimp.look("dump/members"))
    }

    /// Some people of HubSpot alone ask there for the newsletter, so that they
    /// may be created in Mailchimp.
    pub fn people_ask_for_the_newsletter(&self) {
        let members = self.members();
        let asking = self
            .contacts()
            .into_iter()
            .filter(|contact| !email(contact).is_empty())
            .filter(|contact| members.iter().all(|m| email(m) != email(contact)));
        for contact in asking.take(12) {
            self.edit_contact(&contact, json!({"newsletter": "yes"}));
        }
    }

    /// Each edit is of somebody whom both know.
    pub fn people_work(&self) {
        let members = self.members();
        let mut both = self.contacts().into_iter().filter_map(|contact| {
            let member = members.iter().find(|m| email(m) == email(&contact))?;
            (member["status"] == "subscribed").then(|| (contact, member.clone()))
        });
        let mut next = || both.next().unwrap();
        let (contact, _) = next();
        self.edit_contact(&contact, json!({"lastname": "Okonkwo-Lindqvist"}));
        let (_, member) = next();
        self.edit_member(&member, json!({"FNAME": "Maximiliane"}));
        // A conflict, which the rule settles.
        let (contact, member) = next();
        self.edit_contact(&contact, json!({"phone": "+1 415 555 0132"}));
        self.edit_member(&member, json!({"PHONE": "+1 415 555 0178"}));
        let (_, member) = next();
        self.mailchimp
            .act("unsubscribe", &json!({"id": member["id"]}));
        let (contact, _) = next();
        self.hubspot.act("delete", &json!({"id": contact["id"]}));
    }

    fn edit_contact(&self, contact: &Value, properties: Value) {
        let wish = json!({"id": contact["id"], "properties": properties});
        self.hubspot.act("edit", &wish);
    }

    fn edit_member(&self, member: &Value, merge_fields: Value) {
        let properties = json!({"merge_fields": merge_fields});
        let wish = json!({"id": member["id"], "properties": properties});
        self.mailchimp.act("edit", &wish);
    }

    /// What both systems hold in mapped fields, without ids and moments: one
    /// line for each record, in order of the addresses.
    pub fn holdings(&self) -> Vec<String> {
        let of_contact = |contact: &Value| {
            let values: Vec<&Value> = PROPERTIES
                .iter()
                .map(|name| &contact["properties"][name])
                .collect();
            format!("hubspot {} {}", email(contact), json!(values))
        };
        let of_member = |member: &Value| {
            let values = [&member["status"], &member["merge_fields"], &member["tags"]];
            format!("mailchimp {} {}", email(member), json!(values))
        };
        let mut lines: Vec<String> = self.contacts().iter().map(of_contact).collect();
        lines.extend(self.members().iter().map(of_member));
        lines.sort();
        lines
    }

    /// Addresses that one system holds twice.
    pub fn doubled(&self) -> Vec<String> {
        let mut doubled = Vec::new();
        for records in [self.contacts(), self.members()] {
            let mut emails: Vec<String> = records.iter().map(email).collect();
            emails.retain(|email| !email.is_empty());
            emails.sort();
            let twice = emails.windows(2).filter(|pair| pair[0] == pair[1]);
            doubled.extend(twice.map(|pair| pair[0].clone()));
        }
        doubled
    }

    pub fn take_writes(&self) -> u64 {
        self.hubspot.take_writes() + self.mailchimp.take_writes()
    }
}

pub fn results(dump: &Value) -> Vec<Value> {
    dump["results"].as_array().unwrap().clone()
}

/// The address of a contact or a member, in lower case.
pub fn email(record: &Value) -> String {
    let address = record["properties"]["email"]
        .as_str()
        .or(record["email_address"].as_str());
    address.unwrap_or_default().to_lowercase()
}
