//! The store: everything a hub knows, in SQL.
//!
//! A changeset becomes a list of statements ([`tables`]), each one text for
//! every database with `$1 … $n` as placeholders and the tenant first
//! ([`statement`]); the list runs in one transaction, on a SQLite file
//! ([`sqlite`]) or a PostgreSQL server ([`postgres`]), which differ in what
//! [`dialect`] says and nothing else.  Nothing here reads a clock, and the
//! database never looks into a document.
//!
//! sqlx is used in this crate and nowhere else.

mod allowances;
mod archive;
mod cells;
mod counts;
mod deliveries;
mod dialect;
mod document;
mod driver;
mod error;
mod fold;
mod place;
mod postgres;
#[cfg(test)]
mod released;
mod row;
mod schema;
mod secrets;
mod shape;
mod sqlite;
mod statement;
mod store;
mod tables;

pub use archive::{ArchiveError, Contents};
pub use error::OpenFault;
pub use place::{Place, Server};
pub use postgres::distribute::{Spread, distribute};
pub use postgres::setup::set_up;
pub use sqlite::StoreOptions;
pub use store::SqlStore;
/// The name that it had before there was a second database.
pub use store::SqlStore as SqliteStore;
