//! The optional part of the contract: subscriptions, and what webhooks say.

use concord_core::Fault;
use concord_core::webhook::{Delivery, Hint};
use wasmtime::Store;

use super::WasmConnector;
use crate::bindings::webhooks::ConnectorWithWebhooks;
use crate::bindings::webhooks::exports::concord::connector::webhooks::RawRequest;
use crate::call::Call;

/// A call under way.
struct Entered {
    store: Store<Call>,
    guest: ConnectorWithWebhooks,
}

impl WasmConnector {
    /// Makes an instance for one call.
    async fn enter_webhooks(&self, operation: &str) -> Result<Entered, Fault> {
        let Some(pre) = &self.plugin.webhooks else {
            return Err(self.broken(operation, "is not there: the manifest names no webhooks"));
        };
        let mut store = self.store().await?;
        match pre.instantiate_async(&mut store).await {
            Ok(guest) => Ok(Entered { store, guest }),
            Err(error) => Err(self.stopped(operation, &store, &error)),
        }
    }

    pub(super) async fn registered(&self, address: &str) -> Result<String, Fault> {
        let operation = "webhooks.register";
        let Entered { mut store, guest } = self.enter_webhooks(operation).await?;
        let answer = guest
            .concord_connector_webhooks()
            .call_register(&mut store, address)
            .await;
        self.left(operation, &store, answer)
    }

    pub(super) async fn unregistered(&self, subscription: &str) -> Result<(), Fault> {
        let operation = "webhooks.unregister";
        let Entered { mut store, guest } = self.enter_webhooks(operation).await?;
        let answer = guest
            .concord_connector_webhooks()
            .call_unregister(&mut store, subscription)
            .await;
        self.left(operation, &store, answer)
    }

    pub(super) async fn parsed(&self, delivery: &Delivery) -> Result<Vec<Hint>, Fault> {
        let operation = "webhooks.parse";
        let Entered { mut store, guest } = self.enter_webhooks(operation).await?;
        let request = RawRequest {
            method: delivery.method.clone(),
            url: delivery.url.clone(),
            headers: delivery.headers.clone(),
            body: delivery.body.clone(),
        };
        let answer = guest
            .concord_connector_webhooks()
            .call_parse(&mut store, &request)
            .await;
        let hints = self.left(operation, &store, answer)?;
        let hints = hints.into_iter().map(|hint| Hint {
            stream: hint.stream.into(),
            id: hint.id.into(),
        });
        Ok(hints.collect())
    }
}
