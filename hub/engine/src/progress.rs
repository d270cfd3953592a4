//! What a run tells whoever watches it.

use concord_core::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Pulling {
        connection: String,
        stream: String,
        records: u64,
    },
    Matching {
        compared: u64,
    },
    Planning {
        looked_at: u64,
    },
    Sending {
        connection: String,
        stream: String,
        written: u64,
    },
    Waiting {
        connection: String,
        until: Timestamp,
        why: String,
    },
    Verifying {
        connection: String,
        stream: String,
        records: u64,
    },
}

pub trait Watch: Send + Sync {
    fn tell(&self, progress: Progress);
}

/// Nobody watches.
pub struct Unwatched;

impl Watch for Unwatched {
    fn tell(&self, _: Progress) {}
}
