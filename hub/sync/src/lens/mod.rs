//! Lenses: one declarative rule each, canonical field ⇄ remote field, usable
//! both ways.
//!
//! A lens keeps two laws, up to normalisation and the declared rewriting:
//! putting back what was got changes nothing (get-put), and getting after a put
//! gives the value that was put (put-get).  `mapping::laws` checks them.

mod code;
mod consent;
mod group;
mod list;
mod name;
mod path;
mod place;
mod reference;
mod rewrite;
mod scalar;
mod set;
mod template;
mod time;

use std::borrow::Cow;

use concord_core::{Entity, EntityId, FieldName, FieldSpec, Fields, RemoteId, StreamName, Value};
use serde::{Deserialize, Serialize};

pub use code::{CountryForm, LanguageForm};
pub use consent::ConsentCodec;
pub use group::{GroupCodec, Part};
pub use list::Element;
pub use name::{NamePart, NameSplit};
pub use path::Path;
pub use place::Place;
pub use reference::{ReferenceCodec, ReferenceForm};
pub use rewrite::Rewrite;
pub use scalar::{BooleanWords, DecimalCodec, DecimalForm, EnumCodec, Scalar};
pub use set::SetCodec;
pub use template::Template;
pub use time::{DateForm, TimestampCodec, TimestampForm};

use crate::normal;

/// Values of a record by canonical field; `Null` where there is none.
pub trait Values {
    fn value(&self, field: &str) -> &Value;
}

impl Values for Entity {
    fn value(&self, field: &str) -> &Value {
        Entity::value(self, field)
    }
}

impl Values for Fields {
    fn value(&self, field: &str) -> &Value {
        self.get(field).unwrap_or(&Value::Null)
    }
}

/// How a remote id of another stream of the same connection and its entity are
/// found from each other, through the links.
pub trait References {
    fn entity_of(&self, stream: &str, remote_id: &str) -> Option<EntityId>;
    fn remote_of(&self, stream: &str, entity: &EntityId) -> Option<RemoteId>;
}

/// Which way values may go through a lens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LensDirection {
    #[default]
    Both,
    /// From the system only.
    Read,
    /// To the system only.
    Write,
}

/// Why a value cannot go through a lens.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LensFault {
    #[error(
        "field '{field}' refers to record '{id}' of stream '{stream}', which is not linked yet; \
         it is tried again when that record has been read"
    )]
    Waits {
        field: FieldName,
        stream: StreamName,
        id: RemoteId,
    },
    #[error(
        "field '{field}' refers to {entity}, which has no record in stream '{stream}' yet; \
         it is tried again when that record has been created"
    )]
    WaitsForEntity {
        field: FieldName,
        stream: StreamName,
        entity: EntityId,
    },
    #[error("field '{field}' cannot take {value}: {reason}")]
    Unfit {
        field: FieldName,
        value: Value,
        reason: String,
    },
}

/// Why a value cannot go through a codec; the lens adds the name of its field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    Waits {
        stream: StreamName,
        id: RemoteId,
    },
    WaitsForEntity {
        stream: StreamName,
        entity: EntityId,
    },
    Unfit {
        value: Value,
        reason: String,
    },
}

impl Refusal {
    pub(crate) fn unfit(value: &Value, reason: impl Into<String>) -> Self {
        Refusal::Unfit {
            value: value.clone(),
            reason: reason.into(),
        }
    }

    fn of(self, field: &FieldName) -> LensFault {
        let field = field.clone();
        match self {
            Refusal::Waits { stream, id } => LensFault::Waits { field, stream, id },
            Refusal::WaitsForEntity { stream, entity } => LensFault::WaitsForEntity {
                field,
                stream,
                entity,
            },
            Refusal::Unfit { value, reason } => LensFault::Unfit {
                field,
                value,
                reason,
            },
        }
    }
}

/// What a lens does with what it finds at its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    Scalar(Scalar),
    Set(SetCodec),
    Group(GroupCodec),
    Split(NameSplit),
    Reference(ReferenceCodec),
    Consent(ConsentCodec),
    Constant(Value),
    Computed(Template),
}

/// One compiled mapping rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Lens {
    pub field: FieldName,
    pub spec: FieldSpec,
    pub direction: LensDirection,
    /// Stable over runs; another lens or normaliser has another hash.
    pub hash: String,
    pub(crate) place: Place,
    pub(crate) rule: Rule,
    pub(crate) rewrites: Vec<Rewrite>,
    pub(crate) remote_fields: Vec<String>,
}

/// What a rule may look at besides the value itself.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub field: &'a FieldName,
    pub spec: &'a FieldSpec,
    pub canonical: &'a dyn Values,
    pub refs: &'a dyn References,
    pub rewrites: &'a [Rewrite],
}

impl Lens {
    /// True where the remote field was read at all.  A lens of several remote
    /// fields is present when all of them are.
    pub fn is_present(&self, raw: &Fields) -> bool {
        match &self.rule {
            // Its time stamp may be missing: the consent is then undated.
            Rule::Consent(_) => self.place.top().is_some_and(|name| raw.contains_key(name)),
            _ => self.remote_fields.iter().all(|name| raw.contains_key(name)),
        }
    }

    /// The top-level remote fields that this lens reads or writes, sorted.
    pub fn remote_fields(&self) -> &[String] {
        &self.remote_fields
    }

    /// The top-level remote fields that this lens changes.
    pub fn written_fields(&self) -> impl Iterator<Item = &str> {
        let read_only = match &self.rule {
            Rule::Consent(consent) => consent.at.as_ref(),
            Rule::Scalar(scalar) => scalar.currency(),
            _ => None,
        };
        let written = if self.writes() {
            self.remote_fields.as_slice()
        } else {
            &[]
        };
        let own = self.place.top();
        written
            .iter()
            .map(String::as_str)
            .filter(move |name| Some(*name) == own || read_only.is_none_or(|r| r.first() != *name))
    }

    /// True where what this lens reads hangs on what the other writes: the
    /// halves of a name, an amount and its currency.
    pub(crate) fn shares_place_with(&self, other: &Lens) -> bool {
        let currency = match &self.rule {
            Rule::Scalar(scalar) => scalar.currency(),
            _ => None,
        };
        self.place == other.place && self.place != Place::Record
            || currency.is_some_and(|path| other.place == Place::Path(path.clone()))
    }

    pub fn reads(&self) -> bool {
        self.direction != LensDirection::Write
    }

    pub fn writes(&self) -> bool {
        self.direction != LensDirection::Read
    }

    /// The stream and id of the record that a reference names, so that the links
    /// of a whole page can be read in one look-up.
    pub fn referred<'a>(&'a self, raw: &Fields) -> Option<(&'a StreamName, RemoteId)> {
        let Rule::Reference(reference) = &self.rule else {
            return None;
        };
        match self.place.get(raw) {
            Value::String(id) if !id.is_empty() => Some((&reference.stream, RemoteId::new(id))),
            Value::Number(id) => Some((&reference.stream, RemoteId::from(id.to_string()))),
            _ => None,
        }
    }

    /// The stream whose records a reference names.
    pub fn refers_to(&self) -> Option<&StreamName> {
        match &self.rule {
            Rule::Reference(reference) => Some(&reference.stream),
            _ => None,
        }
    }

    /// The value that the system should hold: the canonical value, or for a
    /// constant or computed lens what it makes.  Comparing it with `sent` shows
    /// the debt of any writable lens.
    pub fn wanted<'a>(&'a self, canonical: &'a dyn Values) -> Cow<'a, Value> {
        match &self.rule {
            Rule::Constant(value) => Cow::Borrowed(value),
            Rule::Computed(template) => Cow::Owned(template.fill(canonical)),
            _ => Cow::Borrowed(canonical.value(self.field.as_str())),
        }
    }

    /// Reads the canonical value.  "", null and empty lists give `Null`.
    ///
    /// `canonical` is the canonical record as it is now: a lens whose remote
    /// side holds less than the canonical one (a name in one field, a birthday
    /// without year) keeps from there what the system cannot know.
    pub fn get(
        &self,
        raw: &Fields,
        canonical: &dyn Values,
        refs: &dyn References,
    ) -> Result<Value, LensFault> {
        let context = self.context(canonical, refs);
        self.read(raw, &context).map_err(|r| r.of(&self.field))
    }

    /// Writes into `raw`, a working copy of the remote record, what is to be
    /// sent.  Other list elements and members are kept; `Null` empties.  Where
    /// the copy holds the value already, however it is spelt, it is left alone.
    pub fn put(
        &self,
        value: &Value,
        raw: &mut Fields,
        canonical: &dyn Values,
        refs: &dyn References,
    ) -> Result<(), LensFault> {
        let context = self.context(canonical, refs);
        // Half a name says nothing of the whole; the join compares itself.
        let is_half = matches!(self.rule, Rule::Split(_));
        if self.reads() && !is_half && self.is_present(raw) {
            let held = self.read(raw, &context);
            if held.is_ok_and(|held| normal::same(&self.spec, &held, value)) {
                return Ok(());
            }
        }
        self.write(value, raw, &context)
            .map_err(|r| r.of(&self.field))
    }

    /// Applies the declared rewriting, so that `raw` holds what the system will
    /// have stored.
    pub fn predict(&self, raw: &mut Fields) {
        match &self.rule {
            Rule::Group(group) => {
                if let Some(members) = self.place.members_mut(raw) {
                    group.predict(members);
                }
            }
            _ if self.rewrites.is_empty() => {}
            Rule::Set(set) => {
                if let Some(slot) = self.place.get_mut(raw) {
                    set.each_text(slot, |value| Rewrite::apply_all(&self.rewrites, value));
                }
            }
            _ => {
                if let Some(slot) = self.place.get_mut(raw) {
                    Rewrite::apply_all(&self.rewrites, slot);
                }
            }
        }
    }

    /// A canonical value with what the declared rewriting leaves of it.
    pub(crate) fn rewritten(&self, value: &Value) -> Value {
        let mut rewritten = value.clone();
        Rewrite::apply_all(&self.rewrites, &mut rewritten);
        rewritten
    }

    fn context<'a>(&'a self, canonical: &'a dyn Values, refs: &'a dyn References) -> Context<'a> {
        Context {
            field: &self.field,
            spec: &self.spec,
            canonical,
            refs,
            rewrites: &self.rewrites,
        }
    }

    fn read(&self, raw: &Fields, context: &Context<'_>) -> Result<Value, Refusal> {
        if let Rule::Group(group) = &self.rule {
            return match self.place.members(raw) {
                Some(members) => group.get(members, context),
                None => Ok(Value::Null),
            };
        }
        let slot = self.place.get(raw);
        match &self.rule {
            Rule::Consent(consent) => consent.get(slot, raw),
            Rule::Constant(_) | Rule::Computed(_) => Ok(Value::Null),
            _ if is_empty(slot) => Ok(Value::Null),
            Rule::Scalar(scalar) => scalar.get(
                slot,
                raw,
                context.spec,
                context.canonical.value(self.field.as_str()),
            ),
            Rule::Set(set) => set.get(slot, context.spec),
            Rule::Split(split) => split.get(slot, context),
            Rule::Reference(reference) => reference.get(slot, context),
            Rule::Group(_) => Ok(Value::Null),
        }
    }

    fn write(&self, value: &Value, raw: &mut Fields, context: &Context<'_>) -> Result<(), Refusal> {
        match &self.rule {
            Rule::Group(group) => {
                if value.is_null() && self.place.remove_element(raw) {
                    return Ok(());
                }
                group.put(value, self.place.members_for_writing(raw)?, context)
            }
            Rule::Set(set) => {
                let made = set.put(value, self.place.get(raw), context)?;
                self.place.set(raw, made)
            }
            Rule::Split(split) => {
                let made = split.put(value, self.place.get(raw), context);
                self.place.set(raw, made)
            }
            Rule::Consent(consent) => match consent.put(value, self.place.get(raw))? {
                Some(status) => self.place.set(raw, status),
                None => Ok(()),
            },
            Rule::Scalar(_) | Rule::Reference(_) if value.is_null() => {
                self.place.set(raw, Value::Null)
            }
            Rule::Scalar(scalar) => {
                let made = scalar.put(value, raw, context.spec, context.rewrites)?;
                self.place.set(raw, made)
            }
            Rule::Reference(reference) => {
                let made = reference.put(value, context)?;
                self.place.set(raw, made)
            }
            Rule::Constant(_) | Rule::Computed(_) => self.place.set(raw, value.clone()),
        }
    }
}

/// What every system means by an empty field.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
