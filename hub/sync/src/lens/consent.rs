//! A remote subscription status ⇄ a recorded consent.

use concord_core::{Fields, Timestamp, Value};
use serde_json::json;

use super::{Path, Refusal, is_empty};

#[derive(Clone, Debug, PartialEq)]
pub struct ConsentCodec {
    /// Remote values that mean consent; the first is written.
    pub opted_in: Vec<Value>,
    /// Remote values that mean refusal; the first is written.
    pub opted_out: Vec<Value>,
    /// Remote values that say neither, such as a sign-up not yet confirmed.
    pub neither: Vec<Value>,
    /// Where the system keeps the moment.  It is read only: a system stamps
    /// its own changes.
    pub at: Option<Path>,
}

impl ConsentCodec {
    pub(crate) fn get(&self, slot: &Value, raw: &Fields) -> Result<Value, Refusal> {
        match self.status(slot)? {
            None => Ok(Value::Null),
            Some(status) => Ok(json!({"status": status, "at": self.moment(raw)})),
        }
    }

    /// The remote status to write; none where the system holds one that means
    /// the same (a bounced address is as unsubscribed as one that asked).
    pub(crate) fn put(&self, value: &Value, slot: &Value) -> Result<Option<Value>, Refusal> {
        let wanted = match value {
            Value::Null => None,
            consent => consent.get("status").and_then(Value::as_str),
        };
        if self.status(slot).is_ok_and(|held| held == wanted) {
            return Ok(None);
        }
        let words = match wanted {
            Some("opted_in") => &self.opted_in,
            Some("opted_out") => &self.opted_out,
            Some(_) => return Err(Refusal::unfit(value, "a consent is opted_in or opted_out")),
            None => &self.neither,
        };
        match words.first() {
            Some(word) => Ok(Some(word.clone())),
            None => Err(Refusal::unfit(
                value,
                "the mapping names no remote value for it, and a recorded consent is withdrawn \
                 with opted_out, not by emptying it",
            )),
        }
    }

    fn status(&self, slot: &Value) -> Result<Option<&'static str>, Refusal> {
        let among = |words: &[Value]| words.iter().any(|word| same_word(word, slot));
        if among(&self.opted_in) {
            Ok(Some("opted_in"))
        } else if among(&self.opted_out) {
            Ok(Some("opted_out"))
        } else if is_empty(slot) || among(&self.neither) {
            Ok(None)
        } else {
            Err(Refusal::unfit(
                slot,
                "the mapping says of no such status whether it is a consent; add it to opted-in, \
                 opted-out or neither",
            ))
        }
    }

    /// An unreadable moment is no moment: an undated opt-in yields to any opt-out.
    fn moment(&self, raw: &Fields) -> Value {
        let at = self.at.as_ref().and_then(|path| path.get(raw).as_str());
        match at.and_then(Timestamp::parse) {
            Some(at) => Value::String(at.to_string()),
            None => Value::Null,
        }
    }
}

/// Systems give `true` and `"true"`, `2` and `"2"`, for the same thing.
pub(crate) fn same_word(word: &Value, held: &Value) -> bool {
    match (word, held) {
        (Value::String(text), Value::Bool(flag)) | (Value::Bool(flag), Value::String(text)) => {
            text == if *flag { "true" } else { "false" }
        }
        (Value::String(text), Value::Number(number))
        | (Value::Number(number), Value::String(text)) => text
            .parse()
            .is_ok_and(|read: serde_json::Number| read == *number),
        (word, held) => word == held,
    }
}
