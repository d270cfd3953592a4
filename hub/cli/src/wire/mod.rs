//! Puts the parts together: the configuration, the plugins and the database
//! become a [`concord_engine::Hub`].

pub mod alerts;
pub mod apply;
pub mod archive;
pub mod blueprint;
pub mod clocks;
pub mod config;
pub mod fixtures;
pub mod flight;
pub mod hooks;
pub mod hub;
pub mod key;
pub mod lease;
pub mod plugins;
pub mod problem;
pub mod recording;
pub mod right;
pub mod rules;
pub mod seal;
pub mod secrets;
pub mod sign_in;
pub mod store;
pub mod subscriptions;
mod unusable;
pub mod vault;
mod way_out;
mod while_claimed;

pub use problem::Problems;
pub mod wishes;
