//! `mapping.yaml`: which canonical field goes through which lens to which
//! remote field.

mod check;
mod collide;
mod compile;
mod document;
mod error;
pub mod laws;
mod scalars;

use std::collections::{BTreeMap, BTreeSet};

use concord_core::record::StreamInfo;
use concord_core::{FieldName, Kind, StreamName};

pub use document::At;
pub use error::{Law, LawBroken, MappingError, expected};

use crate::lens::Lens;
use crate::schemas::Schemas;
use document::MappingDocument;

/// The lenses of one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    pub streams: BTreeMap<StreamName, StreamMapping>,
    document: MappingDocument,
}

/// The lenses of one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamMapping {
    pub stream: StreamName,
    /// The kind of entity that its records are.
    pub kind: Kind,
    /// Changes with any lens or normaliser, and with nothing else.
    pub hash: String,
    /// Sorted by field.
    pub lenses: Vec<Lens>,
    /// What must be known before a record is created here.
    pub create_requires: Vec<RequiredField>,
    remote_fields: Vec<String>,
}

/// `create-requires: { email_consent: opted_in, family_name: present }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredField {
    pub field: FieldName,
    /// `present`, or of a consent `opted_in` or `opted_out`.
    pub status: String,
}

impl Mapping {
    /// Reads a mapping and checks it against the schemas.
    pub fn parse(text: &str, schemas: &Schemas) -> Result<Mapping, MappingError> {
        Self::compile(MappingDocument::parse(text)?, schemas)
    }

    /// This mapping with a connection's own lenses: a stream or field of the
    /// override replaces the one of the same name, and null removes it.
    pub fn overridden_by(&self, other: &str, schemas: &Schemas) -> Result<Mapping, MappingError> {
        let other = MappingDocument::parse(other)?;
        for (name, stream) in &other.streams {
            self.check_removals(name, stream.as_ref().map(|s| &s.value))?;
        }
        Self::compile(self.document.clone().overridden_by(other), schemas)
    }

    /// What the account does not have: unknown streams and remote fields, and
    /// writes to fields that are read-only there.
    pub fn check_against(&self, streams: &[StreamInfo]) -> Vec<MappingError> {
        self.streams
            .values()
            .flat_map(|mapping| check::against(mapping, streams))
            .collect()
    }

    /// Checks the laws of every stream.
    pub fn check_laws(&self) -> Result<(), LawBroken> {
        self.streams.values().try_for_each(laws::check)
    }

    /// A removal that removes nothing is a slip of the pen.
    fn check_removals(
        &self,
        name: &str,
        over: Option<&document::StreamDocument>,
    ) -> Result<(), MappingError> {
        let wrong = |problem: String| MappingError::Stream {
            at: At::default(),
            stream: name.to_owned(),
            problem,
        };
        let base = self.document.streams.get(name).and_then(Option::as_ref);
        match (base, over) {
            (None, None) => {
                let names: Vec<&str> = self.document.streams.keys().map(String::as_str).collect();
                Err(wrong(format!(
                    "there is no such stream to remove; {}",
                    error::expected(name, &names)
                )))
            }
            (Some(base), Some(over)) => {
                let fields = &base.value.fields;
                let lost = over
                    .fields
                    .iter()
                    .find(|(field, lens)| lens.is_none() && !fields.contains_key(*field));
                match lost {
                    None => Ok(()),
                    Some((field, _)) => {
                        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                        Err(wrong(format!(
                            "there is no lens '{field}' to remove; {}",
                            error::expected(field, &names)
                        )))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    fn compile(document: MappingDocument, schemas: &Schemas) -> Result<Mapping, MappingError> {
        let mut streams = BTreeMap::new();
        let kinds = compile::kinds(&document, schemas)?;
        for (name, stream) in &document.streams {
            if let Some(stream) = stream {
                let mapping = compile::stream(name, stream, &kinds, schemas)?;
                streams.insert(mapping.stream.clone(), mapping);
            }
        }
        Ok(Mapping { streams, document })
    }
}

impl StreamMapping {
    /// The top-level remote fields that lenses read or write, sorted.
    pub fn remote_fields(&self) -> &[String] {
        &self.remote_fields
    }

    pub fn lens(&self, field: &str) -> Option<&Lens> {
        let at = self
            .lenses
            .binary_search_by(|lens| lens.field.as_str().cmp(field));
        at.ok().map(|index| &self.lenses[index])
    }

    fn all_remote_fields(lenses: &[Lens]) -> Vec<String> {
        let names: BTreeSet<&String> = lenses.iter().flat_map(|l| l.remote_fields()).collect();
        names.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
