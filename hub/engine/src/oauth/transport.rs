//! The library's requests through the port `Http`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{Http, HttpError, HttpRequest, HttpResponse, Secret, SecretHeader};
use oauth2::AsyncHttpClient;
use oauth2::http::Response;
use oauth2::http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use crate::quota::retry_after;

/// Far more than any token server has to say.
const MOST_BYTES: u64 = 256 * 1024;

/// No answer that says yes or no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Troubled {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the server answered {status}")]
    Busy {
        status: u16,
        /// How long it asks to wait.
        wait: Option<Duration>,
    },
    #[error("the request cannot be written: {0}")]
    Unwritten(&'static str),
    #[error("the answer is no HTTP")]
    Garbled,
}

impl Troubled {
    /// Whether the server may have done what it was asked for.
    pub fn may_be_done(&self) -> bool {
        match self {
            Troubled::Http(HttpError::Denied(_) | HttpError::Unreachable(_))
            | Troubled::Unwritten(_) => false,
            // Those that say "not now" have not begun.
            Troubled::Busy { status, .. } => !matches!(status, 429 | 503),
            Troubled::Http(HttpError::NoAnswer(_) | HttpError::TooLarge { .. })
            | Troubled::Garbled => true,
        }
    }

    pub fn wait(&self) -> Option<Duration> {
        match self {
            Troubled::Busy { wait, .. } => *wait,
            _ => None,
        }
    }
}

/// Asks the servers of one app.
#[derive(Clone)]
pub struct Transport {
    pub http: Arc<dyn Http>,
    pub timeout: Duration,
}

impl Transport {
    /// Posts a form, and gives what is no refusal for a moment.
    pub async fn post(
        &self,
        url: String,
        headers: Vec<(String, String)>,
        auth: Option<Secret>,
        body: Vec<u8>,
    ) -> Result<HttpResponse, Troubled> {
        let auth = auth.map(|value| SecretHeader {
            name: AUTHORIZATION.as_str().into(),
            value,
        });
        self.send(HttpRequest {
            method: "POST".into(),
            url,
            headers,
            body: Some(body),
            auth,
            timeout: self.timeout,
            max_response_bytes: MOST_BYTES,
        })
        .await
    }

    /// Gets JSON with a token.
    pub async fn get(&self, url: String, auth: SecretHeader) -> Result<HttpResponse, Troubled> {
        self.send(HttpRequest {
            method: "GET".into(),
            url,
            headers: vec![("accept".into(), "application/json".into())],
            body: None,
            auth: Some(auth),
            timeout: self.timeout,
            max_response_bytes: MOST_BYTES,
        })
        .await
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Troubled> {
        let response = self.http.send(request).await?;
        if response.status == 429 || response.status >= 500 {
            return Err(Troubled::Busy {
                status: response.status,
                wait: retry_after(&response, None),
            });
        }
        Ok(response)
    }

    async fn pass(&self, request: oauth2::HttpRequest) -> Result<Response<Vec<u8>>, Troubled> {
        let (parts, body) = request.into_parts();
        let mut headers = Vec::new();
        let mut auth = None;
        for (name, value) in &parts.headers {
            let value = value
                .to_str()
                .map_err(|_| Troubled::Unwritten("a header is no text"))?;
            if name == AUTHORIZATION {
                auth = Some(Secret::new(value));
            } else {
                headers.push((name.as_str().to_owned(), value.to_owned()));
            }
        }
        let answer = self
            .post(parts.uri.to_string(), headers, auth, body)
            .await?;
        // The answer's content type stays behind: the library takes no other than
        // JSON's, and servers send JSON under many.
        Response::builder()
            .status(status_of(&answer))
            .body(answer.body)
            .map_err(|_| Troubled::Garbled)
    }
}

/// The library takes 200 alone for a yes.  Some servers give a token with another
/// success, and some an error with this one.
fn status_of(answer: &HttpResponse) -> u16 {
    if !(200..300).contains(&answer.status) {
        return answer.status;
    }
    let document: Option<Map<String, Value>> = serde_json::from_slice(&answer.body).ok();
    let is_error = document
        .is_some_and(|found| found.contains_key("error") && !found.contains_key("access_token"));
    if is_error { 400 } else { 200 }
}

impl<'c> AsyncHttpClient<'c> for Transport {
    type Error = Troubled;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Troubled>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(self.pass(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_with_a_success_is_an_error() {
        let status = |status, body: &str| {
            status_of(&HttpResponse {
                status,
                headers: Vec::new(),
                body: body.into(),
            })
        };
        assert_eq!(status(200, r#"{"access_token":"a"}"#), 200);
        assert_eq!(status(201, r#"{"access_token":"a"}"#), 200);
        // GitHub's way, and Zoho's.
        assert_eq!(status(200, r#"{"error":"invalid_code"}"#), 400);
        assert_eq!(status(200, "<html>"), 200);
        assert_eq!(status(401, "{}"), 401);
    }

    #[test]
    fn what_may_have_been_done_is_known() {
        let http = |error| Troubled::Http(error);
        assert!(!http(HttpError::Unreachable(String::new())).may_be_done());
        assert!(!http(HttpError::Denied(String::new())).may_be_done());
        assert!(http(HttpError::NoAnswer(String::new())).may_be_done());
        let busy = |status| Troubled::Busy { status, wait: None }.may_be_done();
        assert!(!busy(429) && !busy(503) && busy(500) && busy(502));
    }
}
