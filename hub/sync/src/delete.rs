//! Whether a delete at one system is carried to the others (design.md §5,
//! "Delete").
//!
//! Only what everybody had agreed on is deleted.  Where a canonical value is not
//! what was last agreed on with every system, the one that deleted the record
//! included, somebody has changed the record since: that is a conflict, and the
//! entity lives on without the system that deleted it.

use concord_core::FieldName;
use concord_core::state::{Entity, Link};
use serde::{Deserialize, Serialize};

use crate::emit::{is_unread, owed};
use crate::normal;
use crate::scene::{Held, Scene};

/// What becomes of the other systems' records when this connection's is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteMode {
    /// They stay; only the link is gone.
    #[default]
    Unlink,
    /// They are deleted where that can be undone at the system.
    Archive,
    /// They are deleted.
    Propagate,
}

impl DeleteMode {
    pub fn spreads(self) -> bool {
        self != DeleteMode::Unlink
    }

    /// Whether a record of this stream is deleted for it.
    pub fn reaches(self, stream: &concord_core::manifest::Stream) -> bool {
        match self {
            DeleteMode::Unlink => false,
            DeleteMode::Archive => stream.delete && stream.soft_delete,
            DeleteMode::Propagate => stream.delete,
        }
    }
}

/// Fields that are not what was last agreed on with the system that deleted the
/// record.  It may only have been read, so every field that it said counts.
pub fn changed_since(entity: &Entity, deleted: &Link, scene: &Scene<'_>) -> Vec<FieldName> {
    let lenses = scene.mapping.lenses.iter();
    let differs = lenses.filter(|lens| {
        let sent = deleted.sent.get(lens.field.as_str());
        sent.is_some_and(|sent| !normal::same(&lens.spec, &lens.wanted(entity), sent))
    });
    differs.map(|lens| lens.field.clone()).collect()
}

/// Fields that a system which still has the record is owed, or that wait for a
/// person, or in which it holds what nobody could understand.
pub fn unsettled(entity: &Entity, link: &Link, held: &Held, scene: &Scene<'_>) -> Vec<FieldName> {
    let lenses = scene.mapping.lenses.iter();
    let held = lenses
        .filter(|lens| held.holds(&lens.field) || is_unread(lens, link))
        .map(|lens| lens.field.clone());
    let mut fields: Vec<FieldName> = match scene.stream.update {
        true => owed(entity, link, scene)
            .map(|lens| lens.field.clone())
            .chain(held)
            .collect(),
        false => held.collect(),
    };
    fields.sort();
    fields.dedup();
    fields
}
