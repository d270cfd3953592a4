//! What the guest does, by the value of `misbehave`.

use concord_sdk::prelude::*;

use crate::memory;

fn wish(host: &dyn Host) -> Result<String, Fault> {
    host.config_or_fault("misbehave")
}

/// Pages that no connector should give.
pub(crate) fn page(host: &dyn Host, cursor: Option<&str>) -> Result<Page, Fault> {
    let small = || vec![Change::Upsert(record("1", "{\"name\":\"Ann\"}"))];
    let step: u64 = cursor.and_then(|c| c.parse().ok()).unwrap_or(0);
    let more = |changes, next: &str| Page {
        changes,
        next: Some(next.to_owned()),
        more: true,
        complete: false,
    };
    let last = |changes| Page {
        changes,
        next: None,
        more: false,
        complete: true,
    };
    Ok(match wish(host)?.as_str() {
        "good" => last(small()),
        "loop" => loop {
            std::hint::black_box(0);
        },
        "loop-on-the-host" => loop {
            host.now();
        },
        "memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        "panic" => panic!("the guest gives up"),
        "deep" => {
            std::hint::black_box(descend(0));
            last(Vec::new())
        }
        "gigantic-record" => last(vec![Change::Upsert(record("1", &" ".repeat(33 << 20)))]),
        "gigantic-page" => last(
            (0..20_001)
                .map(|number| Change::gone(number.to_string(), Absence::Hidden, None))
                .collect(),
        ),
        "stuck-cursor" => more(small(), "here"),
        "circling-cursor" => {
            let id = step.to_string();
            let next = (step + 1) % 3;
            more(vec![Change::Upsert(record(&id, "{}"))], &next.to_string())
        }
        "same-page" => more(small(), &(step + 1).to_string()),
        "no-cursor" => Page {
            next: None,
            ..more(small(), "")
        },
        "broken-record" => last(vec![
            Change::Upsert(record("1", "{\"name\":\"Ann\"}")),
            Change::Upsert(record("2", "{\"name\":")),
            Change::Upsert(record("", "{}")),
            Change::Upsert(record("3", "{\"name\":\"Bob\"}")),
        ]),
        other => return Err(Fault::bug(format!("there is no misbehaviour '{other}'"))),
    })
}

/// Calls itself until the stack is used up.
fn descend(depth: u64) -> u64 {
    if std::hint::black_box(depth) == u64::MAX {
        return depth;
    }
    descend(depth + 1).wrapping_add(std::hint::black_box(1))
}

pub(crate) fn record(id: &str, fields: &str) -> RemoteRecord {
    RemoteRecord {
        id: id.to_owned(),
        version: None,
        modified_at: None,
        fields: fields.to_owned(),
        partial: false,
    }
}

/// Requests that no connector should send.
pub(crate) fn network(host: &dyn Host) -> Result<String, Fault> {
    let url = host.config_or_fault("url")?;
    let get = || Request::get(url.clone());
    Ok(match wish(host)?.as_str() {
        "get" => said(host.send(get())),
        "post" => said(host.send(Request::post(url).body("text/plain", "hello"))),
        "forge-host" => said(host.send(get().header("Host", "bank.example"))),
        "forge-authorization" => {
            said(host.send(get().header("authorization", "Bearer of another")))
        }
        "smuggle-header" => {
            said(host.send(get().header("X-A", "1\r\nAuthorization: Bearer of another")))
        }
        "many-requests" => {
            let mut answer = said(host.send(get()));
            while !answer.starts_with("exhausted") {
                answer = said(host.send(get()));
            }
            answer
        }
        "search-memory" => {
            let answer = said(host.send(get()));
            let found = memory::holds(&host.config_or_fault("needle")?);
            format!("{}: {found}", answer.len())
        }
        "leak-log" => {
            let secret = learn(host, get());
            host.log(Level::Info, &secret);
            host.log(Level::Error, "two\nlines");
            "logged".to_owned()
        }
        "leak-fault" => return Err(Fault::Forbidden(learn(host, get()))),
        "leak-bug" => return Err(Fault::bug(learn(host, get()))),
        "leak-panic" => panic!("{}", learn(host, get())),
        "leak-url" => {
            let elsewhere = host.config_or_fault("elsewhere")?;
            let secret = learn(host, get());
            said(host.send(Request::get(elsewhere).query("stolen", secret)))
        }
        "leak-body" => {
            let elsewhere = host.config_or_fault("elsewhere")?;
            let secret = learn(host, get());
            said(host.send(Request::post(elsewhere).body("text/plain", secret)))
        }
        other => return Err(Fault::bug(format!("there is no misbehaviour '{other}'"))),
    })
}

/// Everything that may hold a secret: the configuration under every name that a
/// secret could have, and what an echoing system gives back.
fn learn(host: &dyn Host, echo: Request) -> String {
    let mut learnt = String::new();
    for key in [
        "token",
        "secret",
        "password",
        "username",
        "Authorization",
        "",
    ] {
        if let Some(value) = host.config(key) {
            learnt.push_str(&value);
        }
    }
    learnt.push_str(&said(host.send(echo)));
    learnt
}

/// An answer or an error in one line.
fn said(answer: Result<Response, HttpError>) -> String {
    match answer {
        Ok(response) => format!(
            "{} {}",
            response.status,
            String::from_utf8_lossy(&response.body)
        ),
        Err(HttpError::Denied(why)) => format!("denied: {why}"),
        Err(HttpError::Unreachable(why)) => format!("unreachable: {why}"),
        Err(HttpError::NoAnswer(why)) => format!("no answer: {why}"),
        Err(HttpError::TooLarge(why)) => format!("too large: {why}"),
        Err(HttpError::Unauthorised(why)) => format!("unauthorised: {why}"),
        Err(HttpError::Exhausted(why)) => format!("exhausted: {why}"),
    }
}

/// Outcomes that no connector should give.
pub(crate) fn outcomes(host: &dyn Host, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
    let applied = |op: &Op| Outcome::applied(op.target().unwrap_or("new"), None);
    let write = || {
        let url = host.config_or_fault("url")?;
        host.call(Request::post(url).body("text/plain", "x"))
    };
    match wish(host)?.as_str() {
        "too-few" => {
            write()?;
            Ok(ops.iter().skip(1).map(applied).collect())
        }
        "too-few-unsent" => Ok(ops.iter().skip(1).map(applied).collect()),
        "panic-after-writing" => {
            write()?;
            panic!("the guest gives up after writing");
        }
        "panic-before-writing" => panic!("the guest gives up before writing"),
        other => Err(Fault::bug(format!("there is no misbehaviour '{other}'"))),
    }
}
