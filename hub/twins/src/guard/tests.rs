use std::sync::Mutex;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::HttpResponse;
use serde_json::json;

use super::*;
use crate::oauth::OAuth;
use crate::{Response, Twin};

/// An authorization server's twin behind the port, without a socket.
pub(crate) struct Wire {
    server: Mutex<OAuth>,
    now: Mutex<Timestamp>,
}

#[async_trait]
impl Http for Wire {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let target = request.url.strip_prefix("http://login.test");
        let target = target.ok_or_else(|| HttpError::Unreachable(request.url.clone()))?;
        let mut asked = Request::plain(&request.method, target);
        asked.headers = request.headers;
        asked.body = request.body.unwrap_or_default();
        if let Some(auth) = request.auth {
            asked = asked.with_header(&auth.name, auth.value.expose());
        }
        let answer = self.ask(asked);
        if answer.is_lost() {
            return Err(HttpError::NoAnswer("lost".into()));
        }
        Ok(HttpResponse {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }
}

impl Wire {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            server: Mutex::new(OAuth::new(1)),
            now: Mutex::new(Timestamp::ZERO),
        })
    }

    pub(crate) fn ask(&self, request: Request) -> Response {
        let now = *self.now.lock().unwrap();
        self.server.lock().unwrap().handle(now, request)
    }

    pub(crate) fn pass(&self, seconds: u64) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(Duration::from_secs(seconds));
    }

    /// A token of this client with the scope `a b`.
    pub(crate) fn token(&self) -> String {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", "concord"),
            ("client_secret", "concord-secret"),
            ("scope", "a b"),
        ];
        let answer = self.ask(Request::form("POST", "/token", &fields));
        answer.value()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn guard(self: &Arc<Self>) -> Guard {
        Guard {
            http: Arc::clone(self) as Arc<dyn Http>,
            url: "http://login.test/introspect".into(),
            client_id: "concord".into(),
            client_secret: Secret::new("concord-secret"),
            clients: Vec::new(),
            scope: None,
        }
    }
}

fn with(header: &str) -> Request {
    Request::plain("GET", "/x").with_header("authorization", header)
}

#[tokio::test]
async fn a_token_is_good_for_its_client_its_scope_and_its_time() {
    let wire = Wire::new();
    let token = wire.token();
    let bearer = format!("Bearer {token}");
    let table = [
        (bearer.as_str(), &[][..], None, true),
        (&bearer, &["concord"], None, true),
        (&bearer, &["other", "concord"], Some("b"), true),
        (&bearer, &["other"], None, false),
        (&bearer, &[], Some("c"), false),
        (&bearer, &[], Some("a b"), false),
        ("Bearer unknown", &[], None, false),
        ("Bearer ", &[], None, false),
        ("Basic eDp5", &[], None, false),
        (&token, &[], None, false),
    ];
    for (header, clients, scope, expected) in table {
        let guard = Guard {
            clients: clients.iter().map(|client| (*client).to_owned()).collect(),
            scope: scope.map(str::to_owned),
            ..wire.guard()
        };
        let admitted = guard.admits(&with(header)).await.unwrap();
        assert_eq!(admitted, expected, "{header} {clients:?} {scope:?}");
    }
    assert!(
        !wire
            .guard()
            .admits(&Request::plain("GET", "/x"))
            .await
            .unwrap()
    );
    // Nothing is remembered.
    wire.pass(3600);
    assert!(!wire.guard().admits(&with(&bearer)).await.unwrap());
}

#[tokio::test]
async fn who_cannot_ask_does_not_know() {
    let wire = Wire::new();
    let bearer = format!("Bearer {}", wire.token());
    let wrong_secret = Guard {
        client_secret: Secret::new("wrong"),
        ..wire.guard()
    };
    let elsewhere = Guard {
        url: "http://nowhere.test/introspect".into(),
        ..wire.guard()
    };
    let not_json = Guard {
        url: "http://login.test/verify".into(),
        ..wire.guard()
    };
    let table = [
        (wrong_secret, "status 401"),
        (elsewhere, "cannot be asked"),
        (not_json, "status 404"),
    ];
    for (guard, expected) in table {
        let problem = guard.admits(&with(&bearer)).await.unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}");
    }
    let lost = json!({"count": 1, "status": "drop"});
    wire.ask(Request::json("POST", "/_twin/fail", &lost));
    assert!(wire.guard().admits(&with(&bearer)).await.is_err());
    let strange = json!({"count": 1, "status": 200, "body": {"active": "yes"}});
    wire.ask(Request::json("POST", "/_twin/fail", &strange));
    let problem = wire.guard().admits(&with(&bearer)).await.unwrap_err();
    assert!(problem.to_string().contains("cannot be read"), "{problem}");
    assert!(!format!("{:?}", wire.guard()).contains("concord-secret"));
}

#[tokio::test]
async fn names_and_secrets_may_have_any_letters() {
    // RFC 6749 section 2.3.1 and appendix B.
    let wire = Wire::new();
    let bearer = format!("Bearer {}", wire.token());
    let client = json!({"client_id": "a:b c", "client_secret": "ä+%:&", "redirect_uris": []});
    wire.ask(Request::json("POST", "/_twin/clients", &client));
    let guard = Guard {
        client_id: "a:b c".into(),
        client_secret: Secret::new("ä+%:&"),
        ..wire.guard()
    };
    assert!(guard.admits(&with(&bearer)).await.unwrap());
}
