//! The store: everything a hub knows, in SQL.
//!
//! A changeset becomes a list of statements ([`tables`]), each one text for
//! every database with `$1 … $n` as placeholders and the tenant first
//! ([`statement`]); the list runs in one transaction ([`sqlite`]).  Nothing here
//! reads a clock, and the database never looks into a document.
//!
//! sqlx is used in this crate and nowhere else.

mod cells;
mod counts;
mod dialect;
mod document;
mod error;
mod row;
mod schema;
mod sqlite;
mod statement;
mod store;
mod tables;

pub use error::OpenFault;
pub use sqlite::StoreOptions;
pub use store::SqliteStore;
