//! A server that says what the test wants, and a row that others write to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::chance::Seeded;
use concord_core::manifest::OAuth;
use concord_core::ports::{
    Clock, Http, HttpError, HttpRequest, HttpResponse, Secret, TokenError, Tokens as _,
};
use concord_core::secret::{KeepError, Kept, KeptSecret};
use serde_json::{Value, json};

use super::*;
use crate::clock::tests::TestClock;

mod accounts_server;
mod keeper;
mod sign_in;
mod tenants;

/// A row that can fail and be written to by others.
#[derive(Default)]
struct Row {
    text: Mutex<Option<(String, i64)>>,
    failures: Mutex<u32>,
    /// How much time passes while the next text is kept.
    slow: Mutex<Option<(Arc<TestClock>, Duration)>>,
}

impl Row {
    fn takes(&self, clock: Arc<TestClock>, span: Duration) {
        *self.slow.lock().unwrap() = Some((clock, span));
    }

    fn value(&self) -> Value {
        let text = self.text.lock().unwrap();
        serde_json::from_str(&text.as_ref().unwrap().0).unwrap()
    }

    fn put(&self, value: &Value) {
        let mut text = self.text.lock().unwrap();
        let revision = text.as_ref().map_or(0, |(_, revision)| *revision);
        *text = Some((value.to_string(), revision + 1));
    }
}

#[async_trait]
impl KeptSecret for Row {
    async fn read(&self) -> Result<Option<Kept>, KeepError> {
        let text = self.text.lock().unwrap();
        Ok(text.as_ref().map(|(text, revision)| Kept {
            text: Secret::new(text.as_str()),
            revision: *revision,
        }))
    }

    async fn replace(&self, revision: i64, secret: &Secret) -> Result<bool, KeepError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(KeepError::Store("the disk is full".into()));
        }
        if let Some((clock, span)) = self.slow.lock().unwrap().take() {
            *clock.0.lock().unwrap() += span;
        }
        let mut text = self.text.lock().unwrap();
        if text.as_ref().map_or(0, |(_, revision)| *revision) != revision {
            return Ok(false);
        }
        *text = Some((secret.expose().to_owned(), revision + 1));
        Ok(true)
    }
}

type Answered = Box<dyn FnOnce(&Row) -> Result<HttpResponse, HttpError> + Send>;

struct Server {
    row: Arc<Row>,
    answers: Mutex<VecDeque<Answered>>,
    forms: Mutex<Vec<BTreeMap<String, String>>>,
    urls: Mutex<Vec<String>>,
    timeouts: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Http for Server {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let form = url::form_urlencoded::parse(request.body.as_deref().unwrap_or_default());
        self.forms.lock().unwrap().push(form.into_owned().collect());
        self.urls.lock().unwrap().push(request.url);
        self.timeouts.lock().unwrap().push(request.timeout);
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.expect("a request that the test did not expect");
        answer(&self.row)
    }
}

struct Bench {
    row: Arc<Row>,
    server: Arc<Server>,
    clock: Arc<TestClock>,
    keeper: Keeper,
}

const START: i64 = 1_000_000;

fn at(second: i64) -> i64 {
    second * 1_000_000
}

/// A grant that was given at START and whose token lives for 1000 s.
fn grant() -> Value {
    json!({
        "access": "a1", "refresh": "r1", "state": "ready",
        "obtained_at": at(START), "signed_in_at": at(START), "expires_at": at(START + 1000),
    })
}

fn app() -> App {
    App {
        connection: "crm".into(),
        client_id: "id".into(),
        client_secret: Some(Secret::new("app-secret")),
        endpoints: Endpoints {
            authorize: Some("https://login.example/authorize".into()),
            token: "https://login.example/token".into(),
            device: None,
            revoke: Some("https://login.example/revoke".into()),
            tenants: None,
            redirect: "http://127.0.0.1:8497/callback".into(),
        },
        scopes: vec!["contacts".into()],
        by_itself: false,
        manifest: toml_manifest(),
    }
}

fn toml_manifest() -> OAuth {
    serde_json::from_value(json!({
        "authorize-url": "https://login.example/authorize",
        "token-url": "https://login.example/token",
        "over": ["BAD_REFRESH_TOKEN"],
    }))
    .unwrap()
}

impl Bench {
    fn new(app: App, kept: Option<Value>) -> Self {
        let row = Arc::new(Row::default());
        if let Some(kept) = kept {
            row.put(&kept);
        }
        let server = Arc::new(Server {
            row: Arc::clone(&row),
            answers: Mutex::default(),
            forms: Mutex::default(),
            urls: Mutex::default(),
            timeouts: Mutex::default(),
        });
        let now = Duration::from_secs(u64::try_from(START).unwrap());
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let keeper = Keeper::new(KeeperParts {
            app,
            header: ("authorization".into(), "Bearer ".into()),
            kept: Arc::clone(&row) as Arc<dyn KeptSecret>,
            transport: Transport {
                http: Arc::clone(&server) as Arc<dyn Http>,
                timeout: Duration::from_secs(20),
            },
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            rng: Arc::new(Seeded::new(1)),
        });
        Self {
            row,
            server,
            clock,
            keeper: keeper.unwrap(),
        }
    }

    fn signed_in() -> Self {
        Self::new(app(), Some(grant()))
    }

    /// So many seconds after the sign-in.
    fn when(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() =
            Duration::from_secs(u64::try_from(START + seconds).unwrap());
    }

    fn will(&self, answer: impl FnOnce(&Row) -> Result<HttpResponse, HttpError> + Send + 'static) {
        self.server
            .answers
            .lock()
            .unwrap()
            .push_back(Box::new(answer));
    }

    fn answers(&self, status: u16, body: Value) {
        self.will(move |_| Ok(http(status, &body)));
    }

    fn gives(&self, access: &str, refresh: &str) {
        self.answers(200, token(access, refresh));
    }

    fn asked(&self) -> Vec<String> {
        let forms = self.server.forms.lock().unwrap();
        let used = |form: &BTreeMap<String, String>| form.get("refresh_token").cloned();
        forms
            .iter()
            .map(|form| used(form).unwrap_or_default())
            .collect()
    }

    async fn header(&self) -> Result<String, TokenError> {
        let header = self.keeper.header().await?;
        Ok(header.unwrap().value.expose().to_owned())
    }

    async fn person(&self) -> String {
        match self.header().await {
            Err(TokenError::Person(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    async fn passing(&self) -> String {
        match self.header().await {
            Err(TokenError::Passing(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

fn http(status: u16, body: &Value) -> HttpResponse {
    HttpResponse {
        status,
        headers: vec![("retry-after".into(), "30".into())],
        body: body.to_string().into_bytes(),
    }
}

fn token(access: &str, refresh: &str) -> Value {
    json!({
        "access_token": access, "refresh_token": refresh,
        "token_type": "bearer", "expires_in": 1000,
    })
}
