//! What a hostile plugin can do: nothing, to anybody but its own call.
//!
//! The guest is a real component in the real host, its requests go through the
//! hub's real client to real servers on loopback.

mod contained;
mod egress;
mod hurry;
mod loading;
mod rig;
mod secrets;
mod server;
