//! The store through its port, on files of its own.
#![allow(
    clippy::unwrap_used,
    clippy::field_reassign_with_default,
    reason = "helpers of tests are tests; a changeset reads best filled part by part"
)]

mod finding;
mod leases;
mod model;
mod opening;
mod round_trips;
mod rules;
mod sample;
