//! The store through its port, on files of its own and on a server.
#![allow(
    clippy::unwrap_used,
    clippy::field_reassign_with_default,
    reason = "helpers of tests are tests; a changeset reads best filled part by part"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "a test of the port is written once and stands on every database"
)]

mod bases;
mod opening;
mod postgres;
mod sample;
mod server;
mod sqlite;
