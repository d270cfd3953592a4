//! The records of one object type, and the rules that hold between them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use concord_core::Timestamp;

use super::catalogue::{Catalogue, Cleaned, Slot};
use super::index::Index;
use super::record::Record;
use super::refusal::{Invalid, Refusal};

/// Ids begin here, so that even a small account has ids of different lengths:
/// ordering them as text is wrong and shows.
const FIRST_ID: u64 = 951;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectType {
    Contacts,
    Companies,
}

impl ObjectType {
    /// Paths name a type by its plural, its singular or its number.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "contacts" | "contact" | "0-1" => Some(Self::Contacts),
            "companies" | "company" | "0-2" => Some(Self::Companies),
            _ => None,
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Companies => "companies",
        }
    }

    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Contacts => "contact",
            Self::Companies => "company",
        }
    }

    pub(crate) fn number(self) -> &'static str {
        match self {
            Self::Contacts => "0-1",
            Self::Companies => "0-2",
        }
    }

    /// What reads show where no properties are asked for.
    pub(crate) fn shown(self) -> &'static [&'static str] {
        match self {
            Self::Contacts => &["email", "firstname", "lastname"],
            Self::Companies => &["name", "domain"],
        }
    }

    /// A new record has at least one of these.
    pub(crate) fn needed(self) -> &'static [&'static str] {
        self.shown()
    }

    /// Properties that the free-text query of a search looks at.
    pub(crate) fn searchable(self) -> &'static [&'static str] {
        match self {
            Self::Contacts => &[
                "firstname",
                "lastname",
                "email",
                "hs_additional_emails",
                "phone",
                "mobilephone",
                "fax",
                "company",
            ],
            Self::Companies => &["name", "domain", "website", "phone"],
        }
    }
}

#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) kind: ObjectType,
    pub(crate) catalogue: Catalogue,
    pub(crate) live: BTreeMap<u64, Arc<Record>>,
    pub(crate) archived: BTreeMap<u64, Arc<Record>>,
    pub(crate) index: Index,
    /// Who holds a unique value.  An additional e-mail address is held as well.
    holders: HashMap<(Slot, Box<str>), u64>,
    /// Ids that were merged away, and the record that they lead to.
    merged: HashMap<u64, u64>,
    next_id: u64,
}

impl Objects {
    pub(crate) fn new(kind: ObjectType, catalogue: Catalogue) -> Self {
        Self {
            kind,
            live: BTreeMap::new(),
            archived: BTreeMap::new(),
            index: Index::new(catalogue.slot("email")),
            catalogue,
            holders: HashMap::new(),
            merged: HashMap::new(),
            next_id: FIRST_ID,
        }
    }

    /// The id that a record answers to now: a merged record's id leads to the
    /// record that it was merged into.
    pub(crate) fn current(&self, id: u64) -> u64 {
        let mut id = id;
        while let Some(&winner) = self.merged.get(&id) {
            id = winner;
        }
        id
    }

    pub(crate) fn lead_to(&mut self, old: u64, winner: u64) {
        self.merged.insert(old, winner);
    }

    /// A live record by id, or by a unique property's value.
    pub(crate) fn find(
        &self,
        id: &str,
        id_property: Option<&str>,
    ) -> Result<Option<&Arc<Record>>, Refusal> {
        let number = match id_property {
            None | Some("hs_object_id") => id.parse().ok(),
            Some(name) => {
                let slot = self.unique_slot(name).ok_or_else(|| {
                    Refusal::validation(format!(
                        "{name} is not a property whose values are unique for {}",
                        self.kind.plural()
                    ))
                })?;
                self.holder(slot, id)
            }
        };
        Ok(number.and_then(|number| self.live.get(&self.current(number))))
    }

    pub(crate) fn unique_slot(&self, name: &str) -> Option<Slot> {
        let slot = self.catalogue.slot(name)?;
        self.catalogue.property(slot).unique.then_some(slot)
    }

    /// E-mail addresses are compared as they are kept, in lower case.
    pub(crate) fn holder(&self, slot: Slot, value: &str) -> Option<u64> {
        let value = match self.catalogue.property(slot).name.as_str() {
            "email" => value.trim().to_lowercase(),
            _ => value.to_owned(),
        };
        self.holders.get(&(slot, value.into_boxed_str())).copied()
    }

    /// Refuses values that are unique and belong to another record already.
    pub(crate) fn check_unique(&self, values: &[Cleaned], own: Option<u64>) -> Result<(), Refusal> {
        for (slot, value) in values {
            let property = self.catalogue.property(*slot);
            let Some(value) = value.as_deref().filter(|_| property.unique) else {
                continue;
            };
            match self.holder(*slot, value) {
                Some(holder) if Some(holder) != own => {
                    return Err(taken(&property.name, value, holder));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Puts a record in the place of its former self.
    pub(crate) fn put(&mut self, now: Timestamp, lag: Duration, record: Record) {
        let id = record.id;
        let record = Arc::new(record);
        if let Some(old) = self.live.insert(id, Arc::clone(&record)) {
            self.release(&old);
        }
        for key in self.held_by(&record) {
            self.holders.insert(key, id);
        }
        self.index.change(now, lag, id, Some(record));
    }

    /// Takes a record out of the live ones.
    pub(crate) fn take(&mut self, now: Timestamp, lag: Duration, id: u64) -> Option<Arc<Record>> {
        let record = self.live.remove(&id)?;
        self.release(&record);
        self.index.change(now, lag, id, None);
        Some(record)
    }

    pub(crate) fn archive(&mut self, now: Timestamp, lag: Duration, id: u64) -> bool {
        let Some(record) = self.take(now, lag, id) else {
            return false;
        };
        let mut record = Arc::unwrap_or_clone(record);
        record.archived = Some(now.millis());
        self.archived.insert(id, Arc::new(record));
        true
    }

    /// Puts an archived record back, unless one of its unique values was taken meanwhile.
    pub(crate) fn restore(
        &mut self,
        now: Timestamp,
        lag: Duration,
        id: u64,
    ) -> Result<(), Refusal> {
        let archived = self.archived.get(&id);
        let archived = archived.ok_or_else(|| Refusal::not_found(&id.to_string()))?;
        let values = archived.filled();
        let values: Vec<Cleaned> = values.map(|(s, v)| (s, Some(Box::from(v)))).collect();
        self.check_unique(&values, None)?;
        let mut record = Record::clone(archived);
        record.archived = None;
        record.modified = now.millis().max(record.modified);
        self.archived.remove(&id);
        self.put(now, lag, record);
        Ok(())
    }

    /// The unique values of a record, with its additional e-mail addresses.
    fn held_by(&self, record: &Record) -> Vec<(Slot, Box<str>)> {
        let mut held: Vec<(Slot, Box<str>)> = record
            .filled()
            .filter(|(slot, _)| self.catalogue.property(*slot).unique)
            .map(|(slot, value)| (slot, Box::from(value)))
            .collect();
        let additional = self.catalogue.slot("hs_additional_emails");
        if let (Some(email), Some(slot)) = (self.catalogue.slot("email"), additional) {
            let addresses = record.stored(slot).unwrap_or_default().split(';');
            let addresses = addresses.filter(|address| !address.is_empty());
            held.extend(addresses.map(|address| (email, Box::from(address))));
        }
        held
    }

    fn release(&mut self, record: &Record) {
        for key in self.held_by(record) {
            if self.holders.get(&key) == Some(&record.id) {
                self.holders.remove(&key);
            }
        }
    }
}

/// A contact's e-mail address has an error of its own; other unique properties
/// are refused as invalid values.
fn taken(name: &str, value: &str, holder: u64) -> Refusal {
    if name == "email" {
        let message = format!("Contact already exists. Existing ID: {holder}");
        return Refusal::new(409, "CONFLICT", message);
    }
    Refusal::invalid(&[Invalid::new(
        name,
        "CONFLICTING_UNIQUE_VALUE",
        format!("Cannot set {name} to {value}: {holder} already has that value."),
    )])
}
