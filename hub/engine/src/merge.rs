//! Two entities become one, and are taken apart again: both are events, and the
//! second undoes the first everywhere.

use std::collections::BTreeSet;

use concord_core::ports::{ConflictFilter, Sequence, StoreError};
use concord_core::state::{
    Conflict, ConflictKind, EntityState, Event, Intent, IntentState, Link, LinkKey, LinkState,
    Origin, Winner,
};
use concord_core::{
    Changeset, Entity, EntityId, EntitySchema, FieldName, Fields, RunId, Timestamp, Value,
};
use concord_sync::merging::{Cells, Contribution, refold, unite};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::hub::Hub;

/// What is kept of a merge, so that it can be taken back: what the other was
/// stays with the other, which lives on as a number only.
#[derive(Debug, Serialize, Deserialize)]
struct Merge {
    into: EntityId,
    /// The other's records.
    links: Vec<LinkKey>,
    /// The values of the one that lives on, before.
    before: Cells,
    /// The event, after which everything is later.
    event: i64,
    at: Timestamp,
}

fn document(ended: &EntityId) -> String {
    format!("merge/{ended}")
}

/// What a merge or its undoing did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Merged {
    /// The one that lives on, or is by itself again.
    pub lives: EntityId,
    /// The one that ended, or is back.
    pub other: EntityId,
    pub event: i64,
    /// Its records.
    pub records: usize,
    /// Fields whose value was given up; recorded as conflicts.
    pub lost: Vec<String>,
}

impl Hub {
    /// Makes `other` a part of `lives`.  What either is owed is planned anew by
    /// the next sync.
    pub async fn merge(
        &self,
        lives: &EntityId,
        other: &EntityId,
        by: &str,
    ) -> Result<Merged, EngineError> {
        let origin = Origin::Person(by.to_owned());
        self.merge_as(lives, other, origin).await
    }

    pub(crate) async fn merge_as(
        &self,
        lives: &EntityId,
        other: &EntityId,
        origin: Origin,
    ) -> Result<Merged, EngineError> {
        if lives == other {
            return Err(refused(format!("{lives} is one already")));
        }
        if lives.kind != other.kind {
            return Err(refused(format!(
                "a {} and a {} cannot be one",
                lives.kind, other.kind
            )));
        }
        let (mut one, mut two) = (self.living(lives).await?, self.living(other).await?);
        let mut out = Changeset::durable();
        self.drop_unsent(&[lives.clone(), other.clone()], &mut out)
            .await?;
        self.refuse_held(other).await?;
        let united = unite(&one.cells, &two.cells, self.schema(lives)?);
        let both = [lives.clone(), other.clone()];
        let mut links = self.store.links_of(&both).await?;
        refuse_deletes(&links)?;
        links.retain(|link| link.entity == *other);
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        let now = self.clock.now();
        let event = self.numbers.next(&Sequence::Event).await?;
        let kept = Merge {
            into: lives.clone(),
            links: links.iter().map(|link| link.key.clone()).collect(),
            before: one.cells.clone(),
            event,
            at: now,
        };
        let (keys, ended) = (self.keys_of(&one), self.keys_of(&two));
        one.cells = united.cells;
        one.dirty = true;
        two.state = EntityState::MergedInto(lives.number);
        two.dirty = false;
        let second = self.numbers.next(&Sequence::Event).await?;
        for (id, entity, what, changes) in [
            (event, lives, format!("merged with {other}"), united.changes),
            (second, other, format!("merged into {lives}"), Vec::new()),
        ] {
            out.events.push(Event {
                id,
                entity: entity.clone(),
                at: now,
                run,
                origin: origin.clone(),
                what,
                changes,
                link: None,
            });
        }
        let lost = self
            .record_lost(&united.lost, lives, &links, &origin, &mut out)
            .await?;
        out.keys_removed.extend(ended);
        self.rekey(&keys, &one, &mut out);
        let records = links.len();
        for mut link in links {
            link.entity = lives.clone();
            out.links.push(link);
        }
        out.entities.extend([one, two]);
        // First the means to take it back, then the merge: a hub that dies in
        // between leaves a document of a merge that never was, which is not
        // looked at.
        let text = serde_json::to_string(&kept)
            .map_err(|error| refused(format!("the merge cannot be written down: {error}")))?;
        self.store.set_document(&document(other), &text).await?;
        self.store.commit(&out).await?;
        Ok(Merged {
            lives: lives.clone(),
            other: other.clone(),
            event,
            records,
            lost,
        })
    }

    /// Takes a merged entity out of the one that it became a part of.  Both get
    /// the values back that they had, with what people put into the records of
    /// each since.
    pub async fn unmerge(&self, other: &EntityId, by: &str) -> Result<Merged, EngineError> {
        let mut two = self.entity(other).await?;
        let EntityState::MergedInto(number) = two.state else {
            return Err(refused(format!("{other} was not merged into another")));
        };
        let lives = EntityId {
            kind: other.kind.clone(),
            number,
        };
        let Some(kept) = self.kept(other).await?.filter(|kept| kept.into == lives) else {
            return Err(refused(format!(
                "{other} was found to be {lives} when it was first seen, before it was anywhere \
                 else: there is nothing to take apart"
            )));
        };
        let mut one = self.living(&lives).await?;
        let mut out = Changeset::durable();
        self.drop_unsent(&[lives.clone(), other.clone()], &mut out)
            .await?;
        self.refuse_held(&lives).await?;
        let schema = self.schema(&lives)?;
        let mut since: Vec<Event> = self.store.events(&lives).await?;
        since.retain(|event| event.id > kept.event && is_contribution(event));
        since.sort_by_key(|event| (event.at, event.id));
        let (theirs, mine): (Vec<Event>, Vec<Event>) = since
            .into_iter()
            .partition(|event| event.link.as_ref().is_some_and(|l| kept.links.contains(l)));
        let keys = self.keys_of(&one);
        let before = (one.values(), two.values());
        one.cells = refold(&kept.before, &contributions(mine), schema);
        two.cells = refold(&two.cells, &contributions(theirs), schema);
        two.state = EntityState::Live;
        (one.dirty, two.dirty) = (true, true);
        self.rekey(&keys, &one, &mut out);
        out.keys_added.extend(self.keys_of(&two));
        let links = self.store.links_of(std::slice::from_ref(&lives)).await?;
        let back = links.into_iter().filter(|l| kept.links.contains(&l.key));
        for mut link in back {
            link.entity = other.clone();
            out.links.push(link);
        }
        let records = out.links.len();
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        let apart = |who: &EntityId| format!("taken apart from {who}");
        for (entity, from, old) in [(&one, other, &before.0), (&two, &lives, &before.1)] {
            let changes = changes(old, entity);
            let event = self
                .decided(&entity.id, run, by, apart(from), changes)
                .await?;
            out.events.push(event);
        }
        let event = out.events.first().map_or(0, |event| event.id);
        out.entities.extend([one, two]);
        self.store.commit(&out).await?;
        Ok(Merged {
            lives,
            other: other.clone(),
            event,
            records,
            lost: Vec::new(),
        })
    }

    async fn entity(&self, id: &EntityId) -> Result<Entity, EngineError> {
        let found = self.store.entities(std::slice::from_ref(id)).await?.pop();
        found.ok_or_else(|| refused(format!("there is no {id}")))
    }

    /// An entity that is not merged, deleted or yet to be matched.
    async fn living(&self, id: &EntityId) -> Result<Entity, EngineError> {
        let entity = self.entity(id).await?;
        match entity.state {
            EntityState::Live => Ok(entity),
            EntityState::MergedInto(number) => Err(refused(format!(
                "{id} is a part of {}/{number} already: name that one, or take them apart first \
                 with `concord unmerge {id}`",
                id.kind
            ))),
            EntityState::Deleted => Err(refused(format!("{id} is deleted"))),
            EntityState::Unmatched => Err(refused(format!(
                "{id} is not matched yet: `concord sync` does that, or `concord matches list` \
                 shows what it waits for"
            ))),
        }
    }

    fn schema(&self, id: &EntityId) -> Result<&EntitySchema, EngineError> {
        let schema = self.schemas.get(id.kind.as_str());
        schema.ok_or_else(|| refused(format!("there is no kind '{}'", id.kind)))
    }

    async fn kept(&self, other: &EntityId) -> Result<Option<Merge>, EngineError> {
        let name = document(other);
        let Some(text) = self.store.document(&name).await? else {
            return Ok(None);
        };
        let kept = serde_json::from_str(&text).map_err(|error| StoreError::Inconsistent {
            table: "documents",
            column: "text",
            row: name,
            problem: error.to_string(),
        })?;
        Ok(Some(kept))
    }

    /// What was planned and not sent is planned anew.  What is on its way has to
    /// arrive first: where a create is in doubt, nobody knows yet which records
    /// there are.
    async fn drop_unsent(&self, ids: &[EntityId], out: &mut Changeset) -> Result<(), EngineError> {
        for mut intent in self.store.open_intents_of(ids).await? {
            if intent.state != IntentState::New {
                return Err(refused(on_its_way(&intent)));
            }
            intent.state = IntentState::Dropped;
            "planned anew after a merge".clone_into(&mut intent.reason);
            out.intents.push(intent);
        }
        Ok(())
    }

    async fn refuse_held(&self, id: &EntityId) -> Result<(), EngineError> {
        let filter = ConflictFilter {
            entity: Some(id.clone()),
            held_only: true,
            limit: 1,
            ..ConflictFilter::default()
        };
        match self.store.conflicts(&filter).await?.first() {
            None => Ok(()),
            Some(conflict) => Err(refused(format!(
                "'{}' of {id} waits for a decision: `concord conflicts resolve {}` first",
                conflict.field, conflict.id
            ))),
        }
    }

    /// Records what the other loses, by the record that it came from.
    async fn record_lost(
        &self,
        lost: &[(FieldName, Value, Value)],
        lives: &EntityId,
        links: &[Link],
        origin: &Origin,
        out: &mut Changeset,
    ) -> Result<Vec<String>, EngineError> {
        let Some(link) = links.first() else {
            return Ok(Vec::new());
        };
        for (field, value, stays) in lost {
            out.conflicts.push(Conflict {
                id: self.numbers.next(&Sequence::Conflict).await?,
                kind: ConflictKind::Lost,
                entity: lives.clone(),
                field: field.clone(),
                link: link.key.clone(),
                base: Value::Null,
                canonical: stays.clone(),
                remote: value.clone(),
                rule: match origin {
                    Origin::Person(by) => format!("merged by {by}"),
                    Origin::Connection(_) => "merged at the system".into(),
                },
                winner: Winner::Canonical,
                at: self.clock.now(),
                decision: None,
                provenance: None,
            });
        }
        Ok(lost.iter().map(|(field, ..)| field.to_string()).collect())
    }
}

fn refused(problem: String) -> EngineError {
    EngineError::Refused(problem)
}

/// A delete that is carried on to other systems would take the other's records
/// along.
fn refuse_deletes(links: &[Link]) -> Result<(), EngineError> {
    let deleted = links.iter().find(|link| link.state == LinkState::Deleted);
    match deleted {
        None => Ok(()),
        Some(link) => Err(refused(format!(
            "a delete of {} is being carried on to other systems: run `concord sync` until it is \
             through, then merge what is left",
            link.entity
        ))),
    }
}

fn on_its_way(intent: &Intent) -> String {
    format!(
        "a write of {} is on its way to {}: run `concord sync` until it has arrived, then merge",
        intent.entity, intent.stream
    )
}

/// A value that a person put: seen at a system as a change, or chosen at the
/// hub.  What we wrote, and what a record held when it was linked, is none.
fn is_contribution(event: &Event) -> bool {
    let seen = matches!(event.what.as_str(), "changed" | "seen again");
    let chosen = matches!(event.origin, Origin::Person(_)) && event.what == "decided";
    seen || chosen
}

fn contributions(events: Vec<Event>) -> Vec<Contribution> {
    let put = |event: Event| {
        let (origin, at) = (event.origin, event.at);
        event
            .changes
            .into_iter()
            .map(move |(field, old, new)| Contribution {
                field,
                old,
                new,
                origin: origin.clone(),
                at,
            })
    };
    events.into_iter().flat_map(put).collect()
}

/// What changes from the values that an entity had.
fn changes(old: &Fields, entity: &Entity) -> Vec<(FieldName, Value, Value)> {
    let now = entity.values();
    let names: BTreeSet<&String> = old.keys().chain(now.keys()).collect();
    let of = |values: &Fields, name: &str| values.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .filter(|name| of(old, name) != of(&now, name))
        .map(|name| {
            let field = FieldName::new(name);
            (field, of(old, name), of(&now, name))
        })
        .collect()
}
