//! The device flow (RFC 8628): a program without a browser shows a code, a person
//! types it elsewhere, and the program asks until there is an answer.

use std::time::Duration;

use concord_core::Timestamp;
use serde_json::json;

use super::AuthorizationServer;
use super::authorize::html;
use super::form::Form;
use super::grants::Tokens;
use super::refusal::{Refusal, secret_answer};
use super::screen::Answer;
use crate::{Request, Response};

/// Where the person would go.
pub(super) const PAGE: &str = "/verify";

/// As in the example of section 3.2.
const LIFE: Duration = Duration::from_secs(1800);
/// What section 3.2 gives where nothing is said.
const INTERVAL: Duration = Duration::from_secs(5);
/// What a `slow_down` adds (section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The letters of section 6.1, which make no words.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

#[derive(Debug)]
pub(super) struct Device {
    client: String,
    scope: String,
    user_code: String,
    expires: Timestamp,
    interval: Duration,
    asked: Option<Timestamp>,
    answer: Option<Answer>,
}

impl AuthorizationServer {
    /// The device authorization request of section 3.1.
    pub(super) fn device(
        &mut self,
        now: Timestamp,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let form = Form::of_body(request)?;
        let (client, _) = self.clients.authenticate(request, &form)?;
        let scope = form.scope()?.unwrap_or_default().to_owned();
        let code = self.grants.mint("device");
        let user_code = user_code(self.grants.draw());
        let page = format!("{}{PAGE}", request.origin());
        let body = json!({
            "device_code": code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?user_code={user_code}"),
            "expires_in": LIFE.as_secs(),
            "interval": INTERVAL.as_secs(),
        });
        self.devices.insert(
            code,
            Device {
                client,
                scope,
                user_code,
                expires: now.plus(LIFE),
                interval: INTERVAL,
                asked: None,
                answer: None,
            },
        );
        Ok(secret_answer(200, &body))
    }

    /// The device asks for its tokens (sections 3.4 and 3.5).
    pub(super) fn poll(
        &mut self,
        now: Timestamp,
        client: &str,
        form: &Form,
    ) -> Result<Tokens, Refusal> {
        let code = form.need("device_code")?;
        let device = self.devices.get_mut(code).ok_or(Refusal::UnknownCode)?;
        if device.client != client {
            return Err(Refusal::UnknownCode);
        }
        if device.expires <= now {
            return Err(Refusal::ExpiredDevice);
        }
        let before = device.asked.replace(now);
        if before.is_some_and(|before| now.since(before) < device.interval) {
            device.interval += SLOWER;
            return Err(Refusal::TooFast);
        }
        match device.answer {
            None => Err(Refusal::Pending),
            Some(Answer::Deny) => Err(Refusal::Denied),
            Some(Answer::Approve) => {
                let grant = self.grants.grant(client, &device.scope);
                // A device code is used once, as any other code.
                self.devices.remove(code);
                Ok(self.grants.first(now, grant, &self.options))
            }
        }
    }

    /// The person types a code and answers.  False where no device waits for it.
    pub(super) fn answer_device(&mut self, now: Timestamp, typed: &str, answer: Answer) -> bool {
        let typed = letters(typed);
        let device = self
            .devices
            .values_mut()
            .find(|device| letters(&device.user_code) == typed && device.expires > now);
        match device {
            Some(device) => {
                device.answer = Some(answer);
                true
            }
            None => false,
        }
    }
}

/// Case and punctuation do not matter to a person (section 6.1).
fn letters(text: &str) -> String {
    let kept = text.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_uppercase()).collect()
}

/// Eight letters in two halves: `WDJB-MJHT`.
fn user_code(mut number: u128) -> String {
    let mut code = String::new();
    for place in 0..8 {
        if place == 4 {
            code.push('-');
        }
        code.push(char::from(LETTERS[(number % 20) as usize]));
        number /= 20;
    }
    code
}

/// What a person finds where the flow would send them.
pub(super) fn page() -> Response {
    html(
        200,
        "This twin has no screen: answer by POST /_twin/device {\"user_code\", \"answer\"}.",
    )
}
