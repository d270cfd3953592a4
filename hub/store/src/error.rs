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

/// Sorts an error of the driver.
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
