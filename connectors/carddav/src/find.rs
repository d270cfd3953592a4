//! Looking for a card by its values.

use concord_sdk::prelude::*;

use crate::book::Book;
use crate::pull::{parse, record};

/// The server narrows down by one telling property; what it means by "equal"
/// differs (case, accents), so the values are compared here.
pub fn find(
    host: &dyn Host,
    values: &Fields,
    fields: &[String],
) -> Result<Vec<RemoteRecord>, Fault> {
    let book = Book::open(host)?;
    let Some((property, value)) = telling(values) else {
        return Err(Fault::bug(
            "a card is looked for by uid, e-mail, number, name or title; none was given",
        ));
    };
    let ids = book.query(property, value)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut records = Vec::new();
    for found in book.cards(&ids)? {
        let Ok(resource) = found.answer else {
            continue;
        };
        let Ok(card) = parse(&resource) else {
            continue;
        };
        let held = card.fields();
        if values
            .iter()
            .all(|(name, wanted)| holds(&held[name.as_str()], wanted))
        {
            records.push(record(&found.id, &resource, &card, fields)?);
        }
    }
    Ok(records)
}

fn telling(values: &Fields) -> Option<(&'static str, &str)> {
    let single = [
        ("UID", "uid"),
        ("FN", "fn"),
        ("NICKNAME", "nickname"),
        ("TITLE", "title"),
    ];
    let first = |list: &str| values.get(list)?.get(0)?.get("value")?.as_str();
    let one = |i: usize| Some((single[i].0, values.get(single[i].1)?.as_str()?));
    let candidates = [
        one(0),
        first("emails").map(|text| ("EMAIL", text)),
        first("tels").map(|text| ("TEL", text)),
        one(1),
        one(2),
        one(3),
    ];
    candidates
        .into_iter()
        .flatten()
        .find(|(_, text)| !text.is_empty())
}

/// True where everything that is wanted is there; what is wanted empty must be.
fn holds(held: &Value, wanted: &Value) -> bool {
    match (held, wanted) {
        (held, Value::Object(members)) => members
            .iter()
            .all(|(name, wanted)| holds(held.get(name).unwrap_or(&Value::Null), wanted)),
        (Value::Array(held), Value::Array(wanted)) => {
            // The rank follows from the other lines of the card.
            let plain = |v: &Value| v.get("value").unwrap_or(v).clone();
            let held: Vec<Value> = held.iter().map(plain).collect();
            held.len() == wanted.len() && wanted.iter().all(|w| held.contains(&plain(w)))
        }
        (Value::Null, Value::String(text)) => text.is_empty(),
        (Value::Null, Value::Array(list)) => list.is_empty(),
        (Value::Array(list), Value::Null) => list.is_empty(),
        (held, wanted) => held == wanted,
    }
}
