//! Counts and times the requests of one connection.

use std::sync::Arc;

use async_trait::async_trait;
use concord_core::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse};
use metrics::{counter, histogram};

/// Stands right before the network, so that what is counted has left or tried to.
pub struct ObservedHttp {
    inner: Arc<dyn Http>,
    connection: String,
    clock: Arc<dyn Clock>,
}

impl ObservedHttp {
    pub fn new(inner: Arc<dyn Http>, connection: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            connection,
            clock,
        }
    }
}

#[async_trait]
impl Http for ObservedHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let start = self.clock.monotonic();
        let result = self.inner.send(request).await;
        let took = self.clock.monotonic().saturating_sub(start);
        let status = result
            .as_ref()
            .map_or("none", |answer| class(answer.status));
        let connection = self.connection.clone();
        counter!("concord_http_requests_total", "connection" => connection, "status" => status)
            .increment(1);
        let connection = self.connection.clone();
        histogram!("concord_http_request_duration_seconds", "connection" => connection)
            .record(took);
        result
    }
}

/// A few words for many numbers.  Being told to wait is no client's error, and has
/// a word of its own.
fn class(status: u16) -> &'static str {
    match status {
        429 => "429",
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}
