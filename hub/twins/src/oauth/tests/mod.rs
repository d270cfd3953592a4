//! What the RFCs ask of a server, section by section, through `handle` alone.

mod authorizing;
mod devices;
mod refreshing;
mod refusing;
mod screens;
mod telling;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use concord_core::Timestamp;
use serde_json::{Value, json};
use url::Url;

use super::OAuth;
use crate::{Request, Response, Twin};

const CALLBACK: &str = "http://127.0.0.1:51004/callback";

/// The pair of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Parameters of a request.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// A server with a clock that the test moves.
struct Desk {
    twin: OAuth,
    now: Timestamp,
}

impl Desk {
    fn new() -> Self {
        Self {
            twin: OAuth::new(1),
            now: Timestamp::parse("2026-03-01T10:00:00Z").unwrap(),
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    fn send(&mut self, request: Request) -> Response {
        self.twin.handle(self.now, request)
    }

    fn control(&mut self, name: &str, body: Value) -> Value {
        let request = Request::json("POST", &format!("/_twin/{name}"), &body);
        let answer = self.send(request);
        assert_eq!(answer.status, 200, "{name}: {}", answer.value());
        answer.value()
    }

    fn counts(&mut self) -> Value {
        self.send(Request::plain("GET", "/_twin/grants")).value()
    }

    /// Where an authorization request with these parameters leads; the page's
    /// status where it leads nowhere.
    fn authorize(&mut self, parameters: &[(&str, &str)]) -> Result<Url, u16> {
        let mut target = Url::parse("http://x/authorize").unwrap();
        target.query_pairs_mut().extend_pairs(parameters);
        let query = target.query().unwrap();
        let answer = self.send(Request::plain("GET", &format!("/authorize?{query}")));
        let location = answer.headers.iter().find(|(name, _)| name == "location");
        match location {
            Some((_, url)) => {
                assert_eq!(answer.status, 302);
                Ok(Url::parse(url).unwrap())
            }
            None => Err(answer.status),
        }
    }

    /// A code of the client with a secret.
    fn code(&mut self) -> String {
        let target = self.authorize(&[
            ("response_type", "code"),
            ("client_id", "concord"),
            ("redirect_uri", CALLBACK),
            ("scope", "contacts.read contacts.write"),
            ("state", "s1"),
        ]);
        parameter(&target.unwrap(), "code").unwrap()
    }

    /// A request of the client with a secret, in the body.
    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let own = [
            ("client_id", "concord"),
            ("client_secret", "concord-secret"),
        ];
        self.post_as_is(path, &[&own, fields].concat())
    }

    fn post_as_is(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let answer = self.send(Request::form("POST", path, fields));
        (answer.status, answer.value())
    }

    fn redeem(&mut self, code: &str) -> (u16, Value) {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
        ];
        self.post("/token", &fields)
    }

    fn refresh(&mut self, token: &str) -> (u16, Value) {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post("/token", &fields)
    }

    fn tokens(&mut self) -> Value {
        let code = self.code();
        let (status, tokens) = self.redeem(&code);
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    fn introspect(&mut self, token: &str) -> Value {
        let (status, told) = self.post("/introspect", &[("token", token)]);
        assert_eq!(status, 200, "{told}");
        told
    }

    fn is_active(&mut self, token: &str) -> bool {
        self.introspect(token)["active"].as_bool().unwrap()
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

fn error(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}
