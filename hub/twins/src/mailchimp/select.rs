//! The query parameters `fields` and `exclude_fields`: "a comma-separated list
//! of fields to return. Reference parameters of sub-objects with dot notation."

use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub struct Selection {
    include: Vec<Vec<String>>,
    exclude: Vec<Vec<String>>,
}

impl Selection {
    pub fn new(fields: Option<&str>, exclude: Option<&str>) -> Self {
        Self {
            include: paths(fields),
            exclude: paths(exclude),
        }
    }

    /// Whether anything at this path or below it stays in the answer.
    pub fn keeps(&self, path: &[&str]) -> bool {
        let wanted = self.include.is_empty() || self.include.iter().any(|p| related(p, path));
        wanted && !self.exclude.iter().any(|p| covers(p, path))
    }

    pub fn apply(&self, value: Value) -> Value {
        self.apply_below(&[], value)
    }

    /// Cuts a value down that stands at this path of the answer.
    pub fn apply_below(&self, path: &[&str], value: Value) -> Value {
        if self.include.is_empty() && self.exclude.is_empty() {
            return value;
        }
        let mut path = path.iter().map(|part| (*part).to_owned()).collect();
        self.prune(value, &mut path)
    }

    fn prune(&self, value: Value, path: &mut Vec<String>) -> Value {
        match value {
            // A list is transparent: `members.id` is the id of each member.
            Value::Array(items) => Value::Array(
                items
                    .into_iter()
                    .map(|item| self.prune(item, path))
                    .collect(),
            ),
            Value::Object(entries) => {
                let mut kept = serde_json::Map::new();
                for (key, value) in entries {
                    path.push(key);
                    let here: Vec<&str> = path.iter().map(String::as_str).collect();
                    let value = self.keeps(&here).then(|| self.prune(value, path));
                    if let (Some(value), Some(key)) = (value, path.pop()) {
                        kept.insert(key, value);
                    }
                }
                Value::Object(kept)
            }
            plain => plain,
        }
    }
}

fn paths(list: Option<&str>) -> Vec<Vec<String>> {
    list.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|path| !path.is_empty())
        .map(|path| path.split('.').map(str::to_owned).collect())
        .collect()
}

/// One is a beginning of the other.
fn related(asked: &[String], path: &[&str]) -> bool {
    asked.iter().zip(path).all(|(a, b)| a == b)
}

/// `path` is what was asked for, or lies below it.
fn covers(asked: &[String], path: &[&str]) -> bool {
    asked.len() <= path.len() && related(asked, path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(fields: Option<&str>, exclude: Option<&str>, expect: Value) {
        let page = json!({
            "members": [{"id": "a", "merge_fields": {"FNAME": "Ann", "LNAME": "Lee"}}],
            "total_items": 1,
        });
        assert_eq!(Selection::new(fields, exclude).apply(page), expect);
    }

    #[test]
    fn dots_reach_into_objects_and_lists() {
        check(Some("total_items"), None, json!({"total_items": 1}));
        check(
            Some("members.id,members.merge_fields.FNAME"),
            None,
            json!({"members": [{"id": "a", "merge_fields": {"FNAME": "Ann"}}]}),
        );
        check(
            None,
            Some("members.merge_fields,total_items"),
            json!({"members": [{"id": "a"}]}),
        );
        check(
            Some("members"),
            Some("members.id"),
            json!({"members": [{"merge_fields": {"FNAME": "Ann", "LNAME": "Lee"}}]}),
        );
    }
}
