//! The data set as an account of HubSpot would hold it.

use std::collections::HashMap;

use concord_core::Timestamp;

use super::HubSpot;
use super::record::Record;
use super::store::Objects;
use crate::people::{Consent, Person};

impl HubSpot {
    /// Lets people in who became known before now.  HubSpot keeps an e-mail
    /// address for one contact only: whoever shares a mailbox with a contact
    /// that is there already comes without the address.
    pub fn add_people(&mut self, now: Timestamp, people: &[Person]) {
        let mut companies: HashMap<String, u64> = HashMap::new();
        for person in people {
            let moment = person.known_since.min(now);
            let company = self.employer(moment, person, &mut companies);
            self.add_person(moment, person, company);
        }
    }

    fn add_person(&mut self, moment: Timestamp, person: &Person, company: Option<u64>) {
        let objects = &mut self.contacts;
        let mut record = Record::new(objects.new_id(), moment.millis());
        let email = person.email.as_ref().map(|address| address.to_lowercase());
        let free = |address: &String| {
            let slot = objects.catalogue.slot("email");
            slot.is_some_and(|slot| objects.holder(slot, address).is_none())
        };
        let opted_out = matches!(person.consent, Consent::Withdrawn(_));
        let agreed = matches!(person.consent, Consent::Given(_));
        for (name, value) in [
            ("email", email.filter(free)),
            ("firstname", Some(person.given.clone())),
            ("lastname", Some(person.family.clone())),
            ("phone", person.phone.clone()),
            ("company", person.company.clone()),
            ("jobtitle", person.title.clone()),
            ("address", person.street.clone()),
            ("city", person.city.clone()),
            ("zip", person.postcode.clone()),
            ("country", Some(person.country_name.to_owned())),
            ("hs_language", Some(person.language.to_owned())),
            ("date_of_birth", person.birthday.clone()),
            ("lifecyclestage", Some("lead".to_owned())),
            ("hs_email_optout", opted_out.then(|| "true".to_owned())),
            (
                "hs_legal_basis",
                agreed.then(|| "Freely given consent from contact".to_owned()),
            ),
            ("associatedcompanyid", company.map(|id| id.to_string())),
        ] {
            set(objects, &mut record, name, value);
        }
        objects.put(moment, std::time::Duration::ZERO, record);
    }

    /// The company of a person, made when its first employee comes.
    fn employer(
        &mut self,
        moment: Timestamp,
        person: &Person,
        known: &mut HashMap<String, u64>,
    ) -> Option<u64> {
        let (name, domain) = (person.company.as_ref()?, person.company_domain.as_ref()?);
        if let Some(id) = known.get(domain) {
            return Some(*id);
        }
        let objects = &mut self.companies;
        let id = objects.new_id();
        let mut record = Record::new(id, moment.millis());
        for (property, value) in [
            ("name", name.clone()),
            ("domain", domain.clone()),
            ("website", format!("https://www.{domain}")),
            ("country", person.country_name.to_owned()),
        ] {
            set(objects, &mut record, property, Some(value));
        }
        objects.put(moment, std::time::Duration::ZERO, record);
        known.insert(domain.clone(), id);
        Some(id)
    }
}

fn set(objects: &Objects, record: &mut Record, name: &str, value: Option<String>) {
    if let (Some(slot), Some(value)) = (objects.catalogue.slot(name), value) {
        record.put((slot, Some(value.into_boxed_str())));
    }
}
