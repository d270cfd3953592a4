//! The suite that every connector passes.
//!
//! A connector is judged by what it does, not by what it is made of: the suite
//! talks to any [`concord_core::ports::Connector`] and compares its behaviour
//! with its own manifest and with the contract.  What a person would do at the
//! system, and what the system really holds, comes from a [`Bed`].
//!
//! A check that the bed makes impossible is reported as not exercised.  It
//! never counts as passed.

mod bed;
mod checks;
mod report;
mod suite;

pub use bed::{Bed, Trouble, Unable};
pub use report::{Line, Report, Verdict};

/// Runs every check on the bed's stream, one after the other.
pub async fn run(bed: &dyn Bed) -> Report {
    checks::run(bed).await
}
