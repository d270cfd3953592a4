//! Creating, changing and archiving, for one record and for many: everything
//! goes through here, from the API and from a person's screen alike.

use concord_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::catalogue::{Cleaned, Slot};
use super::defaults::LIFECYCLE_STAGES;
use super::record::Record;
use super::refusal::{Invalid, Refusal};
use super::store::{ObjectType, Objects};
use super::webhooks::What;
use super::{HubSpot, association};
use crate::control::Actor;

/// A record that is to be created, as the API takes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewRecord {
    #[serde(default)]
    pub(crate) properties: Map<String, Value>,
    #[serde(default)]
    pub(crate) associations: Vec<association::Wish>,
    #[serde(default)]
    pub(crate) object_write_trace_id: Option<String>,
}

/// A checked write that only has to be carried out.
#[derive(Debug)]
pub(crate) enum Step {
    Create(Vec<Cleaned>),
    Update(u64, Vec<Cleaned>),
}

impl HubSpot {
    /// Checks a create against the catalogue and against the other records.
    pub(crate) fn plan_create(
        &self,
        kind: ObjectType,
        new: &NewRecord,
        actor: Actor,
    ) -> Result<Step, Refusal> {
        let objects = self.objects(kind);
        let mut values = clean(objects, &new.properties, actor)?;
        let has = |name: &&str| {
            let slot = objects.catalogue.slot(name);
            values
                .iter()
                .any(|(s, value)| Some(*s) == slot && value.is_some())
        };
        if actor == Actor::Api && !kind.needed().iter().any(has) {
            return Err(Refusal::validation(format!(
                "A new {} needs at least one of these properties: {}",
                kind.singular(),
                kind.needed().join(", ")
            )));
        }
        objects.check_unique(&values, None)?;
        if let Some(company) = association::company_wished(kind, &new.associations, self)?
            && let Some(slot) = objects.catalogue.slot("associatedcompanyid")
        {
            values.push((slot, Some(company.to_string().into_boxed_str())));
        }
        Ok(Step::Create(values))
    }

    pub(crate) fn plan_update(
        &self,
        kind: ObjectType,
        id: u64,
        properties: &Map<String, Value>,
        actor: Actor,
    ) -> Result<Step, Refusal> {
        let objects = self.objects(kind);
        let mut values = clean(objects, properties, actor)?;
        objects.check_unique(&values, Some(id))?;
        if actor == Actor::Api
            && let Some(record) = objects.live.get(&id)
        {
            values.retain(|value| !goes_back(objects, record, value));
        }
        Ok(Step::Update(id, values))
    }

    /// Carries out a step and gives the record's id.
    pub(crate) fn carry_out(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        step: Step,
        actor: Actor,
    ) -> u64 {
        let lag = self.control.lag;
        let objects = self.objects_mut(kind);
        let mut changed: Vec<Slot> = Vec::new();
        let (record, verb) = match step {
            Step::Create(values) => {
                let mut record = Record::new(objects.new_id(), now.millis());
                put_all(&mut record, values, &mut changed);
                (record, "create")
            }
            Step::Update(id, values) => {
                let Some(old) = objects.live.get(&id) else {
                    return id;
                };
                let mut record = Record::clone(old);
                put_all(&mut record, values, &mut changed);
                record.modified = now.millis().max(record.modified);
                if changed.is_empty() {
                    // A write that changes nothing leaves the record and its moment alone.
                    self.control
                        .note(now, actor, "unchanged", kind.plural(), &id.to_string());
                    return id;
                }
                (record, "update")
            }
        };
        let id = record.id;
        objects.put(now, lag, record);
        self.control
            .note(now, actor, verb, kind.plural(), &id.to_string());
        if verb == "create" {
            self.tell_of(now, kind, id, actor, What::Creation);
        }
        self.tell_of_values(now, kind, id, actor, &changed);
        id
    }

    /// Tells whoever has webhooks of the values that a record has now.
    fn tell_of_values(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        id: u64,
        actor: Actor,
        changed: &[Slot],
    ) {
        if !self.webhooks.are_wanted() {
            return;
        }
        for slot in changed {
            let objects = self.objects(kind);
            let value = objects.live.get(&id).and_then(|r| r.stored(*slot));
            let what = What::PropertyChange {
                name: objects.catalogue.property(*slot).name.clone(),
                value: value.unwrap_or_default().to_owned(),
            };
            self.tell_of(now, kind, id, actor, what);
        }
    }

    /// Moves a record to the archive; false where it was not there.
    pub(crate) fn archive(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        id: u64,
        actor: Actor,
    ) -> bool {
        let lag = self.control.lag;
        let objects = self.objects_mut(kind);
        let id = objects.current(id);
        if !objects.archive(now, lag, id) {
            return false;
        }
        self.control
            .note(now, actor, "archive", kind.plural(), &id.to_string());
        self.tell_of(now, kind, id, actor, What::Deletion);
        if kind == ObjectType::Companies {
            self.repoint(now, id, None, actor);
        }
        true
    }

    /// Takes a record back out of the archive, which only a person can.
    pub(crate) fn restore(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        id: &str,
    ) -> Result<u64, Refusal> {
        let lag = self.control.lag;
        let number = id.parse().map_err(|_| Refusal::not_found(id))?;
        self.objects_mut(kind).restore(now, lag, number)?;
        self.control
            .note(now, Actor::Person, "restore", kind.plural(), id);
        self.tell_of(now, kind, number, Actor::Person, What::Restore);
        Ok(number)
    }

    /// Removes a record for good, from the archive as well.
    pub(crate) fn delete(&mut self, now: Timestamp, kind: ObjectType, id: u64) -> bool {
        let lag = self.control.lag;
        let objects = self.objects_mut(kind);
        let id = objects.current(id);
        let was_live = objects.take(now, lag, id).is_some();
        let was_archived = objects.archived.remove(&id).is_some();
        if was_live || was_archived {
            self.control
                .note(now, Actor::Person, "delete", kind.plural(), &id.to_string());
            if kind == ObjectType::Contacts {
                self.tell_of(now, kind, id, Actor::Person, What::PrivacyDeletion);
            }
        }
        if was_live {
            self.tell_of(now, kind, id, Actor::Person, What::Deletion);
        }
        if was_live && kind == ObjectType::Companies {
            self.repoint(now, id, None, Actor::Person);
        }
        was_live || was_archived
    }

    /// Lets all contacts of one company belong to another one, or to none.
    pub(crate) fn repoint(&mut self, now: Timestamp, from: u64, to: Option<u64>, actor: Actor) {
        let lag = self.control.lag;
        let objects = &mut self.contacts;
        let Some(slot) = objects.catalogue.slot("associatedcompanyid") else {
            return;
        };
        let from = from.to_string();
        let theirs = objects.live.values();
        let changed: Vec<Record> = theirs
            .filter(|contact| contact.stored(slot) == Some(&from))
            .map(|contact| {
                let mut contact = Record::clone(contact);
                contact.put((slot, to.map(|id| id.to_string().into_boxed_str())));
                contact.modified = now.millis().max(contact.modified);
                contact
            })
            .collect();
        for contact in changed {
            let id = contact.id;
            self.contacts.put(now, lag, contact);
            self.tell_of_values(now, ObjectType::Contacts, id, actor, &[slot]);
        }
    }
}

/// Puts values into a record, and writes down which of them changed something.
fn put_all(record: &mut Record, values: Vec<Cleaned>, changed: &mut Vec<Slot>) {
    for value in values {
        let slot = value.0;
        if record.put(value) {
            changed.push(slot);
        }
    }
}

fn clean(
    objects: &Objects,
    properties: &Map<String, Value>,
    actor: Actor,
) -> Result<Vec<Cleaned>, Refusal> {
    let by_person = actor == Actor::Person;
    objects
        .catalogue
        .clean(properties, by_person)
        .map_err(|problems: Vec<Invalid>| Refusal::invalid(&problems))
}

/// Whether a write would move a record back in the funnel.  The stage has to be
/// cleared first; until then the write of this one property has no effect.
fn goes_back(objects: &Objects, record: &Record, (slot, value): &Cleaned) -> bool {
    if objects.catalogue.property(*slot).name != "lifecyclestage" {
        return false;
    }
    let place = |stage: Option<&str>| LIFECYCLE_STAGES.iter().position(|s| Some(*s) == stage);
    let (old, new) = (place(record.stored(*slot)), place(value.as_deref()));
    matches!((old, new), (Some(old), Some(new)) if new < old)
}
