//! Calls of one connector out of a recording, as its own tests take them
//! (`concord_sdk::testing::recorded`).

mod masked;

use std::collections::BTreeMap;

use concord_engine::recorder::{
    Call, Connected, Entry, Event, Exchange, TapeError, TapeReader, TokenAnswer,
};
use serde::Serialize;
use serde_json::value::RawValue;

pub use self::masked::masked;

/// What a connector's own tests can call.
const OPERATIONS: [&str; 5] = ["check", "pull", "fetch", "find", "push"];

/// One call with everything that a connector is given for it, and what it made of
/// that.
#[derive(Debug, Serialize)]
pub struct Fixture {
    pub operation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    pub with: Box<RawValue>,
    /// What its clock said.
    pub now: i64,
    pub config: BTreeMap<String, String>,
    pub exchanges: Vec<Exchange>,
    pub result: Box<RawValue>,
}

impl Fixture {
    /// `pull-contacts`
    pub fn name(&self) -> String {
        match &self.stream {
            Some(stream) => format!("{}-{stream}", self.operation),
            None => self.operation.clone(),
        }
    }
}

#[derive(Debug, Default)]
pub struct Fixtures {
    pub calls: Vec<Fixture>,
    /// Calls that were left out: they got no credential, or were cut short, and a
    /// connector alone cannot show that.
    pub left_out: usize,
}

struct Open {
    call: Call,
    now: Option<i64>,
    exchanges: Vec<Exchange>,
    /// The system refused the credential, and another is tried.
    again: bool,
    whole: bool,
}

/// All calls of a connection, in order.
pub fn gather(connected: &Connected, tape: &mut TapeReader) -> Result<Fixtures, TapeError> {
    let connection = connected.connection.as_str();
    let mut found = Fixtures::default();
    let mut open: Option<Open> = None;
    let mut clock = 0_i64;
    while let Some(Entry { now, event, .. }) = tape.entry()? {
        let first = now.first().map(|since| clock.wrapping_add(*since));
        clock = now.iter().fold(clock, |at, since| at.wrapping_add(*since));
        if let Some(open) = &mut open {
            // A guest's clock stands still from the moment at which it is entered.
            open.now = open.now.or(first);
        }
        match (event, &mut open) {
            (Event::Call(call), _) => {
                found.left_out += usize::from(open.is_some());
                let is_one = OPERATIONS.contains(&call.operation.as_str());
                open = (is_one && call.connection == connection).then_some(Open {
                    call,
                    now: None,
                    exchanges: Vec::new(),
                    again: false,
                    whole: true,
                });
            }
            (Event::Token(asked), Some(open)) => match asked.answer {
                TokenAnswer::Header(_) => open.again = asked.again,
                TokenAnswer::None => {}
                TokenAnswer::Person(_) | TokenAnswer::Passing(_) => open.whole = false,
            },
            (Event::Http(exchange), Some(open)) => {
                // The connector sees the second answer only.
                if std::mem::take(&mut open.again) {
                    open.exchanges.pop();
                }
                open.exchanges.push(*exchange);
            }
            (Event::Answer(answer), Some(_)) => {
                let Some(Open {
                    call,
                    now: Some(now),
                    exchanges,
                    whole: true,
                    ..
                }) = open.take()
                else {
                    found.left_out += 1;
                    continue;
                };
                found.calls.push(Fixture {
                    operation: call.operation,
                    stream: call.stream,
                    with: call.with,
                    now,
                    config: connected.config.clone(),
                    exchanges,
                    result: answer.result,
                });
            }
            _ => {}
        }
    }
    found.left_out += usize::from(open.is_some());
    Ok(found)
}
