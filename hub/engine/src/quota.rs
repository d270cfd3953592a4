//! How much may be asked of a system, and who may ask first.
//!
//! Each class of a connection, or of an app whose connections share it, has a
//! [`class::Class`]: a line of those who wait, in lanes ([`line`]), and in front
//! of it a [`pace::Pace`] that says when the next request may leave: the rate
//! ([`bucket`]), the number at once, the waits that the system asked for
//! ([`wait`]), the points that requests cost.  What a vendor does not state is
//! found by trying ([`aimd`]); what its answers tell ([`told`]) is believed.  A
//! day's calls ([`day`]) and an app's rate ([`slots`]) are shared by all hubs of
//! one database.

mod aimd;
mod bucket;
mod class;
mod connection;
mod day;
mod line;
mod pace;
mod slots;
#[cfg(test)]
mod tests;
mod told;
mod wait;

pub use connection::{Budgets, ConnectionQuota, budget_of};
pub(crate) use wait::retry_after;
