//! Canonical schemas: JSON Schema 2020-12 documents whose annotations the
//! engine reads.
//!
//! Annotations of a property: `x-concord-type`, `x-concord-normaliser`,
//! `x-concord-identity`, `x-concord-pii`, `x-concord-merge`.  What JSON Schema
//! already says (`type: array`, `enum`, `description`) is not said twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FieldName, Kind};

/// What a value is, beyond being text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    Text,
    Email,
    Phone,
    Date,
    Timestamp,
    Decimal,
    Integer,
    Boolean,
    Country,
    Language,
    Currency,
    Enum,
    /// An entity of this kind, written `organization/7`.
    Reference(Kind),
    /// `{status: "opted_in" | "opted_out", at: timestamp | null}`.
    Consent,
    /// An object that moves as one field.
    Group,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    One,
    /// A set of values; order and repetition mean nothing.
    Set,
}

/// How two values are compared.  The result is never stored or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normaliser {
    /// Trim and fold white space; empty is absent.
    Text,
    /// `Text`, and case does not matter.
    Caseless,
    /// `Caseless`: no mail system in use tells `Ann@` from `ann@`.
    Email,
    /// E.164 where it can be parsed, digits otherwise.
    Phone,
    /// Only empty = absent.
    Exact,
    /// Numbers by value: `1.50` = `1.5`.
    Decimal,
}

/// What a field says about who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Links when unique on both sides and the name agrees.
    Key,
    GivenName,
    FamilyName,
    /// A whole name: an organization's.
    Name,
    BirthDate,
    /// The name of an employer.
    Company,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pii {
    #[default]
    None,
    /// Says who somebody is.
    Identity,
    /// A way to reach somebody.
    Contact,
    /// Needs special care.
    Sensitive,
}

/// Who wins when both sides changed a field since they last agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeRule {
    /// Connections by name, first wins; those not listed fall to `latest`.
    Owner(Vec<String>),
    /// The later edit, where the times tell; otherwise a hold.
    Latest,
    /// A person decides.
    Hold,
    /// The longer text; of two of one length, the later.
    Longest,
    /// The group with more of its members filled in; of two alike, the later.
    MostComplete,
    /// An opt-out beats every older or undated opt-in.
    Consent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldSpec {
    pub name: FieldName,
    pub kind: FieldKind,
    pub shape: Shape,
    pub normaliser: Normaliser,
    pub identity: Option<Identity>,
    pub pii: Pii,
    pub merge: MergeRule,
    /// Allowed values of an enum.
    pub values: Vec<String>,
    /// The members of a group, each with a type and normaliser of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<FieldName, FieldSpec>,
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntitySchema {
    pub kind: Kind,
    pub description: String,
    pub fields: BTreeMap<FieldName, FieldSpec>,
}

/// A schema document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("schema '{schema}': {problem}")]
    Document { schema: String, problem: String },
    #[error("schema '{schema}', field '{field}': {problem}")]
    Field {
        schema: String,
        field: String,
        problem: String,
    },
}

impl EntitySchema {
    /// Reads a JSON Schema document.  Its `title` is the kind.
    pub fn from_json_schema(document: &Value) -> Result<Self, SchemaError> {
        let title = document
            .get("title")
            .and_then(Value::as_str)
            .unwrap_or("(no title)");
        let wrong = |problem: &str| SchemaError::Document {
            schema: title.to_owned(),
            problem: problem.to_owned(),
        };
        if document.get("title").and_then(Value::as_str).is_none() {
            return Err(wrong("'title' must name the kind of entity"));
        }
        let properties = document
            .get("properties")
            .and_then(Value::as_object)
            .ok_or_else(|| wrong("'properties' must be an object"))?;
        let mut fields = BTreeMap::new();
        for (name, property) in properties {
            let spec = field_from_json(title, name, property)?;
            fields.insert(spec.name.clone(), spec);
        }
        let description = text(document, "description").unwrap_or_default();
        Ok(Self {
            kind: Kind::new(title),
            description,
            fields,
        })
    }

    /// Adds an admin's own field, in the same form as a property of the document.
    pub fn add_field(&mut self, name: &str, property: &Value) -> Result<(), SchemaError> {
        if self.fields.contains_key(name) {
            return Err(SchemaError::Field {
                schema: self.kind.to_string(),
                field: name.to_owned(),
                problem: "there is already a field of that name".into(),
            });
        }
        let spec = field_from_json(self.kind.as_str(), name, property)?;
        self.fields.insert(spec.name.clone(), spec);
        Ok(())
    }

    pub fn field(&self, name: &str) -> Option<&FieldSpec> {
        self.fields.get(name)
    }
}

fn text(object: &Value, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn annotation<T: serde::de::DeserializeOwned>(
    schema: &str,
    field: &str,
    property: &Value,
    key: &str,
) -> Result<Option<T>, SchemaError> {
    match property.get(key) {
        None => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|e| SchemaError::Field {
                schema: schema.to_owned(),
                field: field.to_owned(),
                problem: format!("'{key}' is {value}: {e}"),
            }),
    }
}

/// The type of a property, whether or not it may be null as well.
fn json_type(property: &Value) -> Option<&str> {
    match property.get("type")? {
        Value::Array(types) => types
            .iter()
            .filter_map(Value::as_str)
            .find(|t| *t != "null"),
        one => one.as_str(),
    }
}

fn field_from_json(schema: &str, name: &str, property: &Value) -> Result<FieldSpec, SchemaError> {
    let is_set = json_type(property) == Some("array");
    let inner = if is_set {
        property.get("items").unwrap_or(property)
    } else {
        property
    };
    let values: Vec<String> = inner
        .get("enum")
        .and_then(Value::as_array)
        .map(|all| {
            all.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    let kind = match annotation(schema, name, property, "x-concord-type")? {
        Some(kind) => kind,
        None if !values.is_empty() => FieldKind::Enum,
        None => match json_type(inner) {
            Some("string") => FieldKind::Text,
            Some("integer") => FieldKind::Integer,
            Some("boolean") => FieldKind::Boolean,
            Some("object") => FieldKind::Group,
            other => {
                return Err(SchemaError::Field {
                    schema: schema.to_owned(),
                    field: name.to_owned(),
                    problem: format!(
                        "'type' is {other:?}; take string, integer, boolean, object or array, and \
                         'x-concord-type' for the rest"
                    ),
                });
            }
        },
    };
    let normaliser = match annotation(schema, name, property, "x-concord-normaliser")? {
        Some(normaliser) => normaliser,
        None => match kind {
            FieldKind::Email => Normaliser::Email,
            FieldKind::Phone => Normaliser::Phone,
            FieldKind::Decimal => Normaliser::Decimal,
            FieldKind::Country | FieldKind::Language | FieldKind::Currency => Normaliser::Caseless,
            FieldKind::Text | FieldKind::Group => Normaliser::Text,
            _ => Normaliser::Exact,
        },
    };
    let merge = match annotation(schema, name, property, "x-concord-merge")? {
        Some(rule) => rule,
        None if kind == FieldKind::Consent => MergeRule::Consent,
        None => MergeRule::Latest,
    };
    let mut members = BTreeMap::new();
    if kind == FieldKind::Group
        && let Some(properties) = inner.get("properties").and_then(Value::as_object)
    {
        for (member, property) in properties {
            let spec = field_from_json(schema, member, property)?;
            members.insert(spec.name.clone(), spec);
        }
    }
    Ok(FieldSpec {
        name: FieldName::new(name),
        kind,
        members,
        shape: if is_set { Shape::Set } else { Shape::One },
        normaliser,
        identity: annotation(schema, name, property, "x-concord-identity")?,
        pii: annotation(schema, name, property, "x-concord-pii")?.unwrap_or_default(),
        merge,
        values,
        description: text(property, "description").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn annotations_are_read_and_the_rest_follows_from_the_type() {
        let schema = EntitySchema::from_json_schema(&json!({
            "title": "person",
            "properties": {
                "email": {"type": "string", "x-concord-type": "email", "x-concord-identity": "key",
                          "x-concord-pii": "contact"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "stage": {"enum": ["lead", "customer"], "x-concord-merge": {"owner": ["crm"]}},
                "employer": {"type": "string", "x-concord-type": {"reference": "organization"}}
            }
        }))
        .unwrap();
        let email = schema.field("email").unwrap();
        assert_eq!(
            (email.normaliser, email.identity),
            (Normaliser::Email, Some(Identity::Key))
        );
        assert_eq!(schema.field("tags").unwrap().shape, Shape::Set);
        let stage = schema.field("stage").unwrap();
        assert_eq!(stage.kind, FieldKind::Enum);
        assert_eq!(stage.merge, MergeRule::Owner(vec!["crm".into()]));
        assert_eq!(
            schema.field("employer").unwrap().kind,
            FieldKind::Reference(Kind::new("organization"))
        );
    }

    #[test]
    fn a_wrong_annotation_names_its_field() {
        let error = EntitySchema::from_json_schema(&json!({
            "title": "person",
            "properties": {"email": {"type": "string", "x-concord-type": "e-mail"}}
        }))
        .unwrap_err();
        assert!(error.to_string().contains("field 'email'"), "{error}");
    }
}
