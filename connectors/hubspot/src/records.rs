//! HubSpot's records and how they become changes.
//!
//! A record's `properties` travel on as the very text that HubSpot sent:
//! re-parsing them would be the largest cost of a full walk.

use std::borrow::Cow;

use concord_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The survivor of a merge names in this property the ids that it absorbed;
/// the absorbed ids are in no list any more, not even in the archived one.
pub const MERGED_IDS: &str = "hs_merged_object_ids";

/// What is asked of each record: what the mapping reads, and the merges.
pub fn properties(fields: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = fields.iter().map(String::as_str).collect();
    if !names.contains(&MERGED_IDS) {
        names.push(MERGED_IDS);
    }
    names
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow)]
    pub properties: &'a RawValue,
    #[serde(borrow, default)]
    pub updated_at: Option<Cow<'a, str>>,
    #[serde(default)]
    pub archived: bool,
    #[serde(borrow, default)]
    pub archived_at: Option<Cow<'a, str>>,
    /// Echoed where a create carried one.
    #[serde(borrow, default)]
    pub object_write_trace_id: Option<Cow<'a, str>>,
}

impl Object<'_> {
    pub fn modified_at(&self) -> Option<i64> {
        self.updated_at.as_deref().and_then(time::parse)
    }

    pub fn record(&self) -> Result<RemoteRecord, Malformed> {
        let at = self.modified_at();
        let record = RemoteRecord::raw(self.id.as_ref(), self.properties)?;
        Ok(record.versioned(at.map(version)).modified(at))
    }

    /// The record, or that it is archived: an index that lags may still list it.
    pub fn change(&self) -> Change {
        if self.archived {
            self.gone_archived()
        } else {
            self.record().into()
        }
    }

    pub fn gone_archived(&self) -> Change {
        let at = self.archived_at.as_deref().and_then(time::parse);
        Change::gone(self.id.as_ref(), Absence::Archived, at)
    }

    /// The records that were merged into this one.
    pub fn absorbed(&self) -> impl Iterator<Item = Change> {
        let survivor = self.id.to_string();
        self.merged_ids()
            .into_iter()
            .map(move |id| Change::gone(id, Absence::MergedInto(survivor.clone()), None))
    }

    fn merged_ids(&self) -> Vec<String> {
        let Some(after_key) = self
            .properties
            .get()
            .split_once("\"hs_merged_object_ids\"")
            .map(|(_, rest)| rest)
        else {
            return Vec::new();
        };
        // Nearly every record holds null here: look before parsing.
        let value = after_key.trim_start().strip_prefix(':').unwrap_or_default();
        if value.trim_start().starts_with("null") {
            return Vec::new();
        }
        #[derive(Deserialize)]
        struct Merged<'a> {
            #[serde(borrow, default)]
            hs_merged_object_ids: Option<Cow<'a, str>>,
        }
        let merged: Option<Merged<'_>> = serde_json::from_str(self.properties.get()).ok();
        let ids = merged
            .and_then(|m| m.hs_merged_object_ids)
            .unwrap_or_default();
        ids.split(';')
            .map(str::trim)
            .filter(|id| !id.is_empty() && *id != self.id)
            .map(str::to_owned)
            .collect()
    }
}

/// The last change in milliseconds.  As a number and not as HubSpot's text,
/// because that leaves out a fraction of zero and so does not sort.
fn version(micros: i64) -> String {
    micros.div_euclid(1_000).to_string()
}

/// Reads `results`, one by one only where they cannot be read all at once, so
/// that one malformed record never stops the next.
pub fn objects(results: &RawValue) -> Result<Vec<Result<Object<'_>, Malformed>>, Fault> {
    if let Ok(all) = serde_json::from_str::<Vec<Object<'_>>>(results.get()) {
        return Ok(all.into_iter().map(Ok).collect());
    }
    let pieces: Vec<&RawValue> = serde_json::from_str(results.get())
        .map_err(|e| Fault::Bug(format!("HubSpot's 'results' is not a list: {e}")))?;
    Ok(pieces
        .into_iter()
        .map(|piece| {
            serde_json::from_str(piece.get()).map_err(|e| malformed(piece.get(), &e.to_string()))
        })
        .collect())
}

fn malformed(raw: &str, reason: &str) -> Malformed {
    #[derive(Deserialize)]
    struct OnlyId {
        id: String,
    }
    let id = serde_json::from_str::<OnlyId>(raw).ok().map(|only| only.id);
    Malformed::new(id, reason, raw)
}
