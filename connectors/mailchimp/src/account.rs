//! Whether the audience can be reached, and which fields it has.

use concord_sdk::prelude::*;
use serde::Deserialize;

use crate::api::Api;
use crate::members::CONSENT_AT;

#[derive(Deserialize)]
struct Audience {
    id: String,
    name: String,
}

/// A connection is one audience, so the audience is what it is known by.
pub fn check(api: &Api<'_>) -> Result<Description, Fault> {
    api.get("/ping", &[])?;
    let fields = [("fields", "id,name".to_owned())];
    let audience: Audience = match api.get(&api.list_path(""), &fields) {
        Ok(response) => response.json()?,
        Err(Fault::NotFound(_)) => {
            return Err(Fault::Forbidden(format!(
                "this account has no audience '{}': correct 'list_id' of the connection",
                api.list_id()
            )));
        }
        Err(fault) => return Err(fault),
    };
    Ok(Description {
        account_id: audience.id,
        account_name: format!("Mailchimp audience \"{}\"", audience.name),
        unavailable: Vec::new(),
    })
}

#[derive(Deserialize)]
struct MergeFields {
    merge_fields: Vec<MergeField>,
}

#[derive(Deserialize)]
struct MergeField {
    tag: String,
    name: String,
    r#type: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    options: Choices,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choices {
    choices: Vec<String>,
}

pub fn discover(api: &Api<'_>) -> Result<Vec<StreamInfo>, Fault> {
    let fields = "tag,name,type,required,options"
        .split(',')
        .map(|field| format!("merge_fields.{field}"))
        .collect::<Vec<_>>()
        .join(",");
    let query = [("count", "1000".to_owned()), ("fields", fields)];
    let answer: MergeFields = api.get(&api.list_path("/merge-fields"), &query)?.json()?;
    let mut members = fixed_fields();
    members.extend(answer.merge_fields.into_iter().map(MergeField::info));
    Ok(vec![
        StreamInfo {
            name: crate::MEMBERS.to_owned(),
            label: "Members of the audience".to_owned(),
            fields: members,
        },
        StreamInfo {
            name: crate::LISTS.to_owned(),
            label: "Audiences".to_owned(),
            fields: list_fields(),
        },
    ])
}

impl MergeField {
    fn info(self) -> FieldInfo {
        let kind = match self.r#type.as_str() {
            "number" => FieldType::Decimal,
            "date" => FieldType::Date,
            "radio" | "dropdown" => FieldType::Enum,
            "address" => FieldType::Object,
            _ => FieldType::Text,
        };
        FieldInfo {
            required: self.required,
            values: self.options.choices,
            ..field(&self.tag, &self.name, kind)
        }
    }
}

fn fixed_fields() -> Vec<FieldInfo> {
    let read_only = |info: FieldInfo| FieldInfo {
        read_only: true,
        ..info
    };
    vec![
        FieldInfo {
            required: true,
            unique: true,
            ..field("email_address", "E-mail address", FieldType::Text)
        },
        FieldInfo {
            values: [
                "subscribed",
                "unsubscribed",
                "cleaned",
                "pending",
                "transactional",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..field("status", "Subscription", FieldType::Enum)
        },
        field(CONSENT_AT, "Opted in or out at", FieldType::Timestamp),
        field("language", "Language", FieldType::Text),
        field("vip", "VIP", FieldType::Boolean),
        field("tags", "Tags", FieldType::List),
        read_only(field(
            "timestamp_signup",
            "Signed up at",
            FieldType::Timestamp,
        )),
        read_only(field("timestamp_opt", "Confirmed at", FieldType::Timestamp)),
        read_only(field("last_changed", "Changed at", FieldType::Timestamp)),
    ]
}

fn list_fields() -> Vec<FieldInfo> {
    [
        ("name", "Name", FieldType::Text),
        (
            "permission_reminder",
            "Permission reminder",
            FieldType::Text,
        ),
        ("campaign_defaults", "Campaign defaults", FieldType::Object),
        ("date_created", "Created at", FieldType::Timestamp),
        ("visibility", "Visibility", FieldType::Text),
    ]
    .map(|(name, label, kind)| FieldInfo {
        read_only: true,
        ..field(name, label, kind)
    })
    .to_vec()
}

fn field(name: &str, label: &str, kind: FieldType) -> FieldInfo {
    FieldInfo {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
        read_only: false,
        required: false,
        unique: false,
        values: Vec::new(),
    }
}
