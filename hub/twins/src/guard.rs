//! A guard in front of a twin: each request's bearer token is shown to an
//! authorization server (RFC 7662), as an API does that belongs to a company with
//! one server for all its systems.
//!
//! Nothing is remembered from one request to the next, so that a token that has
//! ended is refused with the next request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use concord_core::ports::{Http, HttpError, HttpRequest, Secret, SecretHeader};
use serde::Deserialize;
use url::form_urlencoded;

use crate::Request;

const TIMEOUT: Duration = Duration::from_secs(10);
const LARGEST_ANSWER: u64 = 64 * 1024;

#[derive(Clone)]
pub struct Guard {
    pub http: Arc<dyn Http>,
    /// The introspection endpoint.
    pub url: String,
    /// As whom the twin asks.
    pub client_id: String,
    pub client_secret: Secret,
    /// Whose tokens are let in; none lets in those of every client.
    pub clients: Vec<String>,
    /// What a token has to be good for.
    pub scope: Option<String>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("url", &self.url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The server did not say whether a token is good, so nobody may be let in or
/// called an impostor.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    #[error("the introspection server cannot be asked: {0}")]
    Http(#[from] HttpError),
    #[error("the introspection server answers with status {0}; look at the client id and secret")]
    Status(u16),
    #[error("the introspection server's answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// What is looked at in an introspection response (RFC 7662 section 2.2).
#[derive(Deserialize)]
struct Told {
    active: bool,
    client_id: Option<String>,
    #[serde(default)]
    scope: String,
}

impl Guard {
    /// Whether the request carries a token that is good here and now.
    pub(crate) async fn admits(&self, request: &Request) -> Result<bool, NotAsked> {
        let Some(token) = bearer(request) else {
            return Ok(false);
        };
        let answer = self.http.send(self.question(token)).await?;
        if answer.status != 200 {
            return Err(NotAsked::Status(answer.status));
        }
        let told: Told = serde_json::from_slice(&answer.body)?;
        let known = |client: &String| self.clients.contains(client);
        let is_ours = self.clients.is_empty() || told.client_id.as_ref().is_some_and(known);
        let wanted = self.scope.as_deref();
        let is_enough = wanted.is_none_or(|wanted| told.scope.split(' ').any(|s| s == wanted));
        Ok(told.active && is_ours && is_enough)
    }

    fn question(&self, token: &str) -> HttpRequest {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("token", token);
        body.append_pair("token_type_hint", "access_token");
        // Each part is form-encoded before they are joined (RFC 6749 section 2.3.1).
        let encoded =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let (id, secret) = (&self.client_id, self.client_secret.expose());
        let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        HttpRequest {
            method: "POST".into(),
            url: self.url.clone(),
            headers: vec![
                header("content-type", "application/x-www-form-urlencoded"),
                header("accept", "application/json"),
            ],
            body: Some(body.finish().into_bytes()),
            auth: Some(SecretHeader {
                name: "authorization".into(),
                value: Secret::new(format!("Basic {pair}")),
            }),
            timeout: TIMEOUT,
            max_response_bytes: LARGEST_ANSWER,
        }
    }
}

/// The token of RFC 6750 section 2.1.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
pub(crate) mod tests;
