//! The canonical schemas that come with the product, and the fields that an
//! admin adds to them.

use std::collections::BTreeMap;

use concord_core::schema::SchemaError;
use concord_core::{EntitySchema, Kind, Value};

const DOCUMENTS: [&str; 6] = [
    include_str!("../../../schemas/person.json"),
    include_str!("../../../schemas/organization.json"),
    include_str!("../../../schemas/order.json"),
    include_str!("../../../schemas/invoice.json"),
    include_str!("../../../schemas/interaction.json"),
    include_str!("../../../schemas/audience.json"),
];

/// The schemas of all kinds of entities that a hub knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Schemas {
    by_kind: BTreeMap<Kind, EntitySchema>,
}

/// An admin's field cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AddFieldError {
    #[error("there is no kind of entity '{kind}'; take one of {known}")]
    UnknownKind { kind: String, known: String },
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// The schemas that the binary carries.
pub fn builtin() -> Schemas {
    let read = |text: &str| -> Result<EntitySchema, SchemaError> {
        let document = serde_json::from_str(text).map_err(|e| SchemaError::Document {
            schema: "built in".into(),
            problem: e.to_string(),
        })?;
        EntitySchema::from_json_schema(&document)
    };
    let by_kind = DOCUMENTS
        .iter()
        .map(|text| {
            let schema = read(text).expect("a test reads every document that is embedded here");
            (schema.kind.clone(), schema)
        })
        .collect();
    Schemas { by_kind }
}

impl Schemas {
    pub fn get(&self, kind: &str) -> Option<&EntitySchema> {
        self.by_kind.get(kind)
    }

    pub fn iter(&self) -> impl Iterator<Item = &EntitySchema> {
        self.by_kind.values()
    }

    /// Adds a field of an admin's own, written like a property of the schema
    /// documents.
    pub fn add_field(
        &mut self,
        kind: &str,
        name: &str,
        property: &Value,
    ) -> Result<(), AddFieldError> {
        let known = self.kinds();
        let schema = self
            .by_kind
            .get_mut(kind)
            .ok_or_else(|| AddFieldError::UnknownKind {
                kind: kind.to_owned(),
                known,
            })?;
        Ok(schema.add_field(name, property)?)
    }

    /// The names of all kinds, for messages.
    pub(crate) fn kinds(&self) -> String {
        let names: Vec<&str> = self.by_kind.keys().map(Kind::as_str).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_document_is_a_json_schema_that_the_engine_reads() {
        for text in DOCUMENTS {
            let document: Value = serde_json::from_str(text).unwrap();
            jsonschema::draft202012::meta::validate(&document).unwrap();
            let schema = EntitySchema::from_json_schema(&document).unwrap();
            assert!(!schema.description.is_empty(), "{}", schema.kind);
        }
        assert_eq!(builtin().iter().count(), DOCUMENTS.len());
    }

    #[test]
    fn instances_are_told_apart() {
        let check = |kind: &str, instance: Value, expect: bool| {
            let text = DOCUMENTS
                .iter()
                .find(|text| text.contains(&format!("\"title\": \"{kind}\"")))
                .unwrap();
            let document = serde_json::from_str(text).unwrap();
            let validator = jsonschema::draft202012::new(&document).unwrap();
            assert_eq!(validator.is_valid(&instance), expect, "{kind}: {instance}");
        };
        let person = json!({
            "given_name": "Ann", "family_name": "van der Berg", "email": "ann@example.com",
            "address": {"street": "Main St 1", "country": "US"}, "birthday": "--02-29",
            "tags": ["vip"], "stage": "customer", "employer": "organization/7",
            "email_consent": {"status": "opted_out", "at": "2026-11-21T10:00:00Z"}
        });
        check("person", person, true);
        check("person", json!({"stage": "unheard-of"}), false);
        check("person", json!({"birthday": "21.11.2026"}), false);
        check(
            "person",
            json!({"email_consent": {"status": "perhaps"}}),
            false,
        );
        check("person", json!({"address": {"planet": "Mars"}}), false);
        check("person", json!({"tags": "vip"}), false);
        check(
            "person",
            json!({"email": null, "a_field_of_the_admins_own": 1}),
            true,
        );
        check(
            "organization",
            json!({"name": "Acme", "employees": 12}),
            true,
        );
        check("organization", json!({"employees": -1}), false);
        check(
            "invoice",
            json!({"total": "12.50", "date": "2026-11-21", "status": "paid"}),
            true,
        );
        check("invoice", json!({"total": 12.5}), false);
        check("order", json!({"status": "open", "total": "-3"}), true);
        check("order", json!({"total": "12,50"}), false);
        check(
            "interaction",
            json!({"channel": "email", "duration_seconds": 60}),
            true,
        );
        check("interaction", json!({"channel": "smoke"}), false);
        check(
            "audience",
            json!({"name": "Newsletter", "archived": false}),
            true,
        );
        check("audience", json!({"archived": "no"}), false);
    }

    #[test]
    fn an_admins_field_joins_its_kind_once() {
        let mut schemas = builtin();
        let field = json!({"type": "string", "x-concord-type": "decimal"});
        schemas.add_field("person", "credit", &field).unwrap();
        let person = schemas.get("person").unwrap();
        assert_eq!(
            person.field("credit").unwrap().kind,
            concord_core::schema::FieldKind::Decimal
        );
        let twice = schemas.add_field("person", "credit", &field).unwrap_err();
        assert!(twice.to_string().contains("already"), "{twice}");
        let nobody = schemas.add_field("persn", "credit", &field).unwrap_err();
        assert!(nobody.to_string().contains("organization"), "{nobody}");
    }
}
