//! The lines of a recording.
//!
//! ```text
//! {"concord":"recording","format":1,"version":"0.1.0","made":"…","seed":…,"request":{…},"connections":[…]}
//! {"now":[…],"mono":[…],"event":{"call":{…}}}   0123456789abcdef
//! {"event":{"http":{…}}}                        0123456789abcdef
//! …
//! {"event":{"end":{…}}}                         0123456789abcdef
//! ```
//!
//! Behind each event stands a checksum of it and of everything before it, so that
//! a line that is changed, left out or moved is seen.  A run that was killed
//! leaves its first lines, which are whole.  What lies between header and events
//! (the books), and what all of it is packed and sealed in, is the caller's.

use std::collections::BTreeMap;
use std::io;

use concord_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::run::Request;

/// The only form so far.
pub const FORMAT: i64 = 1;

/// What a recorded run was given, but for its books.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// `recording`.
    pub concord: String,
    pub format: i64,
    /// The program that made it.
    pub version: String,
    pub made: Timestamp,
    /// All chance of the run follows from it.
    pub seed: u64,
    /// Who held the right to write.
    pub owner: String,
    /// The database was shared with other hubs.
    pub shared: bool,
    pub lease_ms: u64,
    pub request_timeout_ms: u64,
    pub request: Request,
    pub connections: Vec<Connected>,
}

/// A connection as the run found it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    pub connection: String,
    /// The connector, its version, and BLAKE3 of its component; empty where none was
    /// loaded.
    pub plugin: String,
    pub version: String,
    pub blake3: String,
    /// What the connector is configured with, what came with a sign-in included.
    pub config: BTreeMap<String, String>,
    /// Why it did not run, if it did not.
    pub held: Option<String>,
}

impl Header {
    /// Reads the first line of a recording.
    pub fn parse(line: &str) -> Result<Self, TapeError> {
        #[derive(Deserialize)]
        struct Mark {
            concord: String,
            format: i64,
        }
        let mark: Mark = serde_json::from_str(line).map_err(|_| TapeError::Foreign)?;
        if mark.concord != "recording" {
            return Err(TapeError::Foreign);
        }
        if mark.format > FORMAT {
            return Err(TapeError::Newer {
                found: mark.format,
                known: FORMAT,
            });
        }
        serde_json::from_str(line).map_err(|error| TapeError::Damaged {
            line: 1,
            problem: error.to_string(),
        })
    }
}

/// An event with the readings of the clock that came before it, each as what had
/// gone by since the one before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub now: Vec<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mono: Vec<i64>,
    pub event: Event,
}

#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    #[error("this is no recording of Concord: name the file that `sync --record` made")]
    Foreign,
    #[error(
        "the recording was made by a newer Concord (format {found}, this one knows {known}): use \
         that version or a newer one"
    )]
    Newer { found: i64, known: i64 },
    #[error("the recording is damaged at line {line} ({problem}): use another copy of it")]
    Damaged { line: u64, problem: String },
    #[error("the recording cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("the recording cannot be written: {0}")]
    Write(#[source] io::Error),
}
