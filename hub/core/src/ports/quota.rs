//! How much may be asked of a system: whose turn it is, what an answer tells, and
//! what hubs share.

use std::time::Duration;

use async_trait::async_trait;

use super::{HttpResponse, StoreError};
use crate::Timestamp;

/// Who waits for a request.  Each is a lane: a request goes before those of the
/// lanes behind it, and those are not left waiting for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// A person looks at a screen.
    Person,
    /// A system told of a change.
    Webhook,
    /// Changes since the last time.
    #[default]
    Incremental,
    /// Everything is read.
    Backfill,
}

impl Urgency {
    pub const ALL: [Urgency; 4] = [
        Urgency::Person,
        Urgency::Webhook,
        Urgency::Incremental,
        Urgency::Backfill,
    ];
}

/// Nothing may leave before this moment, which is too far away to wait for with
/// a call under way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}; the next request may leave at {until}")]
pub struct Busy {
    pub until: Timestamp,
    pub why: String,
}

/// The right to send one request.  It ends with the answer; one that is dropped
/// got none.
pub trait Permit: Send + Sync {
    /// Looks at the answer: a wait that the system asks for holds the class back,
    /// and what it tells of its limits is believed.
    fn answered(self: Box<Self>, response: &HttpResponse);
}

/// One connection's allowance, per class of the manifest.
#[async_trait]
pub trait Quota: Send + Sync {
    /// Waits until one request of this class may leave.
    async fn take(&self, class: &str) -> Result<Box<dyn Permit>, Busy>;
    /// Who waits for the requests from now on.
    fn hurry(&self, _urgency: Urgency) {}
}

/// What the hubs of one database take from a budget that they share: a day's
/// calls, or places on a line of time.  It changes by compare-and-set and not
/// behind the lease, and what a hub took and never used is lost with it, so hubs
/// take a little at a time.
#[async_trait]
pub trait Allowances: Send + Sync {
    /// Takes so many of a day's calls.  Gives how many of them are taken by now,
    /// these among them; none where there are not so many left, and then nothing
    /// is taken.
    async fn take_of_day(&self, want: &DayWish<'_>) -> Result<Option<u64>, StoreError>;
    /// Takes so much of the line of time as is needed, and gives where it begins:
    /// not before `now`, and behind everybody else's.
    async fn take_of_line(
        &self,
        budget: &str,
        now: Timestamp,
        span: Duration,
    ) -> Result<Timestamp, StoreError>;
    /// All budgets, in order of their names.
    async fn allowances(&self) -> Result<Vec<Allowance>, StoreError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayWish<'a> {
    pub budget: &'a str,
    /// Days since 1970.
    pub day: i64,
    pub calls: u64,
    /// So many were taken according to the vendor, which also knows of others.
    pub at_least: u64,
    pub limit: u64,
}

/// How far a budget is used up.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Allowance {
    /// `connection/3` or `app/hubspot/…`, and the class behind a blank.
    pub budget: String,
    pub day: i64,
    /// Calls taken of that day.
    pub used: u64,
    /// What the day had when they were taken.
    pub limit: u64,
}
