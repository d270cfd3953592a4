//! One switch that stops all writes to all systems.  Reading, matching and merging
//! go on, so that nothing that people do meanwhile is missed.

use concord_core::Timestamp;
use concord_core::ports::{Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::documents;
use crate::error::EngineError;
use crate::hub::Hub;

const DOCUMENT: &str = "writes-stopped";

/// Since when nothing is written, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Brake {
    pub since: Timestamp,
    pub reason: String,
}

impl Brake {
    /// What an error says of it.
    pub fn words(&self) -> String {
        match self.reason.as_str() {
            "" => format!("since {}", self.since),
            reason => format!("since {}: {reason}", self.since),
        }
    }
}

/// Whether writes are stopped.  A switch that cannot be read counts as an error:
/// nothing is written on a guess.
pub async fn brake(store: &dyn Store) -> Result<Option<Brake>, StoreError> {
    let noted: Option<Option<Brake>> = documents::read(store, DOCUMENT).await?;
    Ok(noted.flatten())
}

/// Stops all writes, or lets them go on.  A hub that is writing meanwhile sees it
/// before its next batch.
pub async fn set_brake(store: &dyn Store, brake: Option<&Brake>) -> Result<(), StoreError> {
    documents::write(store, DOCUMENT, &brake).await
}

impl Hub {
    pub(crate) async fn may_write(&self) -> Result<(), EngineError> {
        match brake(self.store.as_ref()).await? {
            Some(brake) => Err(EngineError::WritesStopped(brake)),
            None => Ok(()),
        }
    }
}
