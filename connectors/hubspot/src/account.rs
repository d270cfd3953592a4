//! Whose account it is, and which properties it has.

use concord_sdk::prelude::*;
use serde::Deserialize;

use crate::api::Api;
use crate::objects::{self, ObjectType};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    portal_id: u64,
    #[serde(default)]
    account_type: String,
    #[serde(default)]
    ui_domain: String,
}

/// Reads the account, and one record of each stream, so that a missing scope is
/// found here and not at the first pull.
pub fn check(api: &Api<'_>) -> Result<Description, Fault> {
    let account: Account = api.get("/account-info/2026-03/details", &[])?.json()?;
    let mut unavailable = Vec::new();
    for object in objects::ALL {
        match api.get(&object.path(), &[("limit", "1".to_owned())]) {
            Ok(_) => {}
            Err(Fault::Forbidden(reason)) => unavailable.push((object.name.to_owned(), reason)),
            Err(fault) => return Err(fault),
        }
    }
    Ok(Description {
        account_id: account.portal_id.to_string(),
        account_name: format!(
            "HubSpot {} {} ({})",
            account.account_type.to_lowercase().replace('_', " "),
            account.portal_id,
            account.ui_domain
        ),
        unavailable,
    })
}

/// The account's properties, its own ones included.
pub fn discover(api: &Api<'_>) -> Result<Vec<StreamInfo>, Fault> {
    let mut streams = Vec::new();
    for object in objects::ALL {
        let path = format!("/crm/properties/2026-03/{}", object.name);
        match api.get(&path, &[("archived", "false".to_owned())]) {
            Ok(response) => {
                let answer: Properties = response.json()?;
                streams.push(StreamInfo {
                    name: object.name.to_owned(),
                    label: object.label.to_owned(),
                    fields: answer
                        .results
                        .into_iter()
                        .map(|property| property.info(object))
                        .collect(),
                });
            }
            // `check` names the stream and the scope that is missing.
            Err(Fault::Forbidden(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(streams)
}

#[derive(Deserialize)]
struct Properties {
    results: Vec<Property>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Property {
    name: String,
    label: String,
    r#type: String,
    field_type: String,
    options: Vec<Choice>,
    calculated: bool,
    has_unique_value: bool,
    modification_metadata: Modification,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Modification {
    read_only_value: bool,
}

impl Property {
    fn info(self, object: ObjectType) -> FieldInfo {
        let kind = self.kind();
        let choices = self.options.into_iter().map(|choice| choice.value);
        FieldInfo {
            unique: self.has_unique_value || object.unique == Some(self.name.as_str()),
            read_only: self.calculated || self.modification_metadata.read_only_value,
            // The API takes a record with any property missing.
            required: false,
            values: if kind == FieldType::Enum {
                choices.collect()
            } else {
                Vec::new()
            },
            name: self.name,
            label: self.label,
            kind,
        }
    }

    fn kind(&self) -> FieldType {
        match self.r#type.as_str() {
            "bool" => FieldType::Boolean,
            "number" => FieldType::Decimal,
            "date" => FieldType::Date,
            "datetime" => FieldType::Timestamp,
            // Several choices travel as one text, `a;b`.
            "enumeration" if self.field_type == "checkbox" => FieldType::Text,
            "enumeration" => FieldType::Enum,
            _ => FieldType::Text,
        }
    }
}
