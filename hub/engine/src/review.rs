//! What people decide: held conflicts and ambiguous matches.

use concord_core::ports::{ConflictFilter, Sequence};
use concord_core::schema::FieldKind;
use concord_core::state::{Conflict, Decision, Origin, Review, Verdict, Winner};
use concord_core::{Changeset, EntityId, RunId, Value};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::hub::Hub;

/// How a person settles a held conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    Canonical,
    Remote,
    Value(Value),
}

impl Hub {
    /// Settles one held conflict: the field takes the chosen value, its hold is
    /// lifted, and emit sees what each system is owed.
    pub async fn resolve_conflict(
        &self,
        id: i64,
        choice: &Choice,
        by: &str,
    ) -> Result<Conflict, EngineError> {
        let mut conflict = self.conflict(id).await?;
        if conflict.winner != Winner::Held || conflict.decision.is_some() {
            return Err(EngineError::Refused(format!(
                "conflict {id} is settled already"
            )));
        }
        let ids = std::slice::from_ref(&conflict.entity);
        let Some(mut entity) = self.store.entities(ids).await?.pop() else {
            return Err(EngineError::Refused(format!(
                "{} is not there any more, so there is nothing to decide",
                conflict.entity
            )));
        };
        let value = match choice {
            Choice::Canonical => entity.value(conflict.field.as_str()).clone(),
            Choice::Remote => conflict.remote.clone(),
            Choice::Value(value) => self.checked(&conflict, value)?,
        };
        let now = self.clock.now();
        let keys = self.keys_of(&entity);
        let old = entity.value(conflict.field.as_str()).clone();
        let cell = concord_core::state::Cell {
            value: value.clone(),
            origin: Origin::Person(by.to_owned()),
            after: now,
            until: now,
            changes: 0,
            fight_since: now,
        };
        entity.cells.insert(conflict.field.clone(), cell);
        entity.dirty = true;
        conflict.decision = Some(Decision {
            by: by.to_owned(),
            at: now,
            value: value.clone(),
        });
        let mut out = Changeset::durable();
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        let changes = vec![(conflict.field.clone(), old, value)];
        out.events.push(
            self.decided(&entity.id, run, by, "decided".into(), changes)
                .await?,
        );
        out.holds_cleared
            .push((conflict.entity.clone(), Some(conflict.field.clone())));
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
