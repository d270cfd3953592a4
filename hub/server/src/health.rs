//! Whether the hub lives (`/healthz`), and whether it can do its work (`/readyz`).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use concord_core::webhook::DeliveryStore;

/// It is ready while its database answers.
pub fn routes(store: Arc<dyn DeliveryStore>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .with_state(store)
}

async fn ready(State(store): State<Arc<dyn DeliveryStore>>) -> (StatusCode, String) {
    match store.backlog().await {
        Ok(_) => (StatusCode::OK, "ready\n".to_owned()),
        // The reason is for the log: whoever asks here may be anybody.
        Err(error) => {
            tracing::warn!("not ready: {error}");
            let said = "not ready: the database does not answer\n".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, said)
        }
    }
}
