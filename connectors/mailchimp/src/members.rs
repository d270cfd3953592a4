//! A member as a record.
//!
//! Merge fields are lifted out of `merge_fields`, so that each of them changes,
//! fails and is mapped on its own.  Their tags are upper case and the fixed
//! fields lower case, so neither hides the other.

use concord_sdk::prelude::*;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::json;

/// What is asked of each member.
pub const FIELDS: [&str; 10] = [
    "id",
    "email_address",
    "status",
    "merge_fields",
    "language",
    "vip",
    "tags",
    "timestamp_signup",
    "timestamp_opt",
    "last_changed",
];

/// The time that goes with the status, which Mailchimp does not have as a
/// field: when somebody opted in, or the latest moment at which they can have
/// opted out.  An opt-out dated too late still wins over every older opt-in;
/// `timestamp_opt` would date it back to the opt-in.
pub const CONSENT_AT: &str = "consent_at";

#[derive(Deserialize)]
pub struct Member {
    pub id: String,
    pub email_address: String,
    pub status: String,
    #[serde(default)]
    pub merge_fields: Fields,
    #[serde(default)]
    pub language: String,
    #[serde(default)]
    pub vip: bool,
    #[serde(default)]
    pub tags: Vec<Tag>,
    #[serde(default)]
    pub timestamp_signup: String,
    #[serde(default)]
    pub timestamp_opt: String,
    #[serde(default)]
    pub last_changed: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Tag {
    pub name: String,
}

/// A member's id: Mailchimp finds it under the MD5 of the address in lower case.
pub fn id_of(address: &str) -> String {
    Md5::digest(address.trim().to_lowercase().as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Anything else would be read as an address or as another path.
pub fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Member {
    pub fn archived(&self) -> bool {
        self.status == "archived"
    }

    pub fn changed_at(&self) -> Option<i64> {
        time::parse(&self.last_changed)
    }

    pub fn change(self) -> Change {
        if self.archived() {
            let at = self.changed_at();
            return Change::gone(self.id, Absence::Archived, at);
        }
        self.record().into()
    }

    /// The record.  `last_changed` has whole seconds, too coarse for a version.
    pub fn record(self) -> Result<RemoteRecord, Malformed> {
        let changed_at = self.changed_at();
        let consent_at = match self.status.as_str() {
            "subscribed" if self.timestamp_opt.is_empty() => self.timestamp_signup.as_str(),
            "subscribed" => self.timestamp_opt.as_str(),
            _ => self.last_changed.as_str(),
        };
        let mut fields: Fields = self
            .merge_fields
            .iter()
            .map(|(tag, value)| (tag.clone(), emptied(value)))
            .collect();
        let tags: Vec<Value> = self.tags.iter().map(|t| json!({"name": t.name})).collect();
        fields.insert(CONSENT_AT.into(), json!(consent_at));
        fields.insert("email_address".into(), json!(self.email_address));
        fields.insert("status".into(), json!(self.status));
        fields.insert("language".into(), json!(self.language));
        fields.insert("vip".into(), json!(self.vip));
        fields.insert("tags".into(), Value::Array(tags));
        fields.insert("timestamp_signup".into(), json!(self.timestamp_signup));
        fields.insert("timestamp_opt".into(), json!(self.timestamp_opt));
        fields.insert("last_changed".into(), json!(self.last_changed));
        Ok(RemoteRecord::new(self.id, &fields)?.modified(changed_at))
    }
}

/// An address that is not there is "", and otherwise an object.
fn emptied(value: &Value) -> Value {
    if value == "" {
        Value::Null
    } else {
        value.clone()
    }
}

/// A member of a page; what cannot be read is set aside.
pub fn read(piece: &serde_json::value::RawValue) -> Result<Member, Malformed> {
    serde_json::from_str(piece.get()).map_err(|error| {
        #[derive(Deserialize)]
        struct OnlyId {
            id: String,
        }
        let only: Option<OnlyId> = serde_json::from_str(piece.get()).ok();
        Malformed::new(only.map(|only| only.id), error.to_string(), piece.get())
    })
}

/// Whether a field's name is a merge tag: capitals, digits and underscores.
pub fn is_merge_tag(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
