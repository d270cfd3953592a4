//! Which database this is, so that a plan of another one is known.

use concord_core::ports::Rng;

use crate::error::EngineError;
use crate::hub::Hub;

const DOCUMENT: &str = "identity";

impl Hub {
    /// The name of this database; none before its first run.
    pub async fn identity(&self) -> Result<Option<String>, EngineError> {
        Ok(self.store.document(DOCUMENT).await?)
    }

    /// Gives the database a name that no other one has.
    pub(crate) async fn note_identity(&self, rng: &dyn Rng) -> Result<(), EngineError> {
        if self.store.document(DOCUMENT).await?.is_none() {
            let name = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
            self.store.set_document(DOCUMENT, &name).await?;
        }
        Ok(())
    }
}
