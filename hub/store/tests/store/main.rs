//! The store through its port, on files of its own.

mod leases;
mod model;
mod opening;
mod round_trips;
mod rules;
mod sample;
