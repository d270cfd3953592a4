//! Which records take part in a connection's stream, per direction.

use concord_core::{FieldName, Fields, Value};
use serde::{Deserialize, Serialize};

use crate::lens::{Values, is_empty};

/// One condition on a canonical field (`field`) or, when reading, on a remote
/// one (`remote`).  Exactly one test is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Condition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any_of: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none_of: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
}

/// All conditions have to hold; none means everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filter(pub Vec<Condition>);

/// A filter cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("a condition names either 'field' (canonical) or 'remote', not both and not none")]
    Subject,
    #[error("a condition gives exactly one of 'any-of', 'none-of' and 'present'")]
    Test,
    #[error("'remote' says nothing about what is written: use a canonical 'field' there")]
    RemoteInWrite,
    #[error("there is no canonical field '{0}' to filter by")]
    UnknownField(FieldName),
}

impl Filter {
    /// Looks for mistakes before the filter is used.
    pub fn check(&self, writing: bool, is_field: &dyn Fn(&str) -> bool) -> Result<(), FilterError> {
        for condition in &self.0 {
            match (&condition.field, &condition.remote) {
                (Some(field), None) if is_field(field.as_str()) => {}
                (Some(field), None) => return Err(FilterError::UnknownField(field.clone())),
                (None, Some(_)) if writing => return Err(FilterError::RemoteInWrite),
                (None, Some(_)) => {}
                _ => return Err(FilterError::Subject),
            }
            let tests = [
                condition.any_of.is_some(),
                condition.none_of.is_some(),
                condition.present.is_some(),
            ];
            if tests.iter().filter(|given| **given).count() != 1 {
                return Err(FilterError::Test);
            }
        }
        Ok(())
    }

    /// The remote fields that have to be read to judge a record.
    pub fn remote_fields(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter_map(|condition| condition.remote.as_deref())
    }

    /// Whether a record takes part.  `remote` is what the system holds, where
    /// that is known.
    pub fn admits(&self, canonical: &dyn Values, remote: Option<&Fields>) -> bool {
        self.0.iter().all(|condition| {
            let value = match (&condition.field, &condition.remote) {
                (Some(field), _) => canonical.value(field.as_str()),
                (None, Some(name)) => match remote {
                    Some(fields) => fields.get(name).unwrap_or(&Value::Null),
                    None => return true,
                },
                (None, None) => return true,
            };
            condition.holds(value)
        })
    }
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        let among = |wanted: &[Value]| match value {
            Value::Array(members) => members.iter().any(|member| wanted.contains(member)),
            one => wanted.contains(one),
        };
        if let Some(wanted) = &self.any_of {
            return among(wanted);
        }
        if let Some(unwanted) = &self.none_of {
            return !among(unwanted);
        }
        self.present
            .is_none_or(|present| present != is_empty(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filter(conditions: Value) -> Filter {
        serde_json::from_value(conditions).unwrap()
    }

    fn check(conditions: Value, canonical: Value, remote: Value, expect: bool) {
        let filter = filter(conditions.clone());
        let canonical = canonical.as_object().unwrap().clone();
        let remote = remote.as_object().unwrap();
        assert_eq!(
            filter.admits(&canonical, Some(remote)),
            expect,
            "{conditions}"
        );
    }

    #[test]
    fn all_conditions_have_to_hold() {
        let customers = json!([{"field": "stage", "any-of": ["customer", "lead"]}]);
        check(customers.clone(), json!({"stage": "lead"}), json!({}), true);
        check(
            customers.clone(),
            json!({"stage": "other"}),
            json!({}),
            false,
        );
        check(customers, json!({}), json!({}), false);
        let both =
            json!([{"field": "email", "present": true}, {"remote": "spam", "none-of": ["yes"]}]);
        check(
            both.clone(),
            json!({"email": "a@b.c"}),
            json!({"spam": "no"}),
            true,
        );
        check(
            both.clone(),
            json!({"email": "a@b.c"}),
            json!({"spam": "yes"}),
            false,
        );
        check(both, json!({"email": ""}), json!({}), false);
        check(
            json!([{"field": "tags", "any-of": ["vip"]}]),
            json!({"tags": ["a", "vip"]}),
            json!({}),
            true,
        );
        check(json!([]), json!({}), json!({}), true);
    }

    #[test]
    fn mistakes_are_named() {
        let known = |name: &str| name == "email";
        let check = |conditions: Value, writing| filter(conditions).check(writing, &known);
        assert_eq!(
            check(json!([{"field": "email", "present": true}]), true),
            Ok(())
        );
        assert_eq!(
            check(json!([{"present": true}]), false),
            Err(FilterError::Subject)
        );
        assert_eq!(
            check(json!([{"field": "email"}]), false),
            Err(FilterError::Test)
        );
        assert_eq!(
            check(json!([{"remote": "x", "present": true}]), true),
            Err(FilterError::RemoteInWrite)
        );
        assert_eq!(
            check(json!([{"field": "mail", "present": true}]), false),
            Err(FilterError::UnknownField("mail".into()))
        );
    }
}
