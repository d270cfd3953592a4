//! What can go wrong with the database, sorted by what the user can do.

use std::path::{Path, PathBuf};

use concord_core::ports::StoreError;

/// Why a database cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    #[error("there is no database at {path}: run `concord init` first, or name the right file", path = .0.display())]
    Missing(PathBuf),
    #[error("{path} cannot be created or opened: {error}", path = .path.display())]
    File {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("{path} is not a database of Concord: name the right file", path = .0.display())]
    Foreign(PathBuf),
    #[error(
        "the schema is version {found} and this Concord wants {known}: \
         run a command that writes once, it brings the schema up to date"
    )]
    Older { found: i64, known: i64 },
    #[error(
        "step {version} of the schema is not the one that this Concord knows: \
         restore the file from a backup, or use the version that wrote it"
    )]
    Drifted { version: i64 },
    #[error("this command opened the database for reading only")]
    ReadOnly,
    #[error("the address of the database is not understood: {problem}")]
    Url { problem: String },
    #[error(
        "{server} holds no schema of Concord: run `concord db setup` with the address of the \
         role that owns the database"
    )]
    NotSetUp { server: String },
    #[error(
        "the schema at {server} is version {found} and this Concord wants {known}: \
         run `concord db setup` with the address of the role that owns the database"
    )]
    OlderServer {
        server: String,
        found: i64,
        known: i64,
    },
    #[error(
        "the role {role} {power}, so one tenant could read another's records: give the hub a role \
         of its own that owns nothing; `concord db setup` makes it"
    )]
    TooPowerful { role: String, power: &'static str },
    #[error(
        "owner and hub are the same role, {role}: the hub's role must own nothing, give it \
         another name"
    )]
    SameRole { role: String },
    #[error(
        "there is no role {role} on the server, and its address carries no password to make it \
         with: add one, or make the role"
    )]
    NoRole { role: String },
    #[error(
        "the PostgreSQL server cannot be reached or does not answer ({0}): see that it runs and \
         run again; a step that was under way is whole or absent, and the next run finds out which"
    )]
    Unreachable(#[source] sqlx::Error),
    #[error(
        "{server} has no Citus, and without it tables cannot be spread over several machines: \
         install the extension on the server, run `CREATE EXTENSION citus` in this database as \
         its administrator, and run this again (docs/scale.md says when it is worth it)"
    )]
    NoCitus { server: String },
    #[error("the PostgreSQL server does not let this role in ({0}): look at role and password")]
    Refused(#[source] sqlx::Error),
    #[error(
        "the disk did not take or give what the database asked of it, nothing of this step was \
         written: look at the disk, then run again ({0})"
    )]
    Disk(#[source] sqlx::Error),
}

impl From<OpenFault> for StoreError {
    fn from(fault: OpenFault) -> Self {
        StoreError::Failed(Box::new(fault))
    }
}

/// Sorts an error of PostgreSQL.
pub(crate) fn failed_there(error: sqlx::Error) -> StoreError {
    if is_away(&error) || matches!(error, sqlx::Error::PoolTimedOut) {
        return OpenFault::Unreachable(error).into();
    }
    match sql_state(&error).as_deref() {
        Some("53100") => StoreError::Full,
        Some("28000" | "28P01" | "42501" | "3D000") => OpenFault::Refused(error).into(),
        _ => StoreError::Failed(Box::new(error)),
    }
}

/// True where the server is not there, starts, stops, or has no connection left
/// to give.
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::BeginFailed
    ) || matches!(
        sql_state(error).as_deref(),
        Some("57P01" | "57P02" | "57P03" | "53300")
    )
}

/// True where a transaction lost against another one, or was ended because
/// nothing was said in it for long, and can be run again.
pub(crate) fn lost_a_race(error: &sqlx::Error) -> bool {
    matches!(
        sql_state(error).as_deref(),
        Some("40001" | "40P01" | "25P03")
    )
}

/// One of https://www.postgresql.org/docs/15/errcodes-appendix.html.
fn sql_state(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}

/// A row that cannot be read as its table says.
pub(crate) fn unread(table: &'static str, error: &sqlx::Error) -> StoreError {
    StoreError::Inconsistent {
        table,
        column: "*",
        row: "one row".to_owned(),
        problem: error.to_string(),
    }
}

/// Sorts an error of SQLite.
pub(crate) fn failed(error: sqlx::Error) -> StoreError {
    match sqlite_code(&error) {
        Some(SQLITE_FULL) => StoreError::Full,
        Some(SQLITE_BUSY | SQLITE_LOCKED) => StoreError::Busy {
            owner: "another process that is writing to the file".to_owned(),
        },
        Some(SQLITE_IOERR) => OpenFault::Disk(error).into(),
        _ => StoreError::Failed(Box::new(error)),
    }
}

/// Sorts an error of a file that is looked at for the first time.
pub(crate) fn unreadable(error: sqlx::Error, path: &Path) -> StoreError {
    if sqlite_code(&error) == Some(SQLITE_NOTADB) {
        return OpenFault::Foreign(path.to_owned()).into();
    }
    failed(error)
}

// The primary result codes of https://www.sqlite.org/rescode.html.
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_IOERR: i32 = 10;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;

/// The primary code: the lower byte of the extended one that the driver gives.
fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}
