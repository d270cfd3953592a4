//! What every decision looks at besides the records themselves, as one value.

use std::collections::BTreeMap;

use concord_core::manifest::Stream;
use concord_core::schema::MergeRule;
use concord_core::{ConnectionId, FieldName, FieldSpec, Timestamp, Value};

use crate::lens::{Lens, References};
use crate::mapping::StreamMapping;
use crate::normal;
pub use crate::rules::Rules;

/// The lens hashes of earlier mappings: `mapping hash → field → lens hash`.
/// A link names the mapping that its bases were made with.
pub type LensHistory = BTreeMap<String, BTreeMap<FieldName, String>>;

/// One stream of one connection at one moment.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub connection: ConnectionId,
    /// The connection's first plan was approved.
    pub approved: bool,
    pub mapping: &'a StreamMapping,
    pub stream: &'a Stream,
    pub refs: &'a dyn References,
    pub rules: &'a Rules,
    pub history: &'a LensHistory,
    pub now: Timestamp,
}

impl<'a> Scene<'a> {
    /// Who wins a conflict over this field that this stream brings up.
    pub fn rule(&self, spec: &'a FieldSpec) -> &'a MergeRule {
        let kind = &self.mapping.kind;
        self.rules
            .of(self.connection, &self.stream.name, kind, spec)
    }

    /// True where the bases of a field were made with another lens.
    pub(crate) fn lens_changed(&self, mapping_of_link: &str, lens: &Lens) -> bool {
        if mapping_of_link == self.mapping.hash {
            return false;
        }
        match self
            .history
            .get(mapping_of_link)
            .and_then(|lenses| lenses.get(&lens.field))
        {
            Some(hash) => *hash != lens.hash,
            None => true,
        }
    }
}

/// The fields of one entity that wait for a person.
#[derive(Clone, Debug, Default)]
pub struct Held {
    whole: bool,
    fields: Vec<FieldName>,
}

impl Held {
    pub fn of(holds: &[concord_core::state::Hold]) -> Self {
        let mut held = Self::default();
        for hold in holds {
            match &hold.field {
                None => held.whole = true,
                Some(field) => held.fields.push(field.clone()),
            }
        }
        held
    }

    pub fn holds(&self, field: &FieldName) -> bool {
        self.whole || self.fields.contains(field)
    }
}

/// Nothing is left of the value when it is normalised.
pub(crate) fn is_absent(spec: &FieldSpec, value: &Value) -> bool {
    value.is_null() || normal::normalise(spec, value).is_null()
}
