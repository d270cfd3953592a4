//! The part of the control API that all twins share: failures on demand, the
//! index lag, rate limits on and off, and the books of what was written.
//!
//! | request | meaning |
//! |---|---|
//! | `POST /_twin/fail {count, status, body?, path?}` | the next `count` API calls answer `status` and do nothing |
//! | `POST /_twin/fail {count, status: "drop", path?}` | the next `count` calls are carried out and their answers are lost |
//! | `POST /_twin/lag {ms}` | how long a change needs to become visible to searches |
//! | `POST /_twin/limits {on}` | the vendor's rate limits, on or off |
//! | `GET /_twin/writes` | `{requests, records}` since the start or the last reset |
//! | `POST /_twin/writes {"reset": true}` | starts counting anew |
//! | `GET /_twin/log?after=N` | the change log: who did what to which record |
//!
//! Vendors that send webhooks have `/_twin/webhooks` beside these, see
//! `outbox/faults.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use concord_core::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Request, Response};

/// The change log keeps this many lines; older ones are forgotten.
const LOG_LINES: usize = 20_000;

/// Who changed a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// A person at the vendor's own screen, by way of the control API.
    Person,
    /// A client of the vendor's API.
    Api,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    pub number: u64,
    pub at: String,
    pub actor: Actor,
    /// `create`, `update`, `archive`, `delete`, `merge` and what a twin has beside.
    pub verb: String,
    pub stream: String,
    pub id: String,
}

/// How many requests to write came in, and how many records they changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Writes {
    pub requests: u64,
    pub records: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    count: u32,
    status: Status,
    #[serde(default)]
    body: Option<Value>,
    /// Only calls whose path contains this text.
    #[serde(default)]
    path: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Status {
    Code(u16),
    Word(Drop),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Drop {
    Drop,
}

/// What happens to one call.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Normal,
    /// Nothing is done; this is the answer.
    Refused(Response),
    /// It is done, and the answer is lost.
    AnswerLost,
}

#[derive(Debug)]
pub struct Control {
    failure: Option<Failure>,
    pub lag: Duration,
    pub limits: bool,
    pub writes: Writes,
    log: VecDeque<LogLine>,
    lines: u64,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            failure: None,
            lag: Duration::ZERO,
            limits: true,
            writes: Writes::default(),
            log: VecDeque::new(),
            lines: 0,
        }
    }
}

impl Control {
    /// Answers a request below `/_twin/` that all twins understand alike.
    pub fn handle(&mut self, request: &Request) -> Option<Response> {
        let name = request.path.strip_prefix("/_twin/")?;
        let answer = match (request.method.as_str(), name) {
            ("POST", "fail") => self.set_failure(request),
            ("POST", "lag") => self.set_lag(request),
            ("POST", "limits") => self.set_limits(request),
            ("GET", "writes") => Ok(Response::json(200, &self.writes)),
            ("POST", "writes") => self.reset_writes(request),
            ("GET", "log") => Ok(self.read_log(request)),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    /// What is to happen to the API call that came in just now.
    pub fn fate(&mut self, request: &Request) -> Fate {
        let Some(failure) = &mut self.failure else {
            return Fate::Normal;
        };
        let wanted = failure.path.as_deref().unwrap_or("");
        if !request.path.contains(wanted) {
            return Fate::Normal;
        }
        let fate = match &failure.status {
            Status::Word(Drop::Drop) => Fate::AnswerLost,
            Status::Code(code) => Fate::Refused(match &failure.body {
                Some(body) => Response::json(*code, body),
                None => Response::empty(*code),
            }),
        };
        failure.count -= 1;
        if failure.count == 0 {
            self.failure = None;
        }
        fate
    }

    /// Writes a line of the change log, and counts the record where a client of
    /// the API wrote it.
    pub fn note(&mut self, now: Timestamp, actor: Actor, verb: &str, stream: &str, id: &str) {
        if actor == Actor::Api {
            self.writes.records += 1;
        }
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.lines += 1;
        self.log.push_back(LogLine {
            number: self.lines,
            at: now.to_string(),
            actor,
            verb: verb.to_owned(),
            stream: stream.to_owned(),
            id: id.to_owned(),
        });
    }

    fn set_failure(&mut self, request: &Request) -> Result<Response, Response> {
        let failure: Failure = read(request)?;
        self.failure = (failure.count > 0).then_some(failure);
        Ok(done())
    }

    fn set_lag(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        struct Lag {
            ms: u64,
        }
        let lag: Lag = read(request)?;
        self.lag = Duration::from_millis(lag.ms);
        Ok(done())
    }

    fn set_limits(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        struct Limits {
            on: bool,
        }
        let limits: Limits = read(request)?;
        self.limits = limits.on;
        Ok(done())
    }

    fn reset_writes(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        struct Reset {
            reset: bool,
        }
        let wish: Reset = read(request)?;
        if wish.reset {
            self.writes = Writes::default();
        }
        Ok(Response::json(200, &self.writes))
    }

    fn read_log(&self, request: &Request) -> Response {
        let after: u64 = request
            .parameter("after")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let lines: Vec<&LogLine> = self.log.iter().filter(|l| l.number > after).collect();
        Response::json(200, &json!({ "lines": lines }))
    }
}

/// The JSON body of a control request, or the answer that says what is wrong.
pub fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    serde_json::from_slice(&request.body).map_err(|problem| {
        refused(
            400,
            &format!("the body is not what {} takes: {problem}", request.path),
        )
    })
}

/// A control request that cannot be carried out.
pub fn refused(status: u16, problem: &str) -> Response {
    Response::json(status, &json!({ "error": problem }))
}

/// A control request that was carried out and has nothing to tell.
pub fn done() -> Response {
    Response::json(200, &json!({ "ok": true }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(control: &mut Control, name: &str, body: Value) -> u16 {
        let request = Request::json("POST", &format!("/_twin/{name}"), &body);
        control.handle(&request).unwrap().status
    }

    #[test]
    fn failures_are_counted_down_and_can_be_aimed() {
        let mut control = Control::default();
        let body = json!({"count": 2, "status": 503, "path": "/batch/"});
        assert_eq!(post(&mut control, "fail", body), 200);
        let single = Request::plain("GET", "/crm/objects/1");
        let batch = Request::plain("POST", "/crm/objects/batch/read");
        assert_eq!(control.fate(&single), Fate::Normal);
        assert_eq!(control.fate(&batch), Fate::Refused(Response::empty(503)));
        assert_eq!(control.fate(&batch), Fate::Refused(Response::empty(503)));
        assert_eq!(control.fate(&batch), Fate::Normal);
    }

    #[test]
    fn a_dropped_answer_is_not_a_refusal() {
        let mut control = Control::default();
        assert_eq!(
            post(&mut control, "fail", json!({"count": 1, "status": "drop"})),
            200
        );
        let call = Request::plain("POST", "/x");
        assert_eq!(control.fate(&call), Fate::AnswerLost);
        assert_eq!(control.fate(&call), Fate::Normal);
    }

    #[test]
    fn unknown_words_are_refused_with_the_reason() {
        let mut control = Control::default();
        let request = Request::json(
            "POST",
            "/_twin/fail",
            &json!({"count": 1, "status": "crash"}),
        );
        let answer = control.handle(&request).unwrap();
        assert_eq!(answer.status, 400);
        assert!(
            answer.value()["error"]
                .as_str()
                .unwrap()
                .contains("/_twin/fail")
        );
    }

    #[test]
    fn only_the_api_is_counted_and_the_log_tells_both() {
        let mut control = Control::default();
        control.note(Timestamp::ZERO, Actor::Person, "update", "contacts", "1");
        control.note(Timestamp::ZERO, Actor::Api, "create", "contacts", "2");
        assert_eq!(control.writes.records, 1);
        let log = control.handle(&Request::plain("GET", "/_twin/log?after=1"));
        let lines = log.unwrap().value()["lines"].clone();
        assert_eq!(lines[0]["actor"], "api");
        assert_eq!(lines.as_array().unwrap().len(), 1);
        assert_eq!(post(&mut control, "writes", json!({"reset": true})), 200);
        assert_eq!(control.writes, Writes::default());
    }
}
