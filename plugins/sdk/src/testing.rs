//! A host for a connector's own tests: scripted answers, natively, without
//! WASM.
//!
//! ```
//! use concord_sdk::prelude::*;
//! use concord_sdk::testing::{FakeHost, answer, get};
//!
//! let host = FakeHost::new().with_config("base", "https://api.example.com");
//! host.expect(get("https://api.example.com/me"), answer(200).json(&serde_json::json!({"id": 7})));
//!
//! let host: &dyn Host = &host;
//! let me: Value = host.call_ok(Request::get("https://api.example.com/me"))?.json()?;
//! assert_eq!(me["id"], 7);
//! # Ok::<(), Fault>(())
//! ```

mod recorded;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use crate::{Host, HttpError, Level, Request, Response};

pub use recorded::recorded;

/// Answers requests in the order in which they were expected.  A request that
/// was not expected fails the test at once; an expectation that nothing used
/// fails it at the end.
#[derive(Default)]
pub struct FakeHost {
    now: i64,
    config: BTreeMap<String, String>,
    expected: RefCell<VecDeque<(Expected, Result<Response, HttpError>)>>,
    sent: RefCell<Vec<Request>>,
    logged: RefCell<Vec<(Level, String)>>,
}

impl FakeHost {
    pub fn new() -> Self {
        Self::default()
    }

    /// What the clock says, in microseconds since 1970.
    pub fn at(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    pub fn with_config(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The next request that is still unanswered must be this one.
    pub fn expect(&self, request: Expected, answer: impl Into<Result<Response, HttpError>>) {
        self.expected
            .borrow_mut()
            .push_back((request, answer.into()));
    }

    /// What was sent so far.
    pub fn sent(&self) -> Vec<Request> {
        self.sent.borrow().clone()
    }

    /// What was logged so far.
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.logged.borrow().clone()
    }
}

impl Host for FakeHost {
    fn send(&self, request: Request) -> Result<Response, HttpError> {
        self.sent.borrow_mut().push(request.clone());
        let next = self.expected.borrow_mut().pop_front();
        let Some((expected, answer)) = next else {
            panic!("unexpected request: {} {}", request.method, request.url);
        };
        expected.check(&request);
        answer
    }

    fn log(&self, level: Level, message: &str) {
        self.logged.borrow_mut().push((level, message.to_owned()));
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn config(&self, key: &str) -> Option<String> {
        self.config.get(key).cloned()
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        // A second panic while one is under way would abort the test binary
        // and hide the first.
        if std::thread::panicking() {
            return;
        }
        let left: Vec<String> = self
            .expected
            .borrow()
            .iter()
            .map(|(expected, _)| format!("{} {}", expected.method, expected.url))
            .collect();
        assert!(left.is_empty(), "expected but never sent: {left:?}");
    }
}

/// What a request must look like.
pub struct Expected {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Body>,
}

enum Body {
    Json(Value),
    Text(String),
}

/// A request with this method and exactly this URL, with any headers and body.
pub fn request(method: &str, url: impl Into<String>) -> Expected {
    Expected {
        method: method.to_owned(),
        url: url.into(),
        headers: Vec::new(),
        body: None,
    }
}

pub fn get(url: impl Into<String>) -> Expected {
    request("GET", url)
}

pub fn post(url: impl Into<String>) -> Expected {
    request("POST", url)
}

impl Expected {
    /// It must carry this header; its name is compared without case.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its body must be this JSON value, however it is spelt.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        let value = serde_json::to_value(body).expect("a test's own body can be written as JSON");
        self.body = Some(Body::Json(value));
        self
    }

    /// Its body must be exactly this text.
    pub fn text(mut self, body: impl Into<String>) -> Self {
        self.body = Some(Body::Text(body.into()));
        self
    }

    fn check(&self, request: &Request) {
        let name = format!("{} {}", request.method, request.url);
        assert_eq!(name, format!("{} {}", self.method, self.url));
        for expected in &self.headers {
            let carried = request
                .headers
                .iter()
                .any(|(n, v)| n.eq_ignore_ascii_case(&expected.0) && *v == expected.1);
            assert!(carried, "{name} lacks {expected:?}: {:?}", request.headers);
        }
        let body = request.body.as_deref().unwrap_or_default();
        match &self.body {
            None => {}
            Some(Body::Json(expected)) => {
                let found: Option<Value> = serde_json::from_slice(body).ok();
                assert_eq!(found.as_ref(), Some(expected), "body of {name}");
            }
            Some(Body::Text(expected)) => {
                assert_eq!(String::from_utf8_lossy(body), *expected, "body of {name}");
            }
        }
    }
}

/// An answer to build: `answer(200).json(&…)`.
pub fn answer(status: u16) -> Answer {
    Answer(Response {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    })
}

pub struct Answer(Response);

impl Answer {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.0.body = serde_json::to_vec(body).expect("a test's own body can be written as JSON");
        self.header("content-type", "application/json")
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }
}

impl From<Answer> for Result<Response, HttpError> {
    fn from(answer: Answer) -> Self {
        Ok(answer.0)
    }
}

/// No answer at all.
impl From<HttpError> for Result<Response, HttpError> {
    fn from(error: HttpError) -> Self {
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let panic = std::panic::catch_unwind(test).expect_err("the fake host let it pass");
        panic
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| "a panic without text".into())
    }

    #[test]
    fn what_was_not_expected_fails_the_test() {
        let message = fails(|| {
            let _ = FakeHost::new().send(Request::get("https://a.example/"));
        });
        assert!(
            message.contains("unexpected request: GET https://a.example/"),
            "{message}"
        );
    }

    #[test]
    fn what_was_expected_and_never_sent_fails_the_test() {
        let message = fails(|| {
            FakeHost::new().expect(get("https://a.example/"), answer(200));
        });
        assert!(message.contains("never sent"), "{message}");
    }

    #[test]
    fn another_body_fails_the_test() {
        fails(|| {
            let host = FakeHost::new();
            host.expect(post("https://a.example/").json(&1), answer(200));
            let _ = host.send(Request::post("https://a.example/").body("text/plain", "2"));
        });
    }

    #[test]
    fn a_lost_answer_can_be_scripted() {
        let host = FakeHost::new();
        host.expect(
            get("https://a.example/"),
            HttpError::NoAnswer("reset".into()),
        );
        let result = host.send(Request::get("https://a.example/"));
        assert_eq!(result, Err(HttpError::NoAnswer("reset".into())));
    }
}
