//! What Prometheus reads at `/metrics`.  docs/metrics.md explains each name.
//!
//! The crates that know a fact count it, by the facade `metrics`.  What stands in
//! the database is read when somebody asks, so that a command of another process
//! shows as well.

mod capped;
mod gauges;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use concord_core::ports::{Clock, Store};
use concord_core::webhook::DeliveryStore;
use metrics::{describe_counter, describe_histogram, gauge, set_global_recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use self::capped::{Cap, Capped};
pub use self::gauges::Totals;

/// The version of the text format that is written here.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How often durations are put into their buckets.  They take memory until then,
/// whether or not anybody asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

const RUN_SECONDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0];
const REQUEST_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

#[derive(Debug, thiserror::Error)]
pub enum MeterError {
    #[error("the metrics cannot be set up: {0}")]
    Build(#[from] BuildError),
    #[error("this process counts for another hub already")]
    Taken,
}

/// All counts of this process.
#[derive(Clone)]
pub struct Meters {
    handle: PrometheusHandle,
    cap: Arc<Cap>,
}

impl Meters {
    /// From now on what the crates count is kept here.  Before, it is counted by
    /// nobody and costs next to nothing.
    pub fn install() -> Result<Self, MeterError> {
        let buckets = |name: &str| Matcher::Full(name.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(buckets("concord_run_duration_seconds"), RUN_SECONDS)?
            .set_buckets_for_metric(
                buckets("concord_http_request_duration_seconds"),
                REQUEST_SECONDS,
            )?
            .build_recorder();
        let handle = recorder.handle();
        let cap = Arc::new(Cap::default());
        let capped = Capped::new(recorder, Arc::clone(&cap));
        set_global_recorder(capped).map_err(|_| MeterError::Taken)?;
        describe();
        gauge!("concord_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self { handle, cap })
    }

    /// Never ends by itself.
    pub async fn keep_up(self, clock: Arc<dyn Clock>) {
        loop {
            clock.sleep(UPKEEP).await;
            self.handle.run_upkeep();
        }
    }
}

/// What is said about the names that are counted elsewhere.
fn describe() {
    describe_counter!("concord_runs_total", "Runs that ended, by how");
    describe_histogram!("concord_run_duration_seconds", "How long runs took");
    describe_counter!("concord_records_read_total", "Records read");
    describe_counter!("concord_writes_total", "Writes that a system has taken");
    describe_counter!(
        "concord_writes_refused_total",
        "Writes that a system has refused"
    );
    describe_counter!(
        "concord_http_requests_total",
        "Requests to a system, by the class of the answer's status"
    );
    describe_histogram!(
        "concord_http_request_duration_seconds",
        "How long a system's whole answers took"
    );
    describe_counter!(
        "concord_token_refreshes_total",
        "Attempts to get a new token, by how they ended"
    );
}

/// What `/metrics` needs.
#[derive(Clone)]
pub struct Scraped {
    pub meters: Meters,
    pub store: Arc<dyn Store>,
    pub deliveries: Arc<dyn DeliveryStore>,
    pub totals: Totals,
}

pub fn routes(scraped: Scraped) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(scraped)
}

async fn scrape(State(scraped): State<Scraped>) -> impl IntoResponse {
    let mut text = scraped.meters.handle.render();
    match gauges::read(&scraped).await {
        Ok(gauges) => text += &gauges,
        // What was counted here is told all the same.
        Err(error) => tracing::warn!("the database's part of the metrics is missing: {error}"),
    }
    ([(CONTENT_TYPE, FORMAT)], text)
}
