//! `mapping.yaml` as it is written, before it is checked against schemas.

use std::collections::BTreeMap;
use std::fmt;

use concord_core::Value;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::MappingError;
use crate::lens::{
    BooleanWords, CountryForm, DecimalForm, LanguageForm, LensDirection, NamePart, Path,
    ReferenceForm, Rewrite,
};

/// Where in the text something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    pub line: u64,
    pub column: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return Ok(());
        }
        write!(f, "line {}, column {}: ", self.line, self.column)
    }
}

impl At {
    pub(crate) fn of<T>(spanned: &Spanned<T>) -> Self {
        Self {
            line: spanned.referenced.line(),
            column: spanned.referenced.column(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct MappingDocument {
    #[serde(default = "first_version")]
    pub version: u32,
    /// A stream that is null is removed by an override.
    pub streams: BTreeMap<String, Option<Spanned<StreamDocument>>>,
}

fn first_version() -> u32 {
    1
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StreamDocument {
    /// May be left out in an override of a stream that has one.
    #[serde(default)]
    pub entity: Option<String>,
    #[serde(default)]
    pub create_requires: BTreeMap<String, String>,
    /// A lens that is null is removed by an override.
    #[serde(default)]
    pub fields: BTreeMap<String, Option<Spanned<LensDocument>>>,
}

/// One lens, or one member of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct LensDocument {
    pub path: Option<Path>,
    pub direction: Option<LensDirection>,
    pub rewrites: Vec<Rewrite>,
    pub list: Option<ListDocument>,

    pub phone: Option<PhoneDocument>,
    #[serde(rename = "enum")]
    pub words: Option<BTreeMap<String, Value>>,
    pub otherwise: Option<String>,
    pub date: Option<String>,
    pub timestamp: Option<String>,
    pub zone: Option<String>,
    pub decimal: Option<DecimalDocument>,
    pub boolean: Option<BooleanWords>,
    pub country: Option<CountryForm>,
    pub language: Option<LanguageForm>,

    pub split: Option<SplitDocument>,
    pub group: Option<BTreeMap<String, LensDocument>>,
    pub set: Option<SetDocument>,
    pub reference: Option<ReferenceDocument>,
    pub consent: Option<ConsentDocument>,
    pub constant: Option<Value>,
    pub computed: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ListDocument {
    #[serde(default, rename = "where")]
    pub with: BTreeMap<String, Value>,
    #[serde(default)]
    pub without: BTreeMap<String, Value>,
    #[serde(default)]
    pub value: Option<Path>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PhoneDocument {
    /// ISO 3166-1 alpha-2.
    #[serde(default)]
    pub region: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DecimalDocument {
    #[serde(default, rename = "as")]
    pub form: DecimalForm,
    #[serde(default)]
    pub scale: Option<u32>,
    #[serde(default)]
    pub currency_path: Option<Path>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SplitDocument {
    pub part: NamePart,
    pub with: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SetDocument {
    #[serde(default)]
    pub of: Option<Path>,
    #[serde(default)]
    pub separator: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ReferenceDocument {
    pub stream: String,
    #[serde(default, rename = "as")]
    pub form: ReferenceForm,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ConsentDocument {
    pub path: Path,
    #[serde(default)]
    pub opted_in: Vec<Value>,
    #[serde(default)]
    pub opted_out: Vec<Value>,
    #[serde(default)]
    pub neither: Vec<Value>,
    #[serde(default)]
    pub at: Option<Path>,
}

impl MappingDocument {
    pub(crate) fn parse(text: &str) -> Result<Self, MappingError> {
        // YAML 1.1 took a bare n, no, on for a boolean; here they are names.
        let options = serde_saphyr::options! { strict_booleans: true };
        let document: Self = serde_saphyr::from_str_with_options(text, options)
            .map_err(|e| MappingError::Document(e.to_string()))?;
        match document.version {
            1 => Ok(document),
            found => Err(MappingError::Version { found }),
        }
    }

    /// This document with what another one adds, replaces and removes.
    pub(crate) fn overridden_by(mut self, other: MappingDocument) -> Self {
        for (name, stream) in other.streams {
            match (self.streams.remove(&name), stream) {
                (_, None) => {}
                (Some(Some(base)), Some(over)) => {
                    self.streams.insert(name, Some(merge(base, over)));
                }
                (_, Some(new)) => {
                    self.streams.insert(name, Some(new));
                }
            }
        }
        self
    }
}

fn merge(
    mut base: Spanned<StreamDocument>,
    over: Spanned<StreamDocument>,
) -> Spanned<StreamDocument> {
    let stream = &mut base.value;
    if over.value.entity.is_some() {
        stream.entity = over.value.entity;
    }
    stream.create_requires.extend(over.value.create_requires);
    for (name, lens) in over.value.fields {
        match lens {
            Some(lens) => stream.fields.insert(name, Some(lens)),
            None => stream.fields.remove(&name),
        };
    }
    base
}
