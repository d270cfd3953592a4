//! The one integration binary.  Each module is a layer of tests; see
//! docs/ARCHITECTURE.md for what belongs where.

// All of this is a test; clippy only knows the functions that are marked so.
#![allow(clippy::unwrap_used)]
// A story is written once and stands on every database.
#![allow(clippy::duplicate_mod)]

mod binary;
mod clients;
mod conformance;
mod hostile;
mod house;
mod long;
mod parts;
mod postgres;
mod readme;
mod real;
mod soak;
mod sqlite;
mod venv;
mod world;
