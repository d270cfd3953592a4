//! What the author of a connector imports.
//!
//! A connector is a pure translator: it gets a [`Host`] and turns calls of the
//! contract into requests of one system's API.  It has no sockets, clock,
//! randomness or credentials.
//!
//! ```ignore
//! use concord_sdk::prelude::*;
//!
//! pub struct Toy;
//!
//! impl Connector for Toy { /* six functions */ }
//!
//! concord_sdk::export!(Toy, manifest = "../manifest.toml");
//! ```
//!
//! The same code compiles natively, so a connector's tests run against
//! [`testing::FakeHost`] without any WASM.  The crate is built as
//! `crate-type = ["cdylib", "rlib"]`.

// The generated bindings name this crate from the outside.
#[allow(unused_extern_crates)]
extern crate self as concord_sdk;

#[doc(hidden)]
pub mod bindings;
pub mod cursor;
mod export;
pub mod fault;
pub mod host;
pub mod http;
pub mod record;
pub mod testing;
pub mod time;

#[doc(hidden)]
pub use export::Exported;
#[doc(hidden)]
pub use wit_bindgen::rt as __runtime;

pub use bindings::concord::connector::host::{HttpError, Level, Request, Response};
pub use bindings::concord::connector::types::{
    Absence, Action, Applied, Change, Delay, Description, Fault, FieldFault, FieldInfo, FieldType,
    Gone, Malformed, Op, Outcome, Page, PullMode, RemoteRecord, Selection, StreamInfo, TimeWindow,
};
pub use bindings::webhooks::exports::concord::connector::webhooks::{Hint, RawRequest};
pub use host::Host;
pub use serde_json::Value;

/// The fields of a record by name.
pub type Fields = serde_json::Map<String, Value>;

/// One system's connector.  Every call is stateless: the next one may run on a
/// fresh instance, so what must be remembered between pages is in the cursor.
pub trait Connector {
    /// Tries the credentials and reads the account.
    fn check(host: &dyn Host) -> Result<Description, Fault>;

    /// The streams and fields of this account, custom ones included.
    fn discover(host: &dyn Host) -> Result<Vec<StreamInfo>, Fault>;

    /// One page of a stream.
    fn pull(
        host: &dyn Host,
        stream: &str,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault>;

    /// These records as they are now; an id that cannot be seen is `Gone`.
    fn fetch(
        host: &dyn Host,
        stream: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault>;

    /// The records that hold exactly these values.
    fn find(
        host: &dyn Host,
        stream: &str,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault>;

    /// One outcome per op, in the same order.
    fn push(host: &dyn Host, stream: &str, ops: &[Op]) -> Result<Vec<Outcome>, Fault>;
}

/// Subscriptions and the reading of what they deliver, for systems that have
/// them.
pub trait Webhooks {
    /// Subscribes and returns the subscription's id.
    fn register(host: &dyn Host, callback_url: &str) -> Result<String, Fault>;

    fn unregister(host: &dyn Host, subscription: &str) -> Result<(), Fault>;

    /// Who changed, as far as the delivery says.  The host has checked the
    /// signature already.
    fn parse(host: &dyn Host, request: &RawRequest) -> Result<Vec<Hint>, Fault>;
}

/// Everything a connector commonly names.
pub mod prelude {
    pub use crate::{
        Absence, Action, Applied, Change, Connector, Delay, Description, Fault, FieldFault,
        FieldInfo, FieldType, Fields, Gone, Hint, Host, HttpError, Level, Malformed, Op, Outcome,
        Page, PullMode, RawRequest, RemoteRecord, Request, Response, Selection, StreamInfo,
        TimeWindow, Value, Webhooks, cursor, http, time,
    };
}
