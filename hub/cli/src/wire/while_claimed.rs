//! The last step before bytes leave, where hubs share a database: the claim to
//! the connection has to outlast the request.

use std::sync::Arc;

use async_trait::async_trait;
use concord_core::ports::{Http, HttpError, HttpRequest, HttpResponse};
use concord_engine::sharing::Claim;

pub struct WhileClaimed {
    inner: Arc<dyn Http>,
    claim: Arc<Claim>,
}

impl WhileClaimed {
    pub fn new(inner: Arc<dyn Http>, claim: Arc<Claim>) -> Self {
        Self { inner, claim }
    }
}

#[async_trait]
impl Http for WhileClaimed {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // Not sent, and so it is told.
        let lost = |error: concord_engine::sharing::Lost| HttpError::Unreachable(error.to_string());
        self.claim.may_send().await.map_err(lost)?;
        self.inner.send(request).await
    }
}
