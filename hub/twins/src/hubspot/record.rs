//! One CRM record, and how it is shown.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::catalogue::{CREATED, Catalogue, Cleaned, MODIFIED, OBJECT_ID, Slot, iso};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: u64,
    /// Milliseconds since 1970, as the other moments here.
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) archived: Option<i64>,
    /// In order of the slots; what is empty is not there.
    values: Vec<(Slot, Box<str>)>,
}

impl Record {
    pub(crate) fn new(id: u64, created: i64) -> Self {
        Self {
            id,
            created,
            modified: created,
            archived: None,
            values: Vec::new(),
        }
    }

    /// A value that somebody put there; the counted properties are not among these.
    pub(crate) fn stored(&self, slot: Slot) -> Option<&str> {
        let at = self.values.binary_search_by_key(&slot, |(s, _)| *s).ok()?;
        Some(&self.values[at].1)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<Cow<'_, str>> {
        match slot {
            OBJECT_ID => Some(Cow::Owned(self.id.to_string())),
            CREATED => Some(Cow::Owned(iso(self.created))),
            MODIFIED => Some(Cow::Owned(iso(self.modified))),
            _ => self.stored(slot).map(Cow::Borrowed),
        }
    }

    pub(crate) fn filled(&self) -> impl Iterator<Item = (Slot, &str)> {
        self.values.iter().map(|(slot, text)| (*slot, &**text))
    }

    /// Puts or clears one value; true where that changed something.
    pub(crate) fn put(&mut self, (slot, value): Cleaned) -> bool {
        match (self.values.binary_search_by_key(&slot, |(s, _)| *s), value) {
            (Ok(at), Some(text)) if self.values[at].1 != text => self.values[at].1 = text,
            (Ok(at), None) => {
                self.values.remove(at);
            }
            (Err(at), Some(text)) => self.values.insert(at, (slot, text)),
            (Ok(_), Some(_)) | (Err(_), None) => return false,
        }
        true
    }
}

/// Which properties are shown, in this order.
pub(crate) struct Columns<'a>(Vec<(Slot, &'a str)>);

impl<'a> Columns<'a> {
    /// The wanted properties and those that are always shown.  Names that do not
    /// exist are ignored (contacts reference: "they will be ignored").
    pub(crate) fn new<'n>(
        catalogue: &'a Catalogue,
        wanted: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        let mut slots = vec![OBJECT_ID, CREATED, MODIFIED];
        for name in wanted {
            if let Some(slot) = catalogue.slot(name)
                && !slots.contains(&slot)
            {
                slots.push(slot);
            }
        }
        let mut columns: Vec<(Slot, &str)> = slots
            .into_iter()
            .map(|slot| (slot, catalogue.property(slot).name.as_str()))
            .collect();
        columns.sort_unstable_by_key(|(_, name)| *name);
        Self(columns)
    }

    pub(crate) fn all(catalogue: &'a Catalogue) -> Self {
        Self::new(catalogue, catalogue.all().iter().map(|p| p.name.as_str()))
    }
}

/// A record as it stands in an answer.
pub(crate) struct View<'a> {
    pub(crate) record: &'a Record,
    pub(crate) columns: &'a Columns<'a>,
    /// Whether an upsert made the record.
    pub(crate) new: Option<bool>,
    pub(crate) trace_id: Option<&'a str>,
    pub(crate) associations: Option<Value>,
}

impl<'a> View<'a> {
    pub(crate) fn plain(record: &'a Record, columns: &'a Columns<'a>) -> Self {
        Self {
            record,
            columns,
            new: None,
            trace_id: None,
            associations: None,
        }
    }
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record;
        let (created, modified) = (iso(record.created), iso(record.modified));
        let properties = Properties {
            record,
            columns: self.columns,
            created: &created,
            modified: &modified,
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &record.id.to_string())?;
        map.serialize_entry("properties", &properties)?;
        map.serialize_entry("createdAt", &created)?;
        map.serialize_entry("updatedAt", &modified)?;
        map.serialize_entry("archived", &record.archived.is_some())?;
        if let Some(moment) = record.archived {
            map.serialize_entry("archivedAt", &iso(moment))?;
        }
        if let Some(new) = self.new {
            map.serialize_entry("new", &new)?;
        }
        if let Some(trace_id) = self.trace_id {
            map.serialize_entry("objectWriteTraceId", trace_id)?;
        }
        if let Some(associations) = &self.associations {
            map.serialize_entry("associations", associations)?;
        }
        map.end()
    }
}

/// The inner object; moments are printed once for a record, not once for a place.
struct Properties<'a> {
    record: &'a Record,
    columns: &'a Columns<'a>,
    created: &'a str,
    modified: &'a str,
}

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.0.len()))?;
        for (slot, name) in &self.columns.0 {
            match *slot {
                OBJECT_ID => map.serialize_entry(name, &self.record.id.to_string())?,
                CREATED => map.serialize_entry(name, self.created)?,
                MODIFIED => map.serialize_entry(name, self.modified)?,
                slot => map.serialize_entry(name, &self.record.stored(slot))?,
            }
        }
        map.end()
    }
}
