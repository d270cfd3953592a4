//! Two entities become one, and are taken apart again: both are events, and the
//! second undoes the first everywhere.

mod follow;
mod kept;
mod question;
mod redirect;
mod unmerge;

use concord_core::ports::{ConflictFilter, Sequence};
use concord_core::state::{
    Conflict, ConflictKind, EntityState, Event, Intent, IntentState, Link, LinkState, Origin,
    Winner,
};
use concord_core::{Changeset, Entity, EntityId, EntitySchema, FieldName, RunId, Value};
use concord_sync::merging::unite;
use serde::Serialize;

use crate::error::EngineError;
use crate::hub::Hub;
use kept::Kept;

/// What the event of a merge says to the one that lives on.
pub(crate) const MERGED_WITH: &str = "merged with ";

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

/// Why two entities are made one.
struct Cause {
    origin: Origin,
    run: RunId,
    /// What it means for other systems is asked of a person.
    asks: bool,
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
        if lives == other {
            return Err(refused(format!("{lives} is one already")));
        }
        if lives.kind != other.kind {
            return Err(refused(format!(
                "a {} and a {} cannot be one",
                lives.kind, other.kind
            )));
        }
        let (one, two) = (self.living(lives).await?, self.living(other).await?);
        let cause = Cause {
            origin: Origin::Person(by.to_owned()),
            run: RunId(self.store.reserve(&Sequence::Run, 1).await?),
            asks: false,
        };
        self.merge_as(one, two, &cause).await
    }

    async fn merge_as(
        &self,
        mut one: Entity,
        mut two: Entity,
        cause: &Cause,
    ) -> Result<Merged, EngineError> {
        let (lives, other) = (one.id.clone(), two.id.clone());
        let mut out = Changeset::durable();
        let both = [lives.clone(), other.clone()];
        self.drop_unsent(&both, &mut out).await?;
        self.refuse_held(&other).await?;
        let united = unite(&one.cells, &two.cells, self.schema(&lives)?);
        let links = self.store.links_of(&both).await?;
        refuse_deletes(&links)?;
        let (links, its): (Vec<_>, Vec<_>) = links.into_iter().partition(|l| l.entity == other);
        let events = [
            self.numbers.next(&Sequence::Event).await?,
            self.numbers.next(&Sequence::Event).await?,
        ];
        let now = self.clock.now();
        let kept = Kept {
            into: lives.clone(),
            links: links.iter().map(|link| link.key.clone()).collect(),
            before: one.cells.clone(),
            events,
            at: now,
        };
        self.ask_about_twins(&two, &lives, &links, &its, cause, &mut out)
            .await?;
        let (keys, ended) = (self.keys_of(&one), self.keys_of(&two));
        one.cells = united.cells;
        one.dirty = true;
        two.state = EntityState::MergedInto(lives.number);
        two.dirty = false;
        for (id, entity, what, changes) in [
            (
                events[0],
                &lives,
                format!("{MERGED_WITH}{other}"),
                united.changes,
            ),
            (
                events[1],
                &other,
                format!("merged into {lives}"),
                Vec::new(),
            ),
        ] {
            out.events.push(Event {
                id,
                entity: entity.clone(),
                at: now,
                run: cause.run,
                origin: cause.origin.clone(),
                what,
                changes,
                link: None,
            });
        }
        let lost = self
            .record_lost(&united.lost, &lives, &links, &cause.origin, &mut out)
            .await?;
        out.keys_removed.extend(ended);
        self.rekey(&keys, &one, &mut out);
        let records = links.len();
        for mut link in links {
            link.entity = lives.clone();
            if link.state == LinkState::Merged {
                // What it was to be looked at for is done with this.
                link.again_at = None;
            }
            out.links.push(link);
        }
        out.entities.extend([one, two]);
        self.keep(&other, &kept).await?;
        self.redirecting(&other).await?;
        self.store.commit(&out).await?;
        self.redirect_all().await?;
        Ok(Merged {
            lives,
            other,
            event: events[0],
            records,
            lost,
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

    /// What was planned and not sent is planned anew.  What is on its way has to
    /// arrive first: where a create is in doubt, nobody knows yet which records
    /// there are.
    async fn drop_unsent(&self, ids: &[EntityId], out: &mut Changeset) -> Result<(), EngineError> {
        for mut intent in self.store.open_intents_of(ids).await? {
            if intent.has_left() {
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
