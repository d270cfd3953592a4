//! The way out of the hub.
//!
//! One HTTP client per connection, so that a pooled socket never serves two
//! policies, over one shared TLS configuration.  A request is checked when its
//! URL is known, again at each redirect, at each address that its name resolves
//! to, and at the address that really answered.

mod address;
mod client;
mod collector;
mod error;
mod loopback;
mod mail;
mod observed;
mod policy;
mod proxy;
mod redirect;
mod resolver;
mod tls;

pub use address::{AddressClass, classify};
pub use client::ConnectionHttp;
pub use collector::CollectorHttp;
pub use error::NetError;
pub use loopback::LoopbackHttp;
pub use mail::{Mail, MailError, MailOptions};
pub use observed::ObservedHttp;
pub use policy::{EgressPolicy, HostRule};
pub use proxy::Proxy;
pub use tls::Tls;
