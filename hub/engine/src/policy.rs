//! Tries other rules on the conflicts that are on record.  Nothing is changed: a
//! rule never decides a logged conflict anew.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::ports::ConflictFilter;
use concord_core::state::Conflict;
use concord_core::{EntityId, FieldName, Value};
use concord_sync::policy::{Tried, replay};
use concord_sync::scene::Rules;
use serde::Serialize;

use crate::error::EngineError;
use crate::hub::Hub;

const PAGE: u32 = 1_000;

/// One field of one entity that comes out differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Different {
    pub entity: EntityId,
    pub field: FieldName,
    pub conflicts: Vec<Tried>,
    /// The value that the present rules lead to, and the one of those on trial,
    /// where they differ.
    pub change: Option<(Value, Value)>,
    /// What the field holds today.
    pub current: Value,
    /// Somebody has changed the field since, so today's value depends on neither.
    pub overtaken: bool,
}

/// What a trial of rules came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tryout {
    /// Conflicts that were looked at.
    pub conflicts: u64,
    /// Of those, how many do not say where their values came from.
    pub unknown: u64,
    pub differs: Vec<Different>,
}

impl Hub {
    /// Shows what other rules would have made of the conflicts on record.
    pub async fn try_rules(&self, tried: &Rules) -> Result<Tryout, EngineError> {
        let mut tryout = Tryout::default();
        for entity in self.with_conflicts(&mut tryout).await? {
            self.try_on(&entity, tried, &mut tryout).await?;
        }
        Ok(tryout)
    }

    async fn with_conflicts(&self, tryout: &mut Tryout) -> Result<BTreeSet<EntityId>, EngineError> {
        let mut filter = ConflictFilter {
            limit: PAGE,
            ..ConflictFilter::default()
        };
        let mut entities = BTreeSet::new();
        loop {
            let page = self.store.conflicts(&filter).await?;
            let Some(last) = page.last() else {
                return Ok(entities);
            };
            filter.after = Some(last.id);
            tryout.conflicts += page.len() as u64;
            entities.extend(page.into_iter().map(|conflict| conflict.entity));
        }
    }

    async fn try_on(
        &self,
        id: &EntityId,
        tried: &Rules,
        tryout: &mut Tryout,
    ) -> Result<(), EngineError> {
        let Some(schema) = self.schemas.get(id.kind.as_str()) else {
            return Ok(());
        };
        let Some(entity) = self.store.entities(std::slice::from_ref(id)).await?.pop() else {
            return Ok(());
        };
        let filter = ConflictFilter {
            entity: Some(id.clone()),
            ..ConflictFilter::default()
        };
        let mut by_field: BTreeMap<FieldName, Vec<Conflict>> = BTreeMap::new();
        for conflict in self.store.conflicts(&filter).await? {
            let field = conflict.field.clone();
            by_field.entry(field).or_default().push(conflict);
        }
        for (field, conflicts) in by_field {
            let Some(spec) = schema.field(field.as_str()) else {
                continue;
            };
            let current = entity.value(field.as_str());
            let trial = replay(&conflicts, spec, current, &self.rules, tried);
            tryout.unknown += trial.unknown;
            if !trial.conflicts.is_empty() || trial.change.is_some() {
                tryout.differs.push(Different {
                    entity: id.clone(),
                    field,
                    conflicts: trial.conflicts,
                    change: trial.change,
                    current: current.clone(),
                    overtaken: trial.overtaken,
                });
            }
        }
        Ok(())
    }
}
