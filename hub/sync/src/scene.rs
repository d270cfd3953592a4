//! What every decision looks at besides the records themselves, as one value.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::manifest::Stream;
use concord_core::schema::MergeRule;
use concord_core::state::Origin;
use concord_core::{ConnectionId, FieldName, FieldSpec, Kind, Timestamp, Value};

use crate::lens::{Lens, References};
use crate::mapping::StreamMapping;
use crate::normal;

/// How conflicts are decided and when a fight is stopped.
#[derive(Clone, Debug)]
pub struct Rules {
    overrides: BTreeMap<(Kind, FieldName), MergeRule>,
    names: BTreeMap<ConnectionId, String>,
    /// How far two systems' clocks may be apart.
    pub skew: Duration,
    /// This many changes of one field within `fight_window` are a fight.
    pub fight_limit: u32,
    pub fight_window: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            overrides: BTreeMap::new(),
            names: BTreeMap::new(),
            skew: Duration::from_secs(2),
            fight_limit: 10,
            fight_window: Duration::from_secs(3600),
        }
    }
}

impl Rules {
    pub fn new(names: impl IntoIterator<Item = (ConnectionId, String)>) -> Self {
        Self {
            names: names.into_iter().collect(),
            ..Self::default()
        }
    }

    /// An admin's rule in place of the schema's default.
    pub fn set(&mut self, kind: Kind, field: FieldName, rule: MergeRule) {
        self.overrides.insert((kind, field), rule);
    }

    pub fn of<'a>(&'a self, kind: &Kind, spec: &'a FieldSpec) -> &'a MergeRule {
        self.overrides
            .get(&(kind.clone(), spec.name.clone()))
            .unwrap_or(&spec.merge)
    }

    /// Place of an origin in an `owner` list.  A person's decision at the hub
    /// stands before every system.
    pub(crate) fn rank(&self, owners: &[String], origin: &Origin) -> Option<usize> {
        match origin {
            Origin::Person(_) => Some(0),
            Origin::Connection(id) => {
                let name = self.names.get(id)?;
                owners
                    .iter()
                    .position(|owner| owner == name)
                    .map(|place| place + 1)
            }
        }
    }
}

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

impl Scene<'_> {
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
