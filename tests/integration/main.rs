//! The one integration binary.  Each module is a layer of tests; see
//! docs/ARCHITECTURE.md for what belongs where.

// All of this is a test; clippy only knows the functions that are marked so.
#![allow(clippy::unwrap_used)]

mod binary;
mod clients;
mod conformance;
mod hostile;
mod house;
mod long;
mod parts;
mod readme;
mod real;
mod stories;
mod venv;
mod world;
