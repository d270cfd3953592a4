//! Sets are never overwritten: what was added and removed since the last look
//! is applied to the other side.

use concord_core::{FieldSpec, Value};

use crate::normal;

/// What happened to a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    pub added: Vec<Value>,
    pub removed: Vec<Value>,
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn contains(spec: &FieldSpec, set: &[Value], element: &Value) -> bool {
    set.iter()
        .any(|one| normal::same_element(spec, one, element))
}

fn minus(spec: &FieldSpec, set: &[Value], other: &[Value]) -> Vec<Value> {
    set.iter()
        .filter(|e| !contains(spec, other, e))
        .cloned()
        .collect()
}

/// What changed from one set to the other.
pub fn delta(spec: &FieldSpec, from: &Value, to: &Value) -> Delta {
    let (from, to) = (elements(from), elements(to));
    Delta {
        added: minus(spec, to, from),
        removed: minus(spec, from, to),
    }
}

/// A set after a delta; an empty one is `Null`.
pub fn apply(spec: &FieldSpec, set: &Value, delta: &Delta) -> Value {
    let mut result = minus(spec, elements(set), &delta.removed);
    for element in &delta.added {
        if !contains(spec, &result, element) {
            result.push(element.clone());
        }
    }
    if result.is_empty() {
        Value::Null
    } else {
        Value::Array(result)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use concord_core::schema::{EntitySchema, FieldSpec};
    use serde_json::json;

    pub(crate) fn tags() -> FieldSpec {
        let schema = EntitySchema::from_json_schema(&json!({
            "title": "person",
            "properties": {"tags": {"type": "array", "items": {"type": "string"}}}
        }));
        schema.unwrap().field("tags").unwrap().clone()
    }

    #[test]
    fn a_vendor_that_keeps_three_tags_loses_none_of_ours() {
        // doubts.md V8: we sent four, it stored three, a person added one.
        let spec = tags();
        let change = delta(&spec, &json!(["a", "b", "c"]), &json!(["b", "c", "new"]));
        assert_eq!(
            change,
            Delta {
                added: vec![json!("new")],
                removed: vec![json!("a")]
            }
        );
        let ours = apply(&spec, &json!(["a", "b", "c", "d"]), &change);
        assert_eq!(ours, json!(["b", "c", "d", "new"]));
    }

    #[test]
    fn an_emptied_set_is_absent() {
        let spec = tags();
        let change = delta(&spec, &json!(["a"]), &Value::Null);
        assert_eq!(apply(&spec, &json!(["a"]), &change), Value::Null);
        assert!(delta(&spec, &json!(["a", "b"]), &json!(["b", "a"])).is_empty());
    }
}
