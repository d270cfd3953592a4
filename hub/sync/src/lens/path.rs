//! A place in a nested remote record, split into its steps once.

use concord_core::{Fields, Value};
use serde::{Deserialize, Serialize};

use super::Refusal;

/// `organization.title`, or as a list where a name itself holds a dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "PathText", into = "PathText")]
pub struct Path {
    first: String,
    rest: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum PathText {
    Dotted(String),
    Steps(Vec<String>),
}

impl From<PathText> for Path {
    fn from(text: PathText) -> Self {
        match text {
            PathText::Dotted(text) => Path::dotted(&text),
            PathText::Steps(steps) => Path::of_steps(steps),
        }
    }
}

impl From<Path> for PathText {
    fn from(path: Path) -> Self {
        let mut steps = path.rest;
        steps.insert(0, path.first);
        PathText::Steps(steps)
    }
}

impl Path {
    pub fn dotted(text: &str) -> Self {
        Self::of_steps(text.split('.').map(str::to_owned).collect())
    }

    fn of_steps(mut steps: Vec<String>) -> Self {
        if steps.is_empty() {
            steps.push(String::new());
        }
        let first = steps.remove(0);
        Self { first, rest: steps }
    }

    /// The top-level remote field.
    pub fn first(&self) -> &str {
        &self.first
    }

    pub fn is_well_formed(&self) -> bool {
        self.steps().all(|step| !step.is_empty())
    }

    pub fn steps(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.first.as_str()).chain(self.rest.iter().map(String::as_str))
    }

    /// The value there; `Null` where there is none.
    pub fn get<'a>(&self, raw: &'a Fields) -> &'a Value {
        let mut value = raw.get(&self.first).unwrap_or(&Value::Null);
        for step in &self.rest {
            value = value.get(step).unwrap_or(&Value::Null);
        }
        value
    }

    pub fn get_mut<'a>(&self, raw: &'a mut Fields) -> Option<&'a mut Value> {
        let mut value = raw.get_mut(&self.first)?;
        for step in &self.rest {
            value = value.get_mut(step)?;
        }
        Some(value)
    }

    /// Sets the value there.  What lies beside it is kept; what is missing on
    /// the way is made, unless there is nothing to hold.
    pub(crate) fn set(&self, raw: &mut Fields, value: Value) -> Result<(), Refusal> {
        if value.is_null() && !self.rest.is_empty() && self.get(raw).is_null() {
            raw.entry(self.first.clone()).or_insert(Value::Null);
            return Ok(());
        }
        *self.slot(raw)? = value;
        Ok(())
    }

    /// The value there for changing, made where it is missing.
    pub(crate) fn slot<'a>(&self, raw: &'a mut Fields) -> Result<&'a mut Value, Refusal> {
        let mut slot = raw.entry(self.first.clone()).or_insert(Value::Null);
        for step in &self.rest {
            if super::is_empty(slot) {
                *slot = Value::Object(Fields::new());
            }
            slot = match slot {
                Value::Object(members) => members.entry(step.clone()).or_insert(Value::Null),
                other => {
                    return Err(Refusal::unfit(
                        other,
                        format!("the remote field '{}' is not an object", self.first),
                    ));
                }
            };
        }
        Ok(slot)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.first)?;
        self.rest.iter().try_for_each(|step| write!(f, ".{step}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn setting_keeps_what_lies_beside() {
        let check = |before: Value, path: &str, value: Value, after: Value| {
            let mut raw = fields(before);
            Path::dotted(path).set(&mut raw, value).unwrap();
            assert_eq!(Value::Object(raw), after, "{path}");
        };
        check(
            json!({"a": 1, "b": 2}),
            "a",
            json!(3),
            json!({"a": 3, "b": 2}),
        );
        check(
            json!({"a": {"x": 1}}),
            "a.y",
            json!(2),
            json!({"a": {"x": 1, "y": 2}}),
        );
        check(json!({}), "a.b.c", json!(1), json!({"a": {"b": {"c": 1}}}));
        check(json!({"a": null}), "a.b", json!(1), json!({"a": {"b": 1}}));
        check(json!({"a": ""}), "a.b", Value::Null, json!({"a": ""}));
        check(json!({}), "a.b", Value::Null, json!({"a": null}));
    }

    #[test]
    fn a_scalar_on_the_way_is_refused() {
        let mut raw = fields(json!({"a": "text"}));
        assert!(Path::dotted("a.b").set(&mut raw, json!(1)).is_err());
    }

    #[test]
    fn a_name_with_a_dot_is_written_as_a_list() {
        let path: Path = serde_json::from_value(json!(["a.b", "c"])).unwrap();
        assert_eq!(path.get(&fields(json!({"a.b": {"c": 7}}))), &json!(7));
    }
}
