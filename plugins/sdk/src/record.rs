//! Records, changes and ops.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    Absence, Action, Applied, Change, Fault, Fields, Gone, Malformed, Op, Outcome, RemoteRecord,
};

/// How much of an offending piece is kept for a person to look at.
const RAW_KEPT: usize = 4096;

impl RemoteRecord {
    /// A record whose fields are a piece of the answer, passed on as it is.
    /// This is the way for pages: nothing is parsed twice.
    pub fn raw(id: impl Into<String>, fields: &RawValue) -> Result<Self, Malformed> {
        let id = id.into();
        if !fields.get().starts_with('{') {
            return Err(Malformed::new(
                Some(id),
                "the record's fields are not an object",
                fields.get(),
            ));
        }
        Ok(Self::with_json(id, fields.get().to_owned()))
    }

    /// A record whose fields the connector put together itself.
    pub fn new(id: impl Into<String>, fields: &impl Serialize) -> Result<Self, Malformed> {
        let id = id.into();
        match serde_json::to_string(fields) {
            Ok(json) if json.starts_with('{') => Ok(Self::with_json(id, json)),
            Ok(json) => Err(Malformed::new(
                Some(id),
                "the record's fields are not an object",
                &json,
            )),
            Err(error) => Err(Malformed::new(Some(id), error.to_string(), "")),
        }
    }

    fn with_json(id: String, fields: String) -> Self {
        Self {
            id,
            version: None,
            modified_at: None,
            fields,
            partial: false,
        }
    }

    /// What the system compares for a conditional write.
    pub fn versioned(mut self, version: impl Into<Option<String>>) -> Self {
        self.version = version.into();
        self
    }

    /// When it last changed, in microseconds.
    pub fn modified(mut self, at: impl Into<Option<i64>>) -> Self {
        self.modified_at = at.into();
        self
    }

    /// Marks the payload as one that may lack fields.
    pub fn partial(mut self) -> Self {
        self.partial = true;
        self
    }
}

impl Malformed {
    /// A record that could not be understood; `raw` is cut to a few kilobytes.
    pub fn new(id: Option<String>, reason: impl Into<String>, raw: &str) -> Self {
        let mut end = raw.len().min(RAW_KEPT);
        while !raw.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            id,
            reason: reason.into(),
            raw: raw[..end].to_owned(),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Fault::Bug(format!(
            "record '{}' cannot be understood: {}",
            malformed.id.unwrap_or_default(),
            malformed.reason
        ))
    }
}

/// One bad record is set aside; the rest of the page goes on.
impl From<Result<RemoteRecord, Malformed>> for Change {
    fn from(result: Result<RemoteRecord, Malformed>) -> Self {
        match result {
            Ok(record) => Change::Upsert(record),
            Err(malformed) => Change::Malformed(malformed),
        }
    }
}

impl Change {
    /// A record that is not there any more; `at` in microseconds, if known.
    pub fn gone(id: impl Into<String>, absence: Absence, at: Option<i64>) -> Self {
        Change::Gone(Gone {
            id: id.into(),
            absence,
            at,
        })
    }
}

impl Op {
    /// The fields to change, as the type that the connector wants.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_str(&self.fields).map_err(|error| {
            Fault::invalid(
                "",
                format!("the fields are not of the expected shape: {error}"),
            )
        })
    }

    /// The fields to change, by name.
    pub fn fields(&self) -> Result<Fields, Fault> {
        self.parse()
    }

    /// The record that the op speaks of; none for a create.
    pub fn target(&self) -> Option<&str> {
        match &self.action {
            Action::Create => None,
            Action::Update(id) | Action::Delete(id) => Some(id),
        }
    }
}

impl Outcome {
    /// Done; what was stored is not in the answer.
    pub fn applied(id: impl Into<String>, version: Option<String>) -> Self {
        Outcome::Applied(Applied {
            id: id.into(),
            version,
            stored: None,
        })
    }

    /// Done, and the answer is the stored record.
    pub fn stored(record: RemoteRecord) -> Self {
        Outcome::Applied(Applied {
            id: record.id.clone(),
            version: record.version.clone(),
            stored: Some(record),
        })
    }
}

impl From<Result<Applied, Fault>> for Outcome {
    fn from(result: Result<Applied, Fault>) -> Self {
        match result {
            Ok(applied) => Outcome::Applied(applied),
            Err(fault) => Outcome::Failed(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize)]
    struct Row<'a> {
        id: &'a str,
        #[serde(borrow)]
        properties: &'a RawValue,
    }

    #[test]
    fn fields_are_passed_on_byte_for_byte() {
        let row: Row<'_> =
            serde_json::from_str(r#"{"id":"7","properties":{"b":1.50,"a":"\u00fc"}}"#).unwrap();
        let record = RemoteRecord::raw(row.id, row.properties).unwrap();
        assert_eq!(record.fields, r#"{"b":1.50,"a":"\u00fc"}"#);
    }

    #[test]
    fn what_is_not_an_object_is_set_aside_with_its_id() {
        for raw in ["null", "[]", "\"x\""] {
            let raw: &RawValue = serde_json::from_str(raw).unwrap();
            let Change::Malformed(malformed) = RemoteRecord::raw("7", raw).into() else {
                panic!("{raw}");
            };
            assert_eq!(malformed.id.as_deref(), Some("7"));
        }
        assert!(RemoteRecord::new("7", &json!([1])).is_err());
    }

    #[test]
    fn a_long_piece_is_cut_between_characters() {
        let malformed = Malformed::new(None, "long", &format!("x{}", "ü".repeat(4096)));
        assert_eq!(malformed.raw.len(), 4095);
    }

    #[test]
    fn an_op_gives_its_fields_or_says_why_not() {
        let op = |fields: &str| Op {
            intent: "1".into(),
            action: Action::Update("7".into()),
            base_version: None,
            fields: fields.into(),
        };
        assert_eq!(op(r#"{"a":1}"#).fields().unwrap()["a"], 1);
        assert_eq!(op("{}").target(), Some("7"));
        assert!(matches!(op("[]").fields(), Err(Fault::Invalid(_))));
    }
}
