//! The port `DeliveryStore`: webhooks come and go, whoever holds the lease.

use async_trait::async_trait;
use concord_core::ConnectionId;
use concord_core::ports::StoreError;
use concord_core::webhook::{Backlog, Delivery, DeliveryStore};

use crate::statement::Statement;
use crate::store::SqlStore;
use crate::tables::delivery;

#[async_trait]
impl DeliveryStore for SqlStore {
    async fn keep_deliveries(&self, deliveries: &[Delivery]) -> Result<(), StoreError> {
        self.change_all(deliveries, delivery::keep(self.tenant, deliveries)?)
            .await
    }

    async fn deliveries(
        &self,
        connection: ConnectionId,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let statement = delivery::some(self.tenant, connection, limit);
        self.read(&delivery::DELIVERIES, vec![statement], delivery::read)
            .await
    }

    async fn drop_deliveries(&self, deliveries: &[Delivery]) -> Result<(), StoreError> {
        self.change_all(deliveries, delivery::drop(self.tenant, deliveries)?)
            .await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        let statement = delivery::backlog(self.tenant);
        self.read(&delivery::BACKLOG, vec![statement], delivery::read_backlog)
            .await
    }
}

impl SqlStore {
    async fn change_all(
        &self,
        deliveries: &[Delivery],
        statements: Vec<Statement>,
    ) -> Result<(), StoreError> {
        self.refuse_where_moved().await?;
        self.database.write(None, statements, true).await?;
        let written = deliveries.iter().map(|delivery| delivery.body.len()).sum();
        self.database.fold_beside(written);
        Ok(())
    }
}
