//! Secrets: as text in memory, and sealed as a database keeps them.

use std::fmt;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::ports::StoreError;
use crate::{ConnectionId, Timestamp};

/// Text that must not be printed.  `expose` is the one way to it; its memory is
/// wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A secret as it lies in the database: of no use without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    pub connection: ConnectionId,
    /// What the connector calls it.
    pub name: String,
    /// Names the key that it is sealed with.
    pub key: String,
    pub sealed: String,
    pub changed_at: Timestamp,
    /// Counts its changes; the first is 1.
    pub revision: i64,
}

/// A secret as it is now, opened.
#[derive(Clone, Debug)]
pub struct Kept {
    pub text: Secret,
    /// Counts its changes.
    pub revision: i64,
}

/// A secret could not be read or kept; the message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// There is no key, or not the right one.
    #[error("{0}")]
    Key(String),
    #[error("{0}")]
    Store(String),
}

/// One secret of one connection that changes while hubs run.  Whoever is behind it
/// has the key.
#[async_trait]
pub trait KeptSecret: Send + Sync {
    async fn read(&self) -> Result<Option<Kept>, KeepError>;
    /// Puts it in place of the revision that was read, 0 where there was none, and
    /// survives a power cut once it returns.  False where that is not the last one
    /// any more; then nothing is written.
    async fn replace(&self, revision: i64, text: &Secret) -> Result<bool, KeepError>;
}

/// Where sealed secrets are kept.  A secret changes by compare-and-set and not
/// behind the lease: whoever was given a new one, or got one from a system, has to
/// keep it while a sync runs, and nobody writes over one that they have not seen.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// All of them, in order of their connections and names.
    async fn secrets(&self) -> Result<Vec<SealedSecret>, StoreError>;
    /// Keeps a secret in place of the revision before its own, and survives a
    /// power cut once it returns.  False where that is not the last one any more;
    /// then nothing is written.
    async fn keep_secret(&self, secret: &SealedSecret) -> Result<bool, StoreError>;
    /// False where there was none.
    async fn drop_secret(&self, connection: ConnectionId, name: &str) -> Result<bool, StoreError>;
}
