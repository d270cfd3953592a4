//! Traces for an OpenTelemetry collector, where the environment names one.
//!
//! The crates mark what belongs into a trace by a span with the target
//! `concord::trace`.  Nothing else gets there: the words of the log may have a
//! record's value in them.

use std::time::Duration;

use concord_net::{CollectorHttp, NetError, Tls};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

const TARGET: &str = "concord::trace";

/// The variable that switches traces on.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// The name of the hub, unless the environment has another.
const NAME: &str = "concord";

/// How long the end of a command waits for a collector.
const LAST_WAIT: Duration = Duration::from_secs(4);

#[derive(Debug, thiserror::Error)]
enum TraceError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// Where spans are gathered and sent from.  Off where there is no collector.
pub struct Traces(Option<SdkTracerProvider>);

/// Whether this is for traces and not for the log.
pub fn is_trace(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

impl Traces {
    /// A command does its work without traces where they cannot be made.
    pub fn from_environment() -> Self {
        if !is_set(ENDPOINT) {
            return Self(None);
        }
        match provider() {
            Ok(provider) => Self(Some(provider)),
            Err(error) => {
                // There is no log yet.
                eprintln!("concord: there will be no traces: {error}");
                Self(None)
            }
        }
    }

    /// The part of the log that makes spans of it.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.0.as_ref()?.tracer(NAME);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(filter_fn(is_trace)))
    }

    /// Sends what is left.  A collector that is gone has been told of already.
    pub fn close(self) {
        if let Some(provider) = self.0 {
            let _ = provider.shutdown_with_timeout(LAST_WAIT);
        }
    }
}

fn provider() -> Result<SdkTracerProvider, TraceError> {
    // Where to, and with which headers, the exporter takes from the environment.
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(CollectorHttp::new(&Tls::new(&[])?)?)
        .build()?;
    let mut resource = Resource::builder();
    if !is_set(SERVICE_NAME) {
        resource = resource.with_service_name(NAME);
    }
    Ok(SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build())
}
