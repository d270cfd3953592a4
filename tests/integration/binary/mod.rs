//! The program as a user runs it, against twins on loopback.

pub mod account;
mod alerts;
mod bad_input;
mod brake;
mod doctor;
pub mod kill;
mod log;
mod metrics;
mod moving;
pub mod office;
pub mod program;
mod recorder;
mod sealed;
mod server_gone;
mod serving;
pub mod sign_in;
mod stopped;
mod traces;
mod turns;
mod webhooks;
