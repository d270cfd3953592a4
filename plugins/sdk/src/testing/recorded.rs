//! Calls of a connector that were recorded in a hub, as fixtures: `concord plugin
//! fixture` writes each into a file, and this runs the connector on it natively.
//!
//! ```no_run
//! # use concord_sdk::prelude::*;
//! # fn test<C: Connector>() {
//! concord_sdk::testing::recorded::<C>("fixtures/recorded");
//! # }
//! ```

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Expected, FakeHost, request};
use crate::{
    Absence, Action, Change, Connector, Fault, HttpError, Op, Outcome, PullMode, RemoteRecord,
    Response, Selection, TimeWindow,
};

#[derive(Deserialize)]
struct Recorded {
    operation: String,
    #[serde(default)]
    stream: String,
    with: Value,
    now: i64,
    config: std::collections::BTreeMap<String, String>,
    exchanges: Vec<Exchange>,
    result: Value,
}

#[derive(Deserialize)]
struct Exchange {
    request: Sent,
    answer: Result<Received, Value>,
}

#[derive(Deserialize)]
struct Sent {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<Body>,
}

#[derive(Deserialize)]
struct Received {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Body {
    Text(String),
}

/// Runs the connector on every recorded call of a folder, in order of the files'
/// names: it has to send the same requests and to answer the same.  Says how many
/// there were.
pub fn recorded<C: Connector>(folder: impl AsRef<Path>) -> usize {
    let folder = folder.as_ref();
    let name = folder.display();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a folder's entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    paths.sort();
    for path in &paths {
        let place = path.display();
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{place}: {error}"));
        let call: Recorded =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
        let result = call.run::<C>();
        assert!(
            same(&call.result, &result),
            "{place}: it answers\n{result:#}\nand not\n{:#}",
            call.result
        );
    }
    paths.len()
}

impl Recorded {
    fn run<C: Connector>(&self) -> Value {
        let mut host = FakeHost::new().at(self.now);
        for (key, value) in &self.config {
            host = host.with_config(key, value);
        }
        for exchange in &self.exchanges {
            host.expect(exchange.expected(), exchange.answer());
        }
        let stream = self.stream.as_str();
        let texts = |name: &str| -> Vec<String> {
            serde_json::from_value(self.with[name].clone()).expect(name)
        };
        match self.operation.as_str() {
            "pull" => {
                let cursor = self.with["cursor"].as_str();
                let page = C::pull(&host, stream, &selection(&self.with["selection"]), cursor);
                told(page, |page| {
                    json!({
                        "changes": list(&page.changes, change), "next": page.next,
                        "more": page.more, "complete": page.complete,
                    })
                })
            }
            "fetch" => {
                let found = C::fetch(&host, stream, &texts("ids"), &texts("fields"));
                told(found, |found| list(&found, change))
            }
            "find" => {
                let values = self.with["values"].as_object().expect("values");
                let found = C::find(&host, stream, values, &texts("fields"));
                told(found, |found| list(&found, record))
            }
            "push" => {
                let ops = self.with["ops"].as_array().expect("ops");
                let ops: Vec<Op> = ops.iter().map(op).collect();
                told(C::push(&host, stream, &ops), |all| list(&all, outcome))
            }
            "check" => told(C::check(&host), |found| {
                json!({
                    "account_id": found.account_id, "account_name": found.account_name,
                    "unavailable": found.unavailable,
                })
            }),
            other => panic!("a recorded call of '{other}' is not known here"),
        }
    }
}

impl Exchange {
    fn expected(&self) -> Expected {
        let Sent {
            method,
            url,
            headers,
            body,
        } = &self.request;
        let mut expected = request(method, url);
        for (name, value) in headers {
            expected = expected.header(name, value);
        }
        match body {
            Some(Body::Text(text)) => expected.text(text),
            None => expected,
        }
    }

    fn answer(&self) -> Result<Response, HttpError> {
        match &self.answer {
            Ok(received) => {
                let Body::Text(body) = &received.body;
                Ok(Response {
                    status: received.status,
                    headers: received.headers.clone(),
                    body: body.clone().into_bytes(),
                })
            }
            Err(failure) => {
                let (kind, why) = failure
                    .as_object()
                    .and_then(|kinds| kinds.iter().next())
                    .expect("a failure has a kind");
                let why = why.as_str().map_or_else(|| why.to_string(), str::to_owned);
                Err(match kind.as_str() {
                    "denied" => HttpError::Denied(why),
                    "unreachable" => HttpError::Unreachable(why),
                    "too-large" => HttpError::TooLarge(why),
                    _ => HttpError::NoAnswer(why),
                })
            }
        }
    }
}

fn selection(value: &Value) -> Selection {
    let window = &value["window"];
    Selection {
        mode: match value["mode"].as_str() {
            Some("full") => PullMode::Full,
            _ => PullMode::Changes,
        },
        fields: serde_json::from_value(value["fields"].clone()).expect("fields"),
        page_size: serde_json::from_value(value["page_size"].clone()).expect("page_size"),
        window: window["from"].as_i64().map(|from| TimeWindow {
            from,
            until: window["until"].as_i64().expect("a window has an end"),
        }),
    }
}

fn op(value: &Value) -> Op {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let action = &value["action"];
    Op {
        intent: text(&value["intent"]).expect("an intent"),
        action: match (text(&action["update"]), text(&action["delete"])) {
            (Some(id), _) => Action::Update(id),
            (_, Some(id)) => Action::Delete(id),
            _ => Action::Create,
        },
        base_version: text(&value["base_version"]),
        fields: value["fields"].to_string(),
    }
}

// What a call gave, in the form in which the hub keeps it.

fn told<T>(result: Result<T, Fault>, value: impl FnOnce(T) -> Value) -> Value {
    match result {
        Ok(given) => json!({ "ok": value(given) }),
        Err(error) => json!({ "fault": fault(&error) }),
    }
}

fn list<T>(all: &[T], value: impl Fn(&T) -> Value) -> Value {
    all.iter().map(value).collect()
}

fn change(change: &Change) -> Value {
    match change {
        Change::Upsert(found) => json!({ "Upsert": record(found) }),
        Change::Gone(gone) => {
            let absence = match &gone.absence {
                Absence::Tombstone => json!("tombstone"),
                Absence::Archived => json!("archived"),
                Absence::MergedInto(id) => json!({ "merged-into": id }),
                Absence::Hidden => json!("hidden"),
            };
            json!({ "Gone": { "id": gone.id, "absence": absence, "at": gone.at } })
        }
        Change::Malformed(broken) => json!({ "Malformed": {
            "id": broken.id, "reason": broken.reason, "raw": broken.raw,
        } }),
    }
}

fn record(record: &RemoteRecord) -> Value {
    let fields: Map<String, Value> = serde_json::from_str(&record.fields).unwrap_or_default();
    json!({
        "id": record.id, "version": record.version, "modified_at": record.modified_at,
        "fields": fields, "partial": record.partial,
    })
}

fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Applied(done) => json!({ "Applied": {
            "id": done.id, "version": done.version, "stored": done.stored.as_ref().map(record),
        } }),
        Outcome::Failed(error) => json!({ "Failed": fault(error) }),
    }
}

fn fault(fault: &Fault) -> Value {
    let delayed = |delay: &crate::Delay| json!({ "until": delay.until, "message": delay.message });
    match fault {
        Fault::AuthExpired(why) => json!({ "auth-expired": why }),
        Fault::AuthRevoked(why) => json!({ "auth-revoked": why }),
        Fault::Forbidden(why) => json!({ "forbidden": why }),
        Fault::RateLimited(delay) => json!({ "rate-limited": delayed(delay) }),
        Fault::Transient(delay) => json!({ "transient": delayed(delay) }),
        Fault::UnknownOutcome(why) => json!({ "unknown-outcome": why }),
        Fault::NotFound(why) => json!({ "not-found": why }),
        Fault::VersionConflict(now) => json!({ "version-conflict": now.as_ref().map(record) }),
        Fault::Invalid(faults) => {
            let one = |one: &crate::FieldFault| json!({"field": one.field, "message": one.message});
            json!({ "invalid": list(faults, one) })
        }
        Fault::WindowTooLarge(why) => json!({ "window-too-large": why }),
        Fault::CursorExpired(why) => json!({ "cursor-expired": why }),
        Fault::Bug(why) => json!({ "bug": why }),
    }
}

/// The hub says in front of a bug whose it is.
fn same(recorded: &Value, found: &Value) -> bool {
    let bug = |value: &Value| value["fault"]["bug"].as_str().map(str::to_owned);
    match (bug(recorded), bug(found)) {
        (Some(recorded), Some(found)) => recorded.ends_with(&found),
        _ => recorded == found,
    }
}
