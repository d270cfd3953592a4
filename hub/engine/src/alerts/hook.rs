//! Alerts as a webhook of ours: one POST with all of them as JSON, and a `text`
//! that chat systems show.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use concord_core::alert::{Alert, Messenger, MessengerError};
use concord_core::ports::{Http, HttpRequest, Secret};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_READ: u64 = 64 << 10;

pub struct Hook {
    pub url: String,
    pub http: Arc<dyn Http>,
    /// Signs each body, where there is one.
    pub secret: Option<Secret>,
}

#[async_trait]
impl Messenger for Hook {
    fn name(&self) -> String {
        // The path of such an address is often its secret.
        let host = self.url.split('/').take(3);
        format!("webhook to {}", host.collect::<Vec<_>>().join("/"))
    }

    async fn send(&self, alerts: &[Alert]) -> Result<(), MessengerError> {
        let words: Vec<String> = alerts.iter().map(Alert::words).collect();
        let body = json!({ "text": words.join("\n"), "alerts": alerts });
        let body = body.to_string().into_bytes();
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if let Some(secret) = &self.secret {
            headers.push(("x-concord-signature".to_owned(), signature(secret, &body)));
        }
        let answer = self
            .http
            .send(HttpRequest {
                method: "POST".to_owned(),
                url: self.url.clone(),
                headers,
                body: Some(body),
                auth: None,
                timeout: TIMEOUT,
                max_response_bytes: MOST_READ,
            })
            .await;
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
            Ok(answer) => Err(MessengerError(format!("it answered {}", answer.status))),
            Err(error) => Err(MessengerError(error.to_string())),
        }
    }
}

/// `sha256=` and HMAC-SHA256 of the body in lower-case hexadecimal.
fn signature(secret: &Secret, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(body);
    let mut text = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn a_body_is_signed_as_the_standard_says() {
        let signed = signature(&Secret::new("Jefe"), b"what do ya want for nothing?");
        assert_eq!(
            signed,
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
