//! The program as a user runs it, against twins on loopback.

mod account;
mod bad_input;
pub mod kill;
mod office;
mod program;
