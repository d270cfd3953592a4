//! Merging two records into a third one.

use concord_core::Timestamp;

use super::HubSpot;
use super::defaults::LIFECYCLE_STAGES;
use super::record::Record;
use super::refusal::Refusal;
use super::store::{ObjectType, Objects};
use super::webhooks::What;
use crate::control::Actor;

impl HubSpot {
    /// Makes a new record of two and gives its id.  Both old ids lead to it.
    pub(crate) fn merge(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        primary: &str,
        secondary: &str,
        actor: Actor,
    ) -> Result<u64, Refusal> {
        let lag = self.control.lag;
        let objects = self.objects_mut(kind);
        let find = |id: &str| -> Result<Record, Refusal> {
            let record = objects.find(id, None)?;
            record
                .map(|record| Record::clone(record))
                .ok_or_else(|| Refusal::not_found(id))
        };
        let (first, second) = (find(primary)?, find(secondary)?);
        if first.id == second.id {
            return Err(Refusal::validation(format!(
                "{primary} and {secondary} are the same record and cannot be merged"
            )));
        }
        let id = objects.new_id();
        let merged = combine(objects, id, now, &first, &second);
        let what = What::Merge {
            primary: first.id,
            merged: second.id,
            moved: moved(&first, &second),
        };
        for old in [first.id, second.id] {
            objects.take(now, lag, old);
            objects.lead_to(old, id);
        }
        objects.put(now, lag, merged);
        self.control
            .note(now, actor, "merge", kind.plural(), &id.to_string());
        self.tell_of(now, kind, id, actor, what);
        if kind == ObjectType::Companies {
            self.repoint(now, first.id, Some(id), actor);
            self.repoint(now, second.id, Some(id), actor);
        }
        Ok(id)
    }
}

/// How many values the other record has where the primary has none.
fn moved(first: &Record, second: &Record) -> usize {
    let gaps = second.filled();
    gaps.filter(|(slot, _)| first.stored(*slot).is_none())
        .count()
}

/// The primary record's values, and the other's where the primary has none; the
/// furthest lifecycle stage; both e-mail addresses; the ids of all that went in.
fn combine(objects: &Objects, id: u64, now: Timestamp, first: &Record, second: &Record) -> Record {
    let mut merged = Record::new(id, first.created.min(second.created));
    merged.modified = now.millis().max(first.modified).max(second.modified);
    for (slot, value) in second.filled().chain(first.filled()) {
        merged.put((slot, Some(Box::from(value))));
    }
    let catalogue = &objects.catalogue;
    if let Some(slot) = catalogue.slot("lifecyclestage") {
        let place = |r: &Record| {
            let stage = r.stored(slot);
            LIFECYCLE_STAGES.iter().position(|s| Some(*s) == stage)
        };
        if let Some(furthest) = place(first).max(place(second)) {
            merged.put((slot, Some(Box::from(LIFECYCLE_STAGES[furthest]))));
        }
    }
    if let (Some(email), Some(more)) = (
        catalogue.slot("email"),
        catalogue.slot("hs_additional_emails"),
    ) {
        let kept = merged.stored(email).map(str::to_owned);
        let both = [first, second];
        let addresses = both.iter().flat_map(|record| {
            let additional = record.stored(more).unwrap_or_default().split(';');
            record.stored(email).into_iter().chain(additional)
        });
        let others = addresses.filter(|a| !a.is_empty() && Some(*a) != kept.as_deref());
        let others: Vec<&str> = others.collect();
        let text = others.join(";");
        merged.put((more, (!text.is_empty()).then(|| text.into_boxed_str())));
    }
    if let Some(slot) = catalogue.slot("hs_merged_object_ids") {
        let earlier = [first, second]
            .into_iter()
            .flat_map(|r| r.stored(slot).unwrap_or_default().split(';'));
        let mut ids: Vec<String> = earlier
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
        ids.extend([first.id.to_string(), second.id.to_string()]);
        merged.put((slot, Some(ids.join(";").into_boxed_str())));
    }
    merged
}
