//! The CRM objects that this connector speaks of.

use concord_sdk::prelude::*;

/// What differs between one object type and another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectType {
    /// The stream's name, which is also the object's name in every path.
    pub name: &'static str,
    pub label: &'static str,
    /// The property that holds the last change.  Contacts have kept the older
    /// name; everything else has the prefixed one.
    pub modified: &'static str,
    /// A property that the account refuses to hold twice, and by which records
    /// can be read without the search index.
    pub unique: Option<&'static str>,
    /// What webhooks call it: before the dot of their type, or in `object.*` ones.
    pub event: &'static str,
    pub type_id: &'static str,
}

pub const ALL: [ObjectType; 2] = [
    ObjectType {
        name: "contacts",
        label: "Contacts",
        modified: "lastmodifieddate",
        unique: Some("email"),
        event: "contact",
        type_id: "0-1",
    },
    ObjectType {
        name: "companies",
        label: "Companies",
        modified: "hs_lastmodifieddate",
        unique: None,
        event: "company",
        type_id: "0-2",
    },
];

/// The object type of a stream.
pub fn of_stream(stream: &str) -> Result<ObjectType, Fault> {
    ALL.into_iter()
        .find(|object| object.name == stream)
        .ok_or_else(|| Fault::unknown_stream(stream))
}

impl ObjectType {
    /// The path below which the records of this type live.
    pub fn path(&self) -> String {
        format!("/crm/objects/2026-03/{}", self.name)
    }
}

/// Record ids are whole numbers; anything else cannot be a record, and one such
/// id would make HubSpot refuse the batch that it stands in.
pub fn is_record_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 19 && id.bytes().all(|b| b.is_ascii_digit())
}

/// A value as HubSpot keeps it: every property is text, and "" is an empty one.
/// `None` for what no property can hold.
pub fn property_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}
