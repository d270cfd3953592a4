//! Counts and times the requests of one connection, for metrics and for traces.

use std::sync::Arc;

use async_trait::async_trait;
use concord_core::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse};
use metrics::{counter, histogram};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use url::Url;

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
        let span = span(&self.connection, &request);
        let result = self.inner.send(request).instrument(span.clone()).await;
        note(&span, &result);
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

/// A client's span in OpenTelemetry's words.  The path is left out: it may hold
/// somebody's address.
fn span(connection: &str, request: &HttpRequest) -> Span {
    let span = tracing::info_span!(
        target: "concord::trace",
        "http",
        otel.name = Empty,
        otel.kind = "client",
        otel.status_code = Empty,
        concord.connection = connection,
        http.request.method = Empty,
        http.response.status_code = Empty,
        server.address = Empty,
        server.port = Empty,
        error.type = Empty,
    );
    // Where nobody makes traces, nothing is read for them.
    if span.is_disabled() {
        return span;
    }
    span.record("otel.name", request.method.as_str());
    span.record("http.request.method", request.method.as_str());
    if let Ok(url) = Url::parse(&request.url) {
        span.record("server.address", url.host_str());
        span.record("server.port", url.port_or_known_default().map(i64::from));
    }
    span
}

fn note(span: &Span, result: &Result<HttpResponse, HttpError>) {
    let error = match result {
        Ok(answer) => {
            // Unsigned numbers would become text on the way.
            span.record("http.response.status_code", i64::from(answer.status));
            if answer.status < 400 {
                return;
            }
            answer.status.to_string()
        }
        // The words of an error may quote an address.
        Err(HttpError::Denied(_)) => "denied".to_owned(),
        Err(HttpError::Unreachable(_)) => "unreachable".to_owned(),
        Err(HttpError::NoAnswer(_)) => "no_answer".to_owned(),
        Err(HttpError::TooLarge { .. }) => "too_large".to_owned(),
    };
    span.record("error.type", error);
    span.record("otel.status_code", "ERROR");
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
