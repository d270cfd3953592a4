//! Two entities that are found to be one, and taken apart again.
//!
//! Merging changes canonical values only: what each system holds and what it
//! was last in agreement with (`stored`, `sent`) stays with its links, so that
//! emit sees by itself what each system is owed, both ways.

use std::collections::BTreeMap;

use concord_core::schema::{EntitySchema, Shape};
use concord_core::state::{Cell, Origin};
use concord_core::{FieldName, Timestamp, Value};

use crate::normal;

pub type Cells = BTreeMap<FieldName, Cell>;

/// What two entities are as one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct United {
    pub cells: Cells,
    /// What changes for the one that lives on: field, old and new value.
    pub changes: Vec<(FieldName, Value, Value)>,
    /// Values of the other that are given up, each with the one that stays.
    pub lost: Vec<(FieldName, Value, Value)>,
}

/// The values of the one that lives on stay; the other's fill its gaps, and sets
/// are joined.  What the other loses is told, to be recorded.
pub fn unite(lives: &Cells, ends: &Cells, schema: &EntitySchema) -> United {
    let mut united = United {
        cells: lives.clone(),
        ..United::default()
    };
    for (field, theirs) in ends {
        let Some(spec) = schema.field(field.as_str()) else {
            continue;
        };
        let mine = lives.get(field).map_or(&Value::Null, |cell| &cell.value);
        if normal::normalise(spec, &theirs.value).is_null()
            || normal::same(spec, mine, &theirs.value)
        {
            continue;
        }
        let taken = if normal::normalise(spec, mine).is_null() {
            theirs.value.clone()
        } else if spec.shape == Shape::Set {
            with(mine, &Value::Null, &theirs.value)
        } else {
            let lost = (field.clone(), theirs.value.clone(), mine.clone());
            united.lost.push(lost);
            continue;
        };
        let change = (field.clone(), mine.clone(), taken.clone());
        united.changes.push(change);
        let cell = Cell {
            value: taken,
            ..theirs.clone()
        };
        united.cells.insert(field.clone(), cell);
    }
    united
}

/// A value that a person put while two entities were one: at a system or by a
/// choice, never an echo or a write of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    pub field: FieldName,
    pub old: Value,
    pub new: Value,
    pub origin: Origin,
    pub at: Timestamp,
}

/// The values of one of both after they are taken apart: those before the merge,
/// and what people put into its own records since, in the order of time.
pub fn refold(before: &Cells, since: &[Contribution], schema: &EntitySchema) -> Cells {
    let mut cells = before.clone();
    for one in since {
        let is_set = schema
            .field(one.field.as_str())
            .is_some_and(|spec| spec.shape == Shape::Set);
        let now = cells.get(&one.field).map_or(&Value::Null, |c| &c.value);
        let value = if is_set {
            with(now, &one.old, &one.new)
        } else {
            one.new.clone()
        };
        let cell = Cell {
            value,
            origin: one.origin.clone(),
            after: one.at,
            until: one.at,
            changes: 0,
            fight_since: one.at,
        };
        cells.insert(one.field.clone(), cell);
    }
    cells
}

/// A set with what lies between two others taken out and put in.
fn with(set: &Value, old: &Value, new: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (old, new) = (list(old), list(new));
    let mut set = list(set);
    set.retain(|one| !old.contains(one) || new.contains(one));
    for one in new {
        if !old.contains(&one) && !set.contains(&one) {
            set.push(one);
        }
    }
    if set.is_empty() {
        Value::Null
    } else {
        Value::Array(set)
    }
}

#[cfg(test)]
mod tests {
    use concord_core::ConnectionId;
    use serde_json::json;

    use super::*;
    use crate::schemas;

    const T: Timestamp = Timestamp(1_000);

    fn cells(values: Value) -> Cells {
        let cell = |value: Value| Cell {
            value,
            origin: Origin::Connection(ConnectionId(1)),
            after: T,
            until: T,
            changes: 0,
            fight_since: T,
        };
        let values = values.as_object().unwrap().clone().into_iter();
        values
            .map(|(name, value)| (FieldName::new(name), cell(value)))
            .collect()
    }

    fn values(cells: &Cells) -> Value {
        let values = cells.iter().map(|(f, c)| (f.to_string(), c.value.clone()));
        Value::Object(values.collect())
    }

    #[test]
    fn gaps_are_filled_sets_are_joined_and_what_is_lost_is_told() {
        let schemas = schemas::builtin();
        let schema = schemas.get("person").unwrap();
        let lives = cells(json!({"email": "a@example.com", "phone": null, "tags": ["x", "y"]}));
        let ends = cells(json!({
            "email": "B@example.com", "phone": "+12025550101", "tags": ["y", "z"],
        }));
        let united = unite(&lives, &ends, schema);
        assert_eq!(
            values(&united.cells),
            json!({"email": "a@example.com", "phone": "+12025550101", "tags": ["x", "y", "z"]})
        );
        assert_eq!(united.changes.len(), 2);
        let lost = (
            FieldName::new("email"),
            json!("B@example.com"),
            json!("a@example.com"),
        );
        assert_eq!(united.lost, [lost]);
        // One value in two spellings is no loss.
        let same = unite(&lives, &cells(json!({"email": "A@Example.com "})), schema);
        assert!(same.lost.is_empty() && same.changes.is_empty());
    }

    #[test]
    fn taken_apart_each_has_its_own_and_what_people_put_since() {
        let schemas = schemas::builtin();
        let schema = schemas.get("person").unwrap();
        let before = cells(json!({"job_title": "CTO", "tags": ["x"]}));
        let put = |field: &str, old: Value, new: Value| Contribution {
            field: FieldName::new(field),
            old,
            new,
            origin: Origin::Connection(ConnectionId(2)),
            at: Timestamp(2_000),
        };
        let since = [
            put("job_title", json!("CTO"), json!("CEO")),
            // While they were one, the other's z was among the tags.
            put("tags", json!(["x", "z"]), json!(["z", "w"])),
        ];
        let after = refold(&before, &since, schema);
        assert_eq!(values(&after), json!({"job_title": "CEO", "tags": ["w"]}));
        assert_eq!(refold(&before, &[], schema), before);
    }
}
