//! One test per behaviour of the table in `mailchimp/mod.rs`, through
//! `handle` alone.

mod consent;
mod reading;
mod refusing;
mod screen;
mod tokens;
mod webhooks;
mod writing;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use concord_core::Timestamp;
use serde_json::{Value, json};

use super::{LIST_ID, Mailchimp};
use crate::Twin;
use crate::http::{Request, Response};

const KEY: &str = "0123456789abcdef0123456789abcdef-us1";

/// A twin with a clock that the test moves.
struct Account {
    twin: Mailchimp,
    now: Timestamp,
}

impl Account {
    fn new() -> Self {
        let now = Timestamp::parse("2026-03-01T10:00:00Z").unwrap();
        Self {
            twin: Mailchimp::default(),
            now,
        }
    }

    /// With members p0@example.org, p1@… who joined a second apart.
    fn with_members(count: usize) -> Self {
        let mut account = Self::new();
        for n in 0..count {
            account.subscribe(&format!("p{n}@example.org"));
            account.pass(1);
        }
        account
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    fn send(&mut self, request: Request) -> Response {
        let key = format!("Basic {}", STANDARD.encode(format!("any:{KEY}")));
        self.twin
            .handle(self.now, request.with_header("authorization", &key))
    }

    /// A call below the audience; `null` sends no body.
    fn call(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let target = format!("/3.0/lists/{LIST_ID}{path}");
        let request = match body {
            Value::Null => Request::plain(method, &target),
            body => Request::json(method, &target, &body),
        };
        let response = self.send(request);
        (response.status, response.value())
    }

    fn get(&mut self, path: &str) -> (u16, Value) {
        self.call("GET", path, Value::Null)
    }

    fn subscribe(&mut self, email: &str) -> Value {
        let body = json!({"email_address": email, "status": "subscribed"});
        let (status, member) = self.call("POST", "/members", body);
        assert_eq!(status, 200, "{member}");
        member
    }

    /// By e-mail address, which the vendor takes in place of the hash.
    fn member(&mut self, email: &str) -> (u16, Value) {
        self.get(&format!("/members/{email}"))
    }

    fn control(&mut self, name: &str, body: Value) -> (u16, Value) {
        let request = Request::json("POST", &format!("/_twin/{name}"), &body);
        let response = self.twin.handle(self.now, request);
        (response.status, response.value())
    }

    /// The e-mail addresses of a page, before the `@`.
    fn names(&mut self, query: &str) -> Vec<String> {
        let (status, page) = self.get(&format!("/members?{query}"));
        assert_eq!(status, 200, "{page}");
        let members = page["members"].as_array().unwrap();
        let name = |m: &Value| {
            m["email_address"]
                .as_str()
                .unwrap()
                .split('@')
                .next()
                .unwrap()
                .into()
        };
        members.iter().map(name).collect()
    }
}

fn title(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["title"].as_str().unwrap_or_default())
}
