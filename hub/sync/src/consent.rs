//! Consent is not merged like other fields: an opt-out wins over every older or
//! undated opt-in, whichever way it comes.

use concord_core::{Timestamp, Value};

const OPTED_OUT: &str = "opted_out";

fn status(value: &Value) -> Option<&str> {
    value.get("status").and_then(Value::as_str)
}

fn at(value: &Value) -> Option<Timestamp> {
    value
        .get("at")
        .and_then(Value::as_str)
        .and_then(Timestamp::parse)
}

/// The one of two consents that stands.
pub fn stronger<'a>(one: &'a Value, other: &'a Value) -> &'a Value {
    match (status(one), status(other)) {
        (None, _) => other,
        (_, None) => one,
        (Some(a), Some(b)) if a == b => later_dated(one, other),
        (Some(OPTED_OUT), Some(_)) => out_or_newer_in(one, other),
        (Some(_), Some(OPTED_OUT)) => out_or_newer_in(other, one),
        _ => later_dated(one, other),
    }
}

/// An opt-in beats an opt-out only when both are dated and it is the later.
fn out_or_newer_in<'a>(out: &'a Value, opt_in: &'a Value) -> &'a Value {
    match (at(out), at(opt_in)) {
        (Some(out_at), Some(in_at)) if in_at > out_at => opt_in,
        _ => out,
    }
}

fn later_dated<'a>(one: &'a Value, other: &'a Value) -> &'a Value {
    if at(other) > at(one) { other } else { one }
}

/// Two consents that say the same, whenever they were given.
pub fn agree(one: &Value, other: &Value) -> bool {
    status(one) == status(other)
}

pub fn is_opted_out(value: &Value) -> bool {
    status(value) == Some(OPTED_OUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(one: (&str, Option<&str>), other: (&str, Option<&str>), expect: &str) {
        let value = |(status, at): (&str, Option<&str>)| match status {
            "" => Value::Null,
            _ => json!({"status": status, "at": at}),
        };
        let (one, other) = (value(one), value(other));
        for (a, b) in [(&one, &other), (&other, &one)] {
            let winner = stronger(a, b);
            assert_eq!(status(winner).unwrap_or(""), expect, "{a} against {b}");
        }
    }

    #[test]
    fn an_opt_out_beats_older_and_undated_opt_ins() {
        let (may, june) = (Some("2026-05-01T00:00:00Z"), Some("2026-06-01T00:00:00Z"));
        check(("opted_in", may), ("opted_out", june), "opted_out");
        check(("opted_in", june), ("opted_out", may), "opted_in");
        check(("opted_in", june), ("opted_out", None), "opted_out");
        check(("opted_in", None), ("opted_out", may), "opted_out");
        check(("opted_in", june), ("opted_out", june), "opted_out");
        check(("", None), ("opted_out", None), "opted_out");
        check(("opted_in", None), ("", None), "opted_in");
    }
}
