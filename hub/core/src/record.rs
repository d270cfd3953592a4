//! What crosses the contract between hub and connector, as values.
//! `plugins/wit` says the same in WIT; `plugins/host` converts.

use serde::{Deserialize, Serialize};

use crate::{Fault, Fields, RemoteId, Timestamp};

/// One object of a system, in the system's own field names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemoteRecord {
    pub id: RemoteId,
    pub version: Option<String>,
    pub modified_at: Option<Timestamp>,
    /// Absent: not read.  Null or "": empty in the system.
    pub fields: Fields,
    /// A hint only: the record must be fetched to be believed.
    pub partial: bool,
}

/// What is known about a record that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Absence {
    Tombstone,
    Archived,
    MergedInto(RemoteId),
    Hidden,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    Upsert(RemoteRecord),
    Gone {
        id: RemoteId,
        absence: Absence,
        at: Option<Timestamp>,
    },
    Malformed {
        id: Option<RemoteId>,
        reason: String,
        raw: String,
    },
}

impl Change {
    pub fn id(&self) -> Option<&RemoteId> {
        match self {
            Change::Upsert(record) => Some(&record.id),
            Change::Gone { id, .. } => Some(id),
            Change::Malformed { id, .. } => id.as_ref(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    pub changes: Vec<Change>,
    /// Where to go on after this page is committed.
    pub next: Option<String>,
    /// Calling again at once will give more.
    pub more: bool,
    /// The walk that began without a cursor has listed every record there is.
    pub complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullMode {
    Changes,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeWindow {
    pub from: Timestamp,
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    pub mode: PullMode,
    pub fields: Vec<String>,
    pub page_size: u32,
    pub window: Option<TimeWindow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Update(RemoteId),
    Delete(RemoteId),
}

/// One planned write as the connector sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// The intent's id as text: the idempotency key.
    pub intent: String,
    pub action: Action,
    pub base_version: Option<String>,
    /// Only what changes.
    pub fields: Fields,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// The remote id after the write; it may have moved.
    pub id: RemoteId,
    pub version: Option<String>,
    /// Present only where the system's answer *is* the stored record.
    pub stored: Option<RemoteRecord>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    Applied(Applied),
    Failed(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldType {
    Text,
    Boolean,
    Integer,
    Decimal,
    Date,
    Timestamp,
    Enum,
    List,
    Object,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldInfo {
    pub name: String,
    pub label: String,
    pub kind: FieldType,
    pub read_only: bool,
    pub required: bool,
    pub unique: bool,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    pub name: String,
    pub label: String,
    pub fields: Vec<FieldInfo>,
}

/// What depends on the account and is not in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    pub account_id: String,
    pub account_name: String,
    /// Streams that this account cannot use, with the reason of each.
    pub unavailable: Vec<(String, String)>,
}
