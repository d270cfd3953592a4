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
