//! The way to a collector of traces.
//!
//! It is the operator's own and stands in the environment, often inside, so that
//! the policy of no connection holds for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::{Builder, Runtime};

use crate::client::chain;
use crate::{NetError, Tls};

/// A collector that does not answer by then has lost what was sent.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Sends on a thread of whoever calls, and needs nothing of the hub's own runtime:
/// neither waits for the other.
#[derive(Debug)]
pub struct CollectorHttp {
    client: Client,
    runtime: Runtime,
    /// Whether somebody was told that the collector is gone.
    told: AtomicBool,
}

impl CollectorHttp {
    pub fn new(tls: &Tls) -> Result<Self, NetError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls.config())
            .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
            // A header of the environment may be a credential of the collector.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            // Nothing looks after an idle socket between two calls.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| NetError::Client(chain(&error)))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| NetError::Client(error.to_string()))?;
        Ok(Self {
            client,
            runtime,
            told: AtomicBool::new(false),
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let response = self.client.execute(request).await?.error_for_status()?;
        // It may say which spans it did not take, which changes nothing here.
        Ok(Response::builder()
            .status(response.status())
            .body(Bytes::new())?)
    }
}

#[async_trait]
impl HttpClient for CollectorHttp {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let result = self.runtime.block_on(self.send(request));
        if let Err(error) = &result
            && !self.told.swap(true, Ordering::Relaxed)
        {
            let why = chain(error.as_ref());
            tracing::warn!("traces are lost, the collector does not take them: {why}");
        }
        result
    }
}
