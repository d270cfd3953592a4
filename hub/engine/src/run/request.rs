//! What a run is asked to do.

use std::collections::BTreeSet;

use concord_core::Timestamp;
use concord_core::ports::Urgency;
use concord_sync::approve::FirstContact;
use serde::{Deserialize, Serialize};

/// What an operator asks a run to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Request {
    /// Only this connection is read and written; the others keep their debts.
    pub connection: Option<String>,
    /// Approve the first plan of the connections that wait for it.
    pub approve: bool,
    pub first_contact: FirstContact,
    /// Read everything, whatever changed.
    pub full: bool,
    /// Read and match, and write nothing.
    pub read_only: bool,
    /// Read only what webhooks named, and no connection besides theirs.
    pub only_hinted: bool,
    /// Nothing could run for a while before this.
    #[serde(default)]
    pub resumed: Option<Gap>,
    /// A person waits for it.
    pub urgent: bool,
    /// Only these connections are read and written, each in its directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
}

/// What of all that a schedule speaks of has its turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    pub read: BTreeSet<String>,
    pub write: BTreeSet<String>,
}

impl Chosen {
    pub fn is_empty(&self) -> bool {
        self.read.is_empty() && self.write.is_empty()
    }

    pub fn join(&mut self, other: Self) {
        self.read.extend(other.read);
        self.write.extend(other.write);
    }
}

impl Request {
    /// Whether the connection is asked what has changed.
    pub fn reads(&self, connection: &str) -> bool {
        let chosen = self.chosen.as_ref();
        self.is_named(connection) && chosen.is_none_or(|chosen| chosen.read.contains(connection))
    }

    /// Whether the connection is written to.
    pub fn writes(&self, connection: &str) -> bool {
        let chosen = self.chosen.as_ref();
        !self.read_only
            && self.is_named(connection)
            && chosen.is_none_or(|chosen| chosen.write.contains(connection))
    }

    fn is_named(&self, connection: &str) -> bool {
        let only = self.connection.as_ref();
        only.is_none_or(|name| name == connection)
    }

    pub(super) fn urgency(&self) -> Urgency {
        match (self.urgent, self.only_hinted) {
            (true, _) => Urgency::Person,
            (false, true) => Urgency::Webhook,
            (false, false) => Urgency::Incremental,
        }
    }
}

/// A time in which no run could be written down, so that the next one says why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub since: Timestamp,
    /// Runs that were tried in vain.
    pub tries: u32,
    pub reason: String,
}
