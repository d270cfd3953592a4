//! Provider twins: stateful stand-ins for vendors' APIs, written from the
//! vendors' documentation and never from our connectors.
//!
//! A twin is a plain value: `handle` takes the time and a request and gives the
//! answer, so a simulation can call it without a socket.  The HTTP shell in
//! [`serve()`] is thin.  Everything below `/_twin/` is the control API, with
//! which a test acts as a person would at the vendor's own screen.

pub mod control;
pub mod http;
pub mod people;
pub mod serve;
mod tls;

use concord_core::Timestamp;

pub use http::{Request, Response};
pub use serve::{HttpsOptions, Running, ServeError, ServeOptions, serve};
pub use tls::CertificateError;

/// A vendor's API on state of its own.
pub trait Twin: Send {
    /// Answers one request at a moment that the caller chooses.
    fn handle(&mut self, now: Timestamp, request: Request) -> Response;
}
