//! A connector that lets other hubs decide while it waits for its system.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use concord_core::ports::{Connector, Urgency};
use concord_core::record::{
    Change, Description, Op, Outcome, Page, RemoteRecord, Selection, StreamInfo,
};
use concord_core::webhook::{Delivery, Hint};
use concord_core::{Fault, Fields, Manifest, RemoteId, StreamName};

use crate::sharing::{Claim, Sharing};

pub(crate) struct Yielding {
    inner: Arc<dyn Connector>,
    sharing: Arc<Sharing>,
    claim: Arc<Claim>,
}

impl Yielding {
    pub fn new(inner: Arc<dyn Connector>, sharing: Arc<Sharing>, claim: Arc<Claim>) -> Self {
        Self {
            inner,
            sharing,
            claim,
        }
    }

    /// Passes the turn, calls, and takes the turn back.  Where the connection
    /// was lost meanwhile the hub stays without the turn, so that nothing that
    /// was read or answered here is ever written down: it is for the successor
    /// to find out.
    async fn away<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.sharing.pass_turn().await.map_err(lost)?;
        if let Err(error) = self.claim.may_send().await {
            return Err(lost(error));
        }
        let answer = call.await;
        self.sharing.take_turn().await.map_err(lost)?;
        let why = match self.claim.renew().await {
            Ok(true) => return answer,
            Ok(false) => lost(crate::sharing::Lost),
            Err(error) => lost(error),
        };
        self.sharing.pass_turn().await.map_err(lost)?;
        Err(why)
    }
}

fn lost(error: impl std::fmt::Display) -> Fault {
    Fault::UnknownOutcome(error.to_string())
}

#[async_trait]
impl Connector for Yielding {
    fn manifest(&self) -> &Manifest {
        self.inner.manifest()
    }

    async fn check(&self) -> Result<Description, Fault> {
        self.inner.check().await
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        self.inner.discover().await
    }

    async fn pull(
        &self,
        stream: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        self.away(self.inner.pull(stream, selection, cursor)).await
    }

    async fn fetch(
        &self,
        stream: &StreamName,
        ids: &[RemoteId],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        self.away(self.inner.fetch(stream, ids, fields)).await
    }

    async fn find(
        &self,
        stream: &StreamName,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        self.away(self.inner.find(stream, values, fields)).await
    }

    async fn push(&self, stream: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        self.away(self.inner.push(stream, ops)).await
    }

    async fn subscribe(&self, address: &str) -> Result<String, Fault> {
        self.away(self.inner.subscribe(address)).await
    }

    async fn unsubscribe(&self, subscription: &str) -> Result<(), Fault> {
        self.away(self.inner.unsubscribe(subscription)).await
    }

    /// Reads only what is there already: nobody is asked.
    async fn hints(&self, delivery: &Delivery) -> Result<Vec<Hint>, Fault> {
        self.inner.hints(delivery).await
    }

    fn hurry(&self, urgency: Urgency) {
        self.inner.hurry(urgency);
    }
}
