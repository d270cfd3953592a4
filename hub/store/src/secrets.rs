//! The port `SecretStore`: rows that change by compare-and-set, whoever holds the
//! lease.

use async_trait::async_trait;
use concord_core::ConnectionId;
use concord_core::ports::StoreError;
use concord_core::secret::{SealedSecret, SecretStore};

use crate::statement::Statement;
use crate::store::SqlStore;
use crate::tables::secret;

#[async_trait]
impl SecretStore for SqlStore {
    async fn secrets(&self) -> Result<Vec<SealedSecret>, StoreError> {
        let statement = secret::all(self.tenant);
        self.read(&secret::SECRETS, vec![statement], secret::read)
            .await
    }

    async fn keep_secret(&self, secret: &SealedSecret) -> Result<bool, StoreError> {
        self.change(secret::keep(self.tenant, secret)).await
    }

    async fn drop_secret(&self, connection: ConnectionId, name: &str) -> Result<bool, StoreError> {
        self.change(secret::remove(self.tenant, connection, name))
            .await
    }
}

impl SqlStore {
    /// True where a row was changed.
    async fn change(&self, statement: Statement) -> Result<bool, StoreError> {
        self.refuse_where_moved().await?;
        let rows = self.database.write(None, vec![statement], true).await?;
        Ok(rows.is_some_and(|rows| !rows.is_empty()))
    }
}
