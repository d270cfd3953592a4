//! An account at a twin: a connector's way to it, and a person's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use concord_conformance::Unable;
use concord_core::Timestamp;
use concord_core::ports::{
    Clock, Connector, Http, HttpError, HttpRequest, HttpResponse, Secret, SecretHeader, TokenError,
    Tokens,
};
use concord_host::{Host, HostOptions, Limits, Plugin, Runtime};
use concord_twins::{Request, Response, Twin, by_name};
use serde_json::{Value, json};

use crate::parts::{Unlimited, component};

/// Where the connector believes the twin to be.
const BASE: &str = "https://twin.example";

/// 2026-11-21T00:00:00Z in milliseconds.
const START: i64 = 1_795_219_200_000;

/// How many people the account knows at the start.
const PEOPLE: usize = 40;

/// A twin in virtual time.  Every request takes a millisecond.
struct World {
    twin: Mutex<Box<dyn Twin>>,
    millis: AtomicI64,
}

impl World {
    fn send(&self, request: Request) -> Response {
        let now = self.millis.fetch_add(1, Ordering::SeqCst) + 1;
        let mut twin = self.twin.lock().unwrap();
        twin.handle(Timestamp::from_millis(now), request)
    }
}

#[async_trait]
impl Http for World {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let target = request
            .url
            .strip_prefix(BASE)
            .ok_or_else(|| HttpError::Denied(request.url.clone()))?;
        let mut sent = Request::plain(&request.method, target);
        for (name, value) in &request.headers {
            sent = sent.with_header(name, value);
        }
        if let Some(auth) = &request.auth {
            sent = sent.with_header(&auth.name, auth.value.expose());
        }
        sent.body = request.body.unwrap_or_default();
        let answer = World::send(self, sent);
        if answer.is_lost() {
            return Err(HttpError::NoAnswer("the connection was closed".into()));
        }
        Ok(HttpResponse {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::from_millis(START))
    }

    async fn sleep(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap();
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

struct Token;

#[async_trait]
impl Tokens for Token {
    async fn header(&self) -> Result<Option<SecretHeader>, TokenError> {
        Ok(Some(SecretHeader {
            name: "Authorization".to_owned(),
            value: Secret::new("Bearer the-token-us1"),
        }))
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![Secret::new("the-token-us1")]
    }
}

pub struct Account {
    world: Arc<World>,
    plugin: Plugin,
    config: BTreeMap<String, String>,
}

impl Account {
    /// An account full of people.  Vendors' rate limits are off: they are
    /// tried on demand.  What was written reaches lists after `lag`.
    pub fn open(vendor: &str, lag: Duration, config: &[(&str, &str)]) -> Self {
        let world = World {
            twin: Mutex::new(by_name(vendor, 7, PEOPLE).unwrap()),
            millis: AtomicI64::new(START),
        };
        let host = Host::new(HostOptions::default()).unwrap();
        let mut config: BTreeMap<String, String> = config
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        config.insert("base_url".to_owned(), BASE.to_owned());
        let account = Self {
            world: Arc::new(world),
            plugin: host.load(&component(vendor)).unwrap(),
            config,
        };
        account.control("limits", &json!({"on": false})).unwrap();
        let lag = u64::try_from(lag.as_millis()).unwrap();
        account.control("lag", &json!({ "ms": lag })).unwrap();
        account
    }

    pub fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(self.plugin.connect(Runtime {
            connection: "under-test".to_owned(),
            config: self.config.clone(),
            http: Arc::clone(&self.world) as Arc<dyn Http>,
            quota: Arc::new(Unlimited),
            tokens: Arc::new(Token),
            clock: Arc::clone(&self.world) as Arc<dyn Clock>,
            limits: Limits::default(),
        }))
    }

    /// Something that a person does at the vendor's screen.
    pub fn control(&self, name: &str, body: &Value) -> Result<Value, Unable> {
        self.screen(Request::json("POST", &format!("/_twin/{name}"), body))
    }

    /// Everything that is stored.
    pub fn dump(&self, stream: &str) -> Result<Value, Unable> {
        self.screen(Request::plain("GET", &format!("/_twin/dump/{stream}")))
    }

    fn screen(&self, request: Request) -> Result<Value, Unable> {
        let path = request.path.clone();
        let answer = self.world.send(request);
        if answer.status != 200 {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(Unable::Failed(format!("{path}: {} {body}", answer.status)));
        }
        Ok(answer.value())
    }

    pub async fn pass(&self, span: Duration) {
        self.world.sleep(span).await;
    }
}
