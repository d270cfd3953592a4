//! What a run is asked to do, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use concord_core::Timestamp;
use concord_core::ports::Urgency;
use concord_sync::approve::FirstContact;
use serde::{Deserialize, Serialize};

use crate::brake::Brake;
use crate::guard::Guarded;
use crate::matcher::Matched;
use crate::outbox::Sent;
use crate::page::PageCounts;
use crate::webhooks::Hinted;

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
}

impl Request {
    pub(super) fn urgency(&self) -> Urgency {
        match (self.urgent, self.only_hinted) {
            (true, _) => Urgency::Person,
            (false, true) => Urgency::Webhook,
            (false, false) => Urgency::Incremental,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    pub read: PageCounts,
    pub sent: Sent,
    /// How long it was read and written, in milliseconds.
    pub took_ms: u64,
    /// Why the stream's part of the run ended early.
    pub stopped: Option<String>,
}

/// A time in which no run could be written down, so that the next one says why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub since: Timestamp,
    /// Runs that were tried in vain.
    pub tries: u32,
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub run: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Gap>,
    /// By `connection/stream`.
    pub streams: BTreeMap<String, StreamReport>,
    /// What webhooks led to, by connection.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hinted: BTreeMap<String, Hinted>,
    pub matched: BTreeMap<String, Matched>,
    pub approved: Vec<String>,
    /// Connections whose first plan waits for approval.
    pub waits_for_approval: Vec<String>,
    /// Connections that a guard kept from being written to.
    pub guarded: Vec<Guarded>,
    /// Nothing was written from here on, since an operator stopped all writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes_stopped: Option<Brake>,
    /// Writes whose outcome is not known yet.
    pub open: u64,
}

impl Report {
    pub fn writes(&self) -> u64 {
        self.streams
            .values()
            .map(|s| s.sent.created + s.sent.updated + s.sent.deleted)
            .sum()
    }

    pub fn failed(&self) -> bool {
        self.streams.values().any(|stream| stream.stopped.is_some())
    }
}

impl StreamReport {
    pub(super) fn took(&mut self, span: Duration) {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.took_ms = self.took_ms.saturating_add(span);
    }
}
