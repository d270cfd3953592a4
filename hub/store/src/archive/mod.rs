//! A tenant's records as a stream of rows that any of the databases gives and
//! takes: a backup, a restore, and a move from one database to another.
//!
//! A backup is text, a line each:
//!
//! ```text
//! {"concord":"backup","format":1,"schema":2,"version":"0.1.0","made":"2026-11-22T10:00:00Z"}
//! {"table":"entities","columns":["kind","number",…]}
//! ["person",1,…]
//! {"end":"entities","rows":1,"blake3":"…"}
//! …
//! {"end":"backup","rows":1,"blake3":"…"}
//! ```
//!
//! A table's checksum is of the lines of its rows, the last one of every line
//! before it.  Neither the tenant nor the leases are in it: a restored database
//! is written to by nobody yet.  What the stream is packed and sealed in is the
//! caller's.

mod aftermath;
mod copy;
mod dump;
mod load;
mod read;
mod text;

use std::io;

use concord_core::Timestamp;
use concord_core::ports::StoreError;
use serde::{Deserialize, Serialize};

use crate::shape::{self, Shape};
use crate::statement::Param;

/// What a backup says of itself, and how much it holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contents {
    /// The program that made it, and when.
    pub version: String,
    pub made: Timestamp,
    /// The schema that it was made from.
    pub schema: i64,
    /// Rows by table.
    pub tables: Vec<(String, u64)>,
}

impl Contents {
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("this is no backup of Concord: name the right file")]
    Foreign,
    #[error(
        "the backup was made by a newer Concord ({what} {found}, this one knows {known}): \
         use that version or a newer one"
    )]
    Newer {
        what: &'static str,
        found: i64,
        known: i64,
    },
    #[error("the backup ends too early, after line {line}: use another copy of it")]
    CutShort { line: u64 },
    #[error("the backup is damaged at line {line} ({problem}): use another copy of it")]
    Damaged { line: u64, problem: String },
    #[error(
        "there is something in the database already (in {table}), and a restore overwrites \
         nothing: name a new database"
    )]
    NotEmpty { table: &'static str },
    #[error("the copy does not agree with what was copied ({table}), nothing was kept: run again")]
    Differs { table: String },
    #[error(
        "the other database did not say whether it has kept the rows, so no sync starts from this \
         one now ({problem}): run the same command again, which finds out"
    )]
    Unanswered { problem: String },
    #[error("the backup cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("the backup cannot be written: {0}")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The only form of the text so far.
const FORMAT: i64 = 1;

/// Rows that travel together.
const CHUNK: usize = 100;

/// One row's values in the order of the named columns.
type Row = Vec<Param>;

/// Takes the rows of one table after another.
trait Sink {
    /// The next rows are of these columns of this table.
    async fn table(&mut self, table: &'static Shape, columns: &[usize])
    -> Result<(), ArchiveError>;
    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), ArchiveError>;
    /// The table's rows have all come.
    async fn end(&mut self) -> Result<(), ArchiveError>;
}

/// Who may write to a database is no record of the tenant's.
const NOT_KEPT: &str = "leases";

fn kept() -> impl Iterator<Item = &'static Shape> {
    shape::all().iter().filter(|shape| shape.name != NOT_KEPT)
}

#[derive(Serialize, Deserialize)]
struct Header {
    concord: String,
    format: i64,
    schema: i64,
    version: String,
    made: String,
}

#[derive(Serialize, Deserialize)]
struct Begin<'a> {
    table: &'a str,
    columns: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct End<'a> {
    end: &'a str,
    rows: u64,
    blake3: String,
}
