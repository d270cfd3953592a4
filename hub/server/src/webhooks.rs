//! Where systems send their webhooks: `POST /webhooks/NAME`.  One is answered with
//! 200 only when it is durable; whatever else it is answered with, it is not kept,
//! and the system sends it again or says that it does not.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use concord_core::ConnectionId;
use concord_core::manifest;
use concord_core::manifest::Proof;
use concord_core::ports::{Clock, Secret};
use concord_core::webhook::Delivery;
use concord_engine::webhooks::digest;
use concord_engine::webhooks::intake::Intake;
use concord_engine::webhooks::proof::{Received, check};
use tokio::sync::Semaphore;

/// What is read of one body.  No vendor's page names a webhook above 256 kB.
pub const BODY_LIMIT: usize = 1 << 20;

/// How many bodies are read at once; with [`BODY_LIMIT`] the bound of what they
/// take.
const AT_ONCE: usize = 128;

/// How long one may take to be read.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How long one waits until it may be read.
const ROOM_WITHIN: Duration = Duration::from_secs(60);

/// When a system is asked to come again with what could not be kept.
const AGAIN_S: &str = "30";

/// One connection's webhooks.
#[derive(Clone)]
pub struct Hook {
    pub connection: ConnectionId,
    pub wish: manifest::Webhooks,
    /// None where it is not there, and the reason was told.
    pub secret: Option<Secret>,
}

/// Which connections take webhooks; it changes while the server runs.
#[derive(Default)]
pub struct Hooks(RwLock<Table>);

#[derive(Default)]
struct Table {
    /// How the systems reach this server: scheme, host, and what stands before
    /// `/webhooks`.  Without it none are taken.
    public_url: Option<String>,
    by_name: BTreeMap<String, Hook>,
}

impl Hooks {
    pub fn set(&self, public_url: Option<String>, by_name: BTreeMap<String, Hook>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Table {
            public_url,
            by_name,
        };
    }

    /// With the public address.
    fn named(&self, name: &str) -> Option<(String, Hook)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let url = table.public_url.clone()?;
        Some((url, table.by_name.get(name)?.clone()))
    }
}

/// What the endpoint works with.
pub struct Door {
    pub hooks: Arc<Hooks>,
    pub intake: Intake,
    pub clock: Arc<dyn Clock>,
}

struct Gate {
    door: Door,
    room: Semaphore,
}

/// The routes under `/webhooks`.
pub fn routes(door: Door) -> Router {
    let gate = Arc::new(Gate {
        door,
        room: Semaphore::new(AT_ONCE),
    });
    Router::new()
        .route("/webhooks/{name}", post(plain).get(probe))
        .route(
            "/webhooks/{name}/{token}",
            post(with_token).get(probe_token),
        )
        .with_state(gate)
}

/// The address that a connection's system is given.
pub fn address(public_url: &str, name: &str, hook: &Hook) -> Option<String> {
    let base = public_url.trim_end_matches('/');
    match hook.wish.proof {
        Proof::HmacSha256 { .. } => Some(format!("{base}/webhooks/{name}")),
        Proof::Address => {
            let secret = hook.secret.as_ref()?.expose();
            Some(format!("{base}/webhooks/{name}/{secret}"))
        }
    }
}

async fn plain(
    State(gate): State<Arc<Gate>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let path = request.uri().path_and_query();
    let url = path.map_or_else(String::new, ToString::to_string);
    take(&gate, &name, None, &url, request).await
}

async fn with_token(
    State(gate): State<Arc<Gate>>,
    Path((name, token)): Path<(String, String)>,
    request: Request,
) -> Response {
    // The address is the secret here, and is not kept.
    let url = format!("/webhooks/{name}");
    take(&gate, &name, Some(&token), &url, request).await
}

async fn probe(State(gate): State<Arc<Gate>>, Path(name): Path<String>) -> Response {
    match gate.door.hooks.named(&name) {
        Some(_) => text(
            StatusCode::METHOD_NOT_ALLOWED,
            "webhooks are sent with POST",
        ),
        None => nobody(),
    }
}

/// Some vendors look whether the address answers before they accept it.
async fn probe_token(
    State(gate): State<Arc<Gate>>,
    Path((name, token)): Path<(String, String)>,
) -> Response {
    let Some((_, hook)) = gate.door.hooks.named(&name) else {
        return nobody();
    };
    let received = Received {
        method: "GET",
        url: "",
        token: Some(&token),
        headers: &[],
        body: &[],
    };
    let proven = |secret| check(&hook.wish.proof, secret, received, gate.door.clock.now());
    match hook.secret.as_ref().map(proven) {
        Some(Ok(())) => StatusCode::OK.into_response(),
        _ => text(StatusCode::UNAUTHORIZED, "this is not the address"),
    }
}

async fn take(
    gate: &Gate,
    name: &str,
    token: Option<&str>,
    url: &str,
    request: Request,
) -> Response {
    let door = &gate.door;
    let Some((public_url, hook)) = door.hooks.named(name) else {
        return nobody();
    };
    let (parts, body) = request.into_parts();
    if declared(&parts.headers).is_some_and(|length| length > BODY_LIMIT as u64) {
        return too_large();
    }
    let Some(secret) = &hook.secret else {
        return later("the hub has no secret to check webhooks with");
    };
    let _room = tokio::select! {
        room = gate.room.acquire() => room,
        () = door.clock.sleep(ROOM_WITHIN) => return later("too many come at once"),
    };
    let body = tokio::select! {
        body = to_bytes(body, BODY_LIMIT) => body,
        () = door.clock.sleep(READ_WITHIN) => {
            return text(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
        }
    };
    let Ok(body) = body else {
        return too_large();
    };
    let Some(headers) = readable(&parts) else {
        return text(StatusCode::BAD_REQUEST, "a header is not text");
    };
    let url = format!("{}{url}", public_url.trim_end_matches('/'));
    let received = Received {
        method: parts.method.as_str(),
        url: &url,
        token,
        headers: &headers,
        body: &body,
    };
    let now = door.clock.now();
    if let Err(why) = check(&hook.wish.proof, secret, received, now) {
        tracing::debug!(connection = name, "a webhook was turned away: {why}");
        return text(StatusCode::UNAUTHORIZED, &why.to_string());
    }
    let mut headers = headers;
    headers.retain(|(name, _)| is_kept(&hook.wish, name));
    let delivery = Delivery {
        connection: hook.connection,
        digest: digest(&headers, &body),
        times: 1,
        arrived_at: now,
        method: parts.method.to_string(),
        url,
        headers,
        body: body.into(),
    };
    match door.intake.keep(delivery).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(_) => later("it could not be kept"),
    }
}

fn is_kept(wish: &manifest::Webhooks, name: &str) -> bool {
    let wanted = |wanted: &String| wanted.eq_ignore_ascii_case(name);
    name == "content-type" || wish.headers.iter().any(wanted)
}

/// The headers that a signature may be made of.
fn readable(parts: &Parts) -> Option<Vec<(String, String)>> {
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = std::str::from_utf8(value.as_bytes()).ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    headers.collect()
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn nobody() -> Response {
    text(StatusCode::NOT_FOUND, "no connection takes webhooks here")
}

fn too_large() -> Response {
    let what = format!("a webhook may have {BODY_LIMIT} bytes");
    text(StatusCode::PAYLOAD_TOO_LARGE, &what)
}

fn later(what: &str) -> Response {
    let headers = [(RETRY_AFTER, AGAIN_S)];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        headers,
        format!("{what}\n"),
    )
        .into_response()
}

fn text(status: StatusCode, what: &str) -> Response {
    (status, Body::from(format!("{what}\n"))).into_response()
}
