//! What people decide: held conflicts and ambiguous matches.

use std::collections::BTreeSet;

use concord_core::ports::{ConflictFilter, Sequence};
use concord_core::schema::FieldKind;
use concord_core::state::{
    Cell, Conflict, Decision, EntityState, LinkState, Origin, Review, Verdict, Winner,
};
use concord_core::{Changeset, Entity, EntityId, RunId, Value};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::hub::Hub;
use crate::why::Story;

/// Conflicts are looked through in pages, because there may be very many.
const PAGE: u32 = 1_000;

/// How a person settles a held conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    Canonical,
    Remote,
    Value(Value),
}

/// What one decision for all alike came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Alike {
    pub decided: Vec<Conflict>,
    /// Those that cannot be decided any more, with the reason of each.
    pub skipped: Vec<(i64, String)>,
}

/// A conflict with everything around it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    pub conflict: Conflict,
    /// The name of the connection that brought it up.
    pub connection: String,
    /// How many other held conflicts are like it.
    pub alike: u64,
    /// Why there is nothing to decide any more, if so.
    pub undecidable: Option<String>,
    pub story: Story,
}

impl Hub {
    /// Settles one held conflict: the field takes the chosen value, its hold is
    /// lifted, and emit sees what each system is owed.
    pub async fn decide_conflict(
        &self,
        id: i64,
        choice: &Choice,
        by: &str,
    ) -> Result<Conflict, EngineError> {
        let conflict = self.conflict(id).await?;
        if conflict.winner != Winner::Held || conflict.decision.is_some() {
            return Err(EngineError::Refused(format!(
                "conflict {id} is settled already"
            )));
        }
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        self.settle(conflict, choice, by, run).await
    }

    /// Settles every held conflict that is like this one: over the same field of
    /// the same kind, brought up by the same stream.  What cannot be decided any
    /// more is told with its reason and keeps no other one waiting.
    pub async fn decide_alike(
        &self,
        id: i64,
        choice: &Choice,
        by: &str,
    ) -> Result<Alike, EngineError> {
        if let Choice::Value(_) = choice {
            return Err(EngineError::Refused(
                "a value typed by hand is for one record: take canonical or remote for all alike"
                    .into(),
            ));
        }
        let model = self.conflict(id).await?;
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        let mut done = Alike::default();
        let mut settled = BTreeSet::new();
        for conflict in self.alike(&model).await? {
            // One decision settles all conflicts of its field.
            if settled.contains(&conflict.entity) {
                continue;
            }
            let (number, entity) = (conflict.id, conflict.entity.clone());
            match self.settle(conflict, choice, by, run).await {
                Ok(conflict) => {
                    settled.insert(entity);
                    done.decided.push(conflict);
                }
                Err(EngineError::Refused(reason)) => done.skipped.push((number, reason)),
                Err(other) => return Err(other),
            }
        }
        Ok(done)
    }

    /// The held conflicts like this one, itself included where it is held.
    pub async fn alike(&self, model: &Conflict) -> Result<Vec<Conflict>, EngineError> {
        let mut filter = ConflictFilter {
            held_only: true,
            limit: PAGE,
            ..ConflictFilter::default()
        };
        let mut alike = Vec::new();
        loop {
            let page = self.store.conflicts(&filter).await?;
            let Some(last) = page.last() else {
                return Ok(alike);
            };
            filter.after = Some(last.id);
            alike.extend(page.into_iter().filter(|held| {
                held.entity.kind == model.entity.kind
                    && held.field == model.field
                    && held.link.connection == model.link.connection
                    && held.link.stream == model.link.stream
            }));
        }
    }

    /// Everything that a person wants to see before deciding a conflict.
    pub async fn explain_conflict(&self, id: i64) -> Result<Explained, EngineError> {
        let conflict = self.conflict(id).await?;
        let alike = self.alike(&conflict).await?;
        let undecidable = self
            .decidable(&conflict)
            .await
            .err()
            .map(|reason| reason.to_string());
        let story = self.why(&conflict.entity, conflict.field.as_str()).await?;
        Ok(Explained {
            connection: self.name_of(&Origin::Connection(conflict.link.connection)),
            alike: alike.iter().filter(|other| other.id != id).count() as u64,
            conflict,
            undecidable,
            story,
        })
    }

    /// The entity of a conflict, where there is still something to decide.
    async fn decidable(&self, conflict: &Conflict) -> Result<Entity, EngineError> {
        let id = &conflict.entity;
        let refused = |text: String| Err(EngineError::Refused(text));
        let entity = self.store.entities(std::slice::from_ref(id)).await?.pop();
        let Some(entity) = entity else {
            return refused(format!(
                "{id} is not there any more, so there is nothing to decide"
            ));
        };
        match &entity.state {
            EntityState::Deleted => refused(format!(
                "{id} was deleted meanwhile, so there is nothing to decide"
            )),
            EntityState::MergedInto(number) => refused(format!(
                "{id} was merged into {}/{number} meanwhile: decide what that holds with \
                 `concord conflicts list --entity {}/{number}`",
                id.kind, id.kind
            )),
            EntityState::Unmatched | EntityState::Live => Ok(entity),
        }
    }

    async fn settle(
        &self,
        mut conflict: Conflict,
        choice: &Choice,
        by: &str,
        run: RunId,
    ) -> Result<Conflict, EngineError> {
        let mut entity = self.decidable(&conflict).await?;
        let field = conflict.field.clone();
        let value = match choice {
            Choice::Canonical => entity.value(field.as_str()).clone(),
            Choice::Remote => self.still_there(&conflict).await?,
            Choice::Value(value) => self.checked(&conflict, value)?,
        };
        let now = self.clock.now();
        let keys = self.keys_of(&entity);
        let old = entity.value(field.as_str()).clone();
        let cell = Cell {
            value: value.clone(),
            origin: Origin::Person(by.to_owned()),
            after: now,
            until: now,
            changes: 0,
            fight_since: now,
        };
        entity.cells.insert(field.clone(), cell);
        entity.dirty = true;
        conflict.decision = Some(Decision {
            by: by.to_owned(),
            at: now,
            value: value.clone(),
        });
        let mut out = Changeset::durable();
        let changes = vec![(field.clone(), old, value)];
        let mut event = self
            .decided(&entity.id, run, by, "decided".into(), changes)
            .await?;
        if *choice == Choice::Remote {
            // Whose record it is tells whose value it is, should the entity be
            // taken apart.
            event.link = Some(conflict.link.clone());
        }
        out.events.push(event);
        out.holds_cleared
            .push((conflict.entity.clone(), Some(field)));
        // Later conflicts of the same field are settled by the same decision.
        for mut other in self.held_of(&conflict).await? {
            other.decision.clone_from(&conflict.decision);
            out.conflicts_decided.push(other);
        }
        self.rekey(&keys, &entity, &mut out);
        out.entities.push(entity);
        self.store.commit(&out).await?;
        Ok(conflict)
    }

    /// The system's value of a conflict, unless its record was deleted meanwhile:
    /// then nobody vouches for it any more, and it has to be typed.
    async fn still_there(&self, conflict: &Conflict) -> Result<Value, EngineError> {
        let key = &conflict.link;
        let ids = std::slice::from_ref(&key.remote_id);
        let links = self.store.links(key.connection, &key.stream, ids).await?;
        let gone = links
            .iter()
            .any(|link| matches!(link.state, LinkState::Gone | LinkState::Merged));
        if links.is_empty() || gone {
            return Err(EngineError::Refused(format!(
                "record {} of {} was deleted there meanwhile: take canonical, or give the value \
                 with value=JSON",
                key.remote_id,
                self.name_of(&Origin::Connection(key.connection))
            )));
        }
        Ok(conflict.remote.clone())
    }

    async fn conflict(&self, id: i64) -> Result<Conflict, EngineError> {
        let filter = ConflictFilter {
            after: Some(id - 1),
            limit: 1,
            ..ConflictFilter::default()
        };
        let found = self.store.conflicts(&filter).await?;
        found
            .into_iter()
            .find(|conflict| conflict.id == id)
            .ok_or_else(|| EngineError::NoSuch(format!("conflict {id}")))
    }

    async fn held_of(&self, conflict: &Conflict) -> Result<Vec<Conflict>, EngineError> {
        let filter = ConflictFilter {
            entity: Some(conflict.entity.clone()),
            held_only: true,
            limit: 10_000,
            ..ConflictFilter::default()
        };
        let mut held = self.store.conflicts(&filter).await?;
        held.retain(|other| other.field == conflict.field);
        Ok(held)
    }

    /// A value typed by a person must be of the field's kind.
    fn checked(&self, conflict: &Conflict, value: &Value) -> Result<Value, EngineError> {
        let spec = self
            .schemas
            .get(conflict.entity.kind.as_str())
            .and_then(|schema| schema.field(conflict.field.as_str()));
        let Some(spec) = spec else {
            return Err(EngineError::Refused(format!(
                "there is no field '{}' any more",
                conflict.field
            )));
        };
        let text = value.as_str();
        let allowed = match spec.kind {
            FieldKind::Enum => text.is_some_and(|text| spec.values.iter().any(|v| v == text)),
            FieldKind::Boolean => value.is_boolean(),
            FieldKind::Integer => value.is_i64(),
            FieldKind::Group | FieldKind::Consent => value.is_object(),
            _ => text.is_some() || value.is_array(),
        };
        if allowed || value.is_null() {
            return Ok(value.clone());
        }
        let hint = if spec.values.is_empty() {
            String::new()
        } else {
            format!("; take one of {}", spec.values.join(", "))
        };
        Err(EngineError::Refused(format!(
            "{value} is no value of '{}'{hint}",
            conflict.field
        )))
    }

    /// Says who a record under review is.  The next match carries it out.
    pub async fn decide_match(&self, id: i64, verdict: Verdict) -> Result<Review, EngineError> {
        let reviews = self.store.reviews(false, 100_000).await?;
        let Some(mut review) = reviews.into_iter().find(|review| review.id == id) else {
            return Err(EngineError::NoSuch(format!("match {id}")));
        };
        if review.verdict.is_some() {
            return Err(EngineError::Refused(format!(
                "match {id} is decided already"
            )));
        }
        if self.answer(&review, &verdict).await? {
            review.verdict = Some(verdict);
            return Ok(review);
        }
        if let Verdict::Link(entity) = &verdict {
            self.check_link(&review, entity).await?;
        }
        review.verdict = Some(verdict);
        let mut out = Changeset::durable();
        out.reviews_decided.push(review.clone());
        self.store.commit(&out).await?;
        Ok(review)
    }

    async fn check_link(&self, review: &Review, entity: &EntityId) -> Result<(), EngineError> {
        if entity.kind != review.kind {
            return Err(EngineError::Refused(format!(
                "the record is a {}, {entity} is not",
                review.kind
            )));
        }
        let links = self.store.links_of(std::slice::from_ref(entity)).await?;
        let taken = links.iter().any(|link| {
            link.key.connection == review.link.connection && link.key.stream == review.link.stream
        });
        if taken {
            return Err(EngineError::Refused(format!(
                "{entity} has a record in that stream already: take those two apart at the system first"
            )));
        }
        if self
            .store
            .entities(std::slice::from_ref(entity))
            .await?
            .is_empty()
        {
            return Err(EngineError::Refused(format!(
                "{entity} is not there any more"
            )));
        }
        Ok(())
    }
}
