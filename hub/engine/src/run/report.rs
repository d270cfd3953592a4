//! What became of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Gap;
use crate::brake::Brake;
use crate::guard::Guarded;
use crate::matcher::Matched;
use crate::outbox::Sent;
use crate::page::PageCounts;
use crate::webhooks::Hinted;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    pub read: PageCounts,
    pub sent: Sent,
    /// How long it was read and written, in milliseconds.
    pub took_ms: u64,
    /// Why the stream's part of the run ended early.
    pub stopped: Option<String>,
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
