//! Where a replay departs from what was recorded, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::event::Sent;

/// So many differences of one departure are told; all of them are counted.
const SHOWN: usize = 20;

/// Two values that should be the same; null where there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `intents[17].fields.jobtitle`
    pub path: String,
    pub recorded: Value,
    pub replayed: Value,
}

/// A place at which the replay did something else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Departure {
    /// In which call, or behind which: `call 12, push crm/contacts`.
    pub place: String,
    pub what: String,
    pub differences: Vec<Difference>,
    /// Of more than are told.
    pub count: usize,
}

impl Departure {
    pub fn new(place: String, what: impl Into<String>) -> Self {
        Self {
            place,
            what: what.into(),
            differences: Vec::new(),
            count: 0,
        }
    }

    pub fn between(
        place: String,
        what: impl Into<String>,
        recorded: &Value,
        replayed: &Value,
    ) -> Self {
        let mut departure = Self::new(place, what);
        compare("", recorded, replayed, &mut departure);
        departure
    }

    /// Of two requests; JSON in them is compared as such.
    pub fn of_requests(place: String, recorded: &Sent, replayed: &Sent) -> Self {
        let mut departure = Self::new(
            place,
            format!("it asks otherwise: {} {}", replayed.method, replayed.path()),
        );
        let value = |sent: &Sent| {
            let text = sent.body.as_ref().map_or("", |body| body.text());
            let body = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
            serde_json::json!({
                "method": sent.method, "url": sent.url, "headers": sent.headers, "body": body,
            })
        };
        compare("", &value(recorded), &value(replayed), &mut departure);
        departure
    }

    fn add(&mut self, path: &str, recorded: &Value, replayed: &Value) {
        self.count += 1;
        if self.differences.len() < SHOWN {
            self.differences.push(Difference {
                path: path.to_owned(),
                recorded: recorded.clone(),
                replayed: replayed.clone(),
            });
        }
    }
}

fn compare(path: &str, recorded: &Value, replayed: &Value, into: &mut Departure) {
    match (recorded, replayed) {
        (a, b) if a == b => {}
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(name).cloned().unwrap_or_default()
                };
                compare(&path, &of(a), &of(b), into);
            }
        }
        (Value::Array(a), Value::Array(b)) => match (by_name(a), by_name(b)) {
            (Some(a), Some(b)) => {
                let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                for name in names {
                    let of = |map: &BTreeMap<String, &Value>| {
                        map.get(name).map_or(Value::Null, |value| (*value).clone())
                    };
                    compare(&format!("{path}[{name}]"), &of(&a), &of(&b), into);
                }
            }
            _ => {
                for at in 0..a.len().max(b.len()) {
                    let of = |all: &[Value]| all.get(at).cloned().unwrap_or_default();
                    compare(&format!("{path}[{at}]"), &of(a), &of(b), into);
                }
            }
        },
        (a, b) => into.add(path, a, b),
    }
}

/// The parts of a list by what they are called, where each has a name of its own:
/// one more in front must not make all the others differ.
fn by_name(list: &[Value]) -> Option<BTreeMap<String, &Value>> {
    let mut named = BTreeMap::new();
    for value in list {
        // What a record says of itself stands one level deeper.
        let inner = value.get("Upsert").or(value.get("Applied"));
        let value = inner.unwrap_or(value);
        let name = ["id", "key", "intent"]
            .iter()
            .find_map(|name| value.get(name))?;
        let name = match name {
            Value::String(text) => text.clone(),
            Value::Object(key) => {
                let parts = key.values().map(|part| part.to_string().replace('"', ""));
                parts.collect::<Vec<_>>().join("/")
            }
            other => other.to_string(),
        };
        if named.insert(name, value).is_some() {
            return None;
        }
    }
    Some(named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_told_where_it_is() {
        let check = |recorded: Value, replayed: Value, expect: &[&str]| {
            let departure = Departure::between(String::new(), "", &recorded, &replayed);
            let paths: Vec<&str> = departure
                .differences
                .iter()
                .map(|d| d.path.as_str())
                .collect();
            assert_eq!(paths, expect, "{recorded} {replayed}");
        };
        let intent = |id: i64, title: &str| json!({"id": id, "fields": {"title": title, "x": 1}});
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(
            json!({"intents": [intent(1, "a"), intent(2, "b")]}),
            json!({"intents": [intent(2, "c"), intent(1, "a")]}),
            &["intents[2].fields.title"],
        );
        check(json!({"a": [1, 2]}), json!({"a": [1]}), &["a[1]"]);
        check(json!({"a": 1}), json!({"b": 1}), &["a", "b"]);
        let link = |id: &str, raw: &str| json!({"key": {"connection": 1, "remote_id": id}, "raw": {"n": raw}});
        check(
            json!([link("9", "a")]),
            json!([link("9", "b")]),
            &["[1/9].raw.n"],
        );
        let many: Vec<i64> = (0..100).collect();
        let departure = Departure::between(String::new(), "", &json!(many), &json!([]));
        assert_eq!((departure.count, departure.differences.len()), (100, SHOWN));
    }
}
