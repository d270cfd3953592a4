//! Between the contract's types and the hub's.
//!
//! Records cross here by the hundred thousand, so values are moved, not copied.
//! Everything that a person may come to see (faults, reasons) is redacted.

use concord_core::record::{
    Action, Applied, Description, FieldInfo, FieldType, PullMode, StreamInfo,
};
use concord_core::{
    Absence, Change, Fault, FieldFault, Fields, Op, Outcome, Page, RemoteId, RemoteRecord,
    Selection, Timestamp,
};

use crate::Redactor;
use crate::bindings::types as wit;

/// How much of a broken record is kept for a person to look at.
const RAW_KEPT: usize = 4096;

pub(crate) fn selection(selection: &Selection) -> wit::Selection {
    wit::Selection {
        mode: match selection.mode {
            PullMode::Changes => wit::PullMode::Changes,
            PullMode::Full => wit::PullMode::Full,
        },
        fields: selection.fields.clone(),
        page_size: selection.page_size,
        window: selection.window.map(|window| wit::TimeWindow {
            from: window.from.0,
            until: window.until.0,
        }),
    }
}

/// JSON text of a record's fields.
pub(crate) fn json(fields: &Fields) -> Result<String, Fault> {
    serde_json::to_string(fields)
        .map_err(|error| Fault::bug(format!("the fields of a write are not JSON: {error}")))
}

pub(crate) fn op(op: &Op) -> Result<wit::Op, Fault> {
    Ok(wit::Op {
        intent: op.intent.clone(),
        action: match &op.action {
            Action::Create => wit::Action::Create,
            Action::Update(id) => wit::Action::Update(id.to_string()),
            Action::Delete(id) => wit::Action::Delete(id.to_string()),
        },
        base_version: op.base_version.clone(),
        fields: json(&op.fields)?,
    })
}

/// Reads what a guest answered.
pub(crate) struct Reader<'a> {
    pub(crate) redactor: &'a Redactor,
}

impl Reader<'_> {
    pub(crate) fn page(&self, page: wit::Page) -> Page {
        Page {
            changes: self.changes(page.changes),
            next: page.next,
            more: page.more,
            complete: page.complete,
        }
    }

    pub(crate) fn changes(&self, changes: Vec<wit::Change>) -> Vec<Change> {
        changes.into_iter().map(|c| self.change(c)).collect()
    }

    /// One broken record is set aside and never spoils its page.
    fn change(&self, change: wit::Change) -> Change {
        match change {
            wit::Change::Upsert(found) => match record(found) {
                Ok(record) => Change::Upsert(record),
                Err(broken) => self.malformed(broken),
            },
            wit::Change::Gone(gone) if gone.id.is_empty() => self.malformed(wit::Malformed {
                id: None,
                reason: "a record is said to be gone, but its id is empty".into(),
                raw: String::new(),
            }),
            wit::Change::Gone(gone) => Change::Gone {
                id: RemoteId::from(gone.id),
                absence: match gone.absence {
                    wit::Absence::Tombstone => Absence::Tombstone,
                    wit::Absence::Archived => Absence::Archived,
                    wit::Absence::MergedInto(id) => Absence::MergedInto(RemoteId::from(id)),
                    wit::Absence::Hidden => Absence::Hidden,
                },
                at: gone.at.map(Timestamp),
            },
            wit::Change::Malformed(broken) => self.malformed(broken),
        }
    }

    fn malformed(&self, broken: wit::Malformed) -> Change {
        let mut raw = self.redactor.clean(broken.raw);
        truncate(&mut raw, RAW_KEPT);
        let mut reason = self.redactor.clean(broken.reason);
        truncate(&mut reason, RAW_KEPT);
        Change::Malformed {
            id: broken.id.filter(|id| !id.is_empty()).map(RemoteId::from),
            reason,
            raw,
        }
    }

    /// Records found by value.  There is no place to set a broken one aside, and
    /// leaving it out would say that it does not exist.
    pub(crate) fn records(
        &self,
        found: Vec<wit::RemoteRecord>,
    ) -> Result<Vec<RemoteRecord>, String> {
        found
            .into_iter()
            .map(|found| record(found).map_err(|broken| self.redactor.clean(broken.reason)))
            .collect()
    }

    pub(crate) fn outcome(&self, outcome: wit::Outcome) -> Outcome {
        match outcome {
            // The write was done; only its description is unusable.
            wit::Outcome::Applied(applied) if applied.id.is_empty() => Outcome::Failed(
                Fault::UnknownOutcome("the write was applied, but to a record with no id".into()),
            ),
            wit::Outcome::Applied(applied) => match applied.stored.map(record).transpose() {
                Ok(stored) => Outcome::Applied(Applied {
                    id: RemoteId::from(applied.id),
                    version: applied.version,
                    stored,
                }),
                Err(broken) => Outcome::Failed(Fault::UnknownOutcome(format!(
                    "the write was applied, but the stored record cannot be read: {}",
                    self.redactor.clean(broken.reason)
                ))),
            },
            wit::Outcome::Failed(fault) => Outcome::Failed(self.fault(fault)),
        }
    }

    pub(crate) fn fault(&self, fault: wit::Fault) -> Fault {
        let clean = |text: String| {
            let mut text = self.redactor.clean(text);
            truncate(&mut text, RAW_KEPT);
            text
        };
        match fault {
            wit::Fault::AuthExpired(text) => Fault::AuthExpired(clean(text)),
            wit::Fault::AuthRevoked(text) => Fault::AuthRevoked(clean(text)),
            wit::Fault::Forbidden(text) => Fault::Forbidden(clean(text)),
            wit::Fault::RateLimited(delay) => Fault::RateLimited {
                until: delay.until.map(Timestamp),
                message: clean(delay.message),
            },
            wit::Fault::Transient(delay) => Fault::Transient {
                until: delay.until.map(Timestamp),
                message: clean(delay.message),
            },
            wit::Fault::UnknownOutcome(text) => Fault::UnknownOutcome(clean(text)),
            wit::Fault::NotFound(text) => Fault::NotFound(clean(text)),
            // A current record that cannot be read is as good as none: the
            // engine then fetches it.
            wit::Fault::VersionConflict(current) => Fault::VersionConflict(
                current
                    .and_then(|current| record(current).ok())
                    .map(Box::new),
            ),
            wit::Fault::Invalid(faults) => Fault::Invalid(
                faults
                    .into_iter()
                    .map(|fault| FieldFault {
                        field: fault.field,
                        message: clean(fault.message),
                    })
                    .collect(),
            ),
            wit::Fault::WindowTooLarge(text) => Fault::WindowTooLarge(clean(text)),
            wit::Fault::CursorExpired(text) => Fault::CursorExpired(clean(text)),
            wit::Fault::Bug(text) => Fault::Bug(clean(text)),
        }
    }
}

fn record(found: wit::RemoteRecord) -> Result<RemoteRecord, wit::Malformed> {
    if found.id.is_empty() {
        return Err(wit::Malformed {
            id: None,
            reason: "the record's id is empty".into(),
            raw: found.fields,
        });
    }
    match serde_json::from_str::<Fields>(&found.fields) {
        Ok(fields) => Ok(RemoteRecord {
            id: RemoteId::from(found.id),
            version: found.version,
            modified_at: found.modified_at.map(Timestamp),
            fields,
            partial: found.partial,
        }),
        Err(error) => Err(wit::Malformed {
            id: Some(found.id),
            reason: format!("the record's fields are not a JSON object: {error}"),
            raw: found.fields,
        }),
    }
}

pub(crate) fn description(found: wit::Description) -> Description {
    Description {
        account_id: found.account_id,
        account_name: found.account_name,
        unavailable: found.unavailable,
    }
}

pub(crate) fn stream(found: wit::StreamInfo) -> StreamInfo {
    StreamInfo {
        name: found.name,
        label: found.label,
        fields: found.fields.into_iter().map(field).collect(),
    }
}

fn field(found: wit::FieldInfo) -> FieldInfo {
    FieldInfo {
        name: found.name,
        label: found.label,
        kind: match found.kind {
            wit::FieldType::Text => FieldType::Text,
            wit::FieldType::Boolean => FieldType::Boolean,
            wit::FieldType::Integer => FieldType::Integer,
            wit::FieldType::Decimal => FieldType::Decimal,
            wit::FieldType::Date => FieldType::Date,
            wit::FieldType::Timestamp => FieldType::Timestamp,
            wit::FieldType::Enum => FieldType::Enum,
            wit::FieldType::List => FieldType::List,
            wit::FieldType::Object => FieldType::Object,
        },
        read_only: found.read_only,
        required: found.required,
        unique: found.unique,
        values: found.values,
    }
}

/// Cuts text to at most this many bytes, between characters.
pub(crate) fn truncate(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_core::ports::Secret;

    fn upsert(id: &str, fields: &str) -> wit::Change {
        wit::Change::Upsert(wit::RemoteRecord {
            id: id.into(),
            version: None,
            modified_at: None,
            fields: fields.into(),
            partial: false,
        })
    }

    fn read(changes: Vec<wit::Change>) -> Vec<Change> {
        let redactor = Redactor::new(&[Secret::new("hunter2")]);
        let reader = Reader {
            redactor: &redactor,
        };
        reader.changes(changes)
    }

    #[test]
    fn one_broken_record_does_not_spoil_its_page() {
        let changes = read(vec![
            upsert("1", r#"{"name":"Ann"}"#),
            upsert("2", r#"{"name":"#),
            upsert("3", "[1]"),
            upsert("", r#"{"name":"Nobody"}"#),
            upsert("4", "{}"),
        ]);
        let ids: Vec<_> = changes
            .iter()
            .map(|c| c.id().map(RemoteId::as_str))
            .collect();
        assert_eq!(ids, [Some("1"), Some("2"), Some("3"), None, Some("4")]);
        let broken: Vec<bool> = changes
            .iter()
            .map(|c| matches!(c, Change::Malformed { .. }))
            .collect();
        assert_eq!(broken, [false, true, true, true, false]);
    }

    #[test]
    fn what_is_set_aside_is_cut_and_redacted() {
        let raw = format!("{{\"token\":\"hunter2\" {}", "x".repeat(9000));
        let changes = read(vec![upsert("1", &raw)]);
        let Change::Malformed { raw, .. } = &changes[0] else {
            panic!("{changes:?}");
        };
        assert!(raw.starts_with("{\"token\":\"[secret]\""), "{raw}");
        assert!(raw.len() <= RAW_KEPT + "…".len());
    }

    #[test]
    fn an_applied_write_with_an_unreadable_answer_is_in_doubt() {
        let redactor = Redactor::new(&[]);
        let reader = Reader {
            redactor: &redactor,
        };
        let applied = |id: &str, fields: &str| {
            let wit::Change::Upsert(stored) = upsert("1", fields) else {
                unreachable!("upsert makes upserts");
            };
            reader.outcome(wit::Outcome::Applied(wit::Applied {
                id: id.into(),
                version: None,
                stored: Some(stored),
            }))
        };
        for (id, fields) in [("1", "{"), ("", "{}")] {
            assert!(matches!(
                applied(id, fields),
                Outcome::Failed(Fault::UnknownOutcome(_))
            ));
        }
        assert!(matches!(applied("1", "{}"), Outcome::Applied(_)));
    }

    #[test]
    fn text_is_cut_between_characters() {
        let mut text = "aé".to_owned();
        truncate(&mut text, 2);
        assert_eq!(text, "a…");
    }
}
