//! Runs connectors as WASM components.
//!
//! A connector is untrusted code.  It gets a fresh instance for each call, four
//! host functions and nothing else: no sockets, files, clock, randomness or
//! credentials.  What it asks for is checked here, what it answers is checked
//! here, and whatever it does wrong becomes a [`concord_core::Fault`] that names
//! the plugin, its version and what happened.
//!
//! - [`Host`] compiles components, or finds them compiled in its cache.
//! - [`Plugin`] is one loaded component with its manifest.
//! - [`WasmConnector`] is a plugin tied to one connection: it is what the engine
//!   knows as the port `Connector`.

mod bindings;
mod cache;
mod call;
mod connector;
mod convert;
mod error;
mod gate;
mod host;
mod inspect;
mod limits;
mod redact;
mod walk;

pub use connector::{Runtime, WasmConnector};
pub use error::HostError;
pub use host::{Host, HostOptions, Plugin};
pub use inspect::{Inspected, inspect_file};
pub use limits::Limits;
pub use redact::Redactor;
