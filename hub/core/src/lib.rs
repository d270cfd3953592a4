//! Types and ports of Concord.
//!
//! Everything here is a plain value or a trait.  There is no async runtime, no
//! SQL, no HTTP and no WASM in this crate, so that every other crate can depend
//! on it and a test can put anything behind a port.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | system | a third-party product; a *connector* is our component for it, a *connection* one configured account |
//! | stream | one kind of object in a system |
//! | remote record | what a system holds, with its remote id and version |
//! | entity | one canonical record |
//! | link | the tie between one remote record and one entity |
//! | `sent`, `stored` | per mapped field of a link: the canonical value last in agreement; what the system really holds |
//! | lens | one mapping rule, usable both ways |
//! | observation, plan, intent, outcome | what we saw; what we would do; one planned write, durable before it is sent; what came back |
//! | conflict, hold | both sides changed since the base; a field or record that waits for a person |

pub mod alert;
pub mod chance;
pub mod changeset;
pub mod fault;
pub mod manifest;
pub mod names;
pub mod ports;
pub mod record;
pub mod schema;
pub mod secret;
pub mod state;
pub mod time;
pub mod webhook;

pub use changeset::Changeset;
pub use fault::{Fault, FieldFault};
pub use manifest::Manifest;
pub use names::{
    ConnectionId, EntityId, FieldName, IntentId, Kind, RemoteId, RunId, StreamName, TenantId,
};
pub use record::{Absence, Change, Op, Outcome, Page, RemoteRecord, Selection};
pub use schema::{EntitySchema, FieldSpec};
pub use state::{Entity, Intent, Link};
pub use time::Timestamp;

/// A canonical or remote value.  Decimals, dates and timestamps are text;
/// `Null` means empty.  Objects are sorted by key, so equal values have equal
/// text.
pub type Value = serde_json::Value;

/// The fields of one record or entity by name.
pub type Fields = serde_json::Map<String, Value>;
