//! What the hub answers over HTTP.  Today that is the end of a sign-in, on
//! loopback.

pub mod callback;
