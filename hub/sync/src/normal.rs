//! N: how two values are compared.
//!
//! Normalising is idempotent, and its result is never stored or sent: the text
//! that a person wrote goes through the hub as it was written.

mod names;
mod phone;

use std::borrow::Cow;
use std::str::FromStr;

use concord_core::schema::{FieldKind, Identity, Normaliser, Shape};
use concord_core::{FieldSpec, Fields, Timestamp, Value};
use rust_decimal::Decimal;
use unicode_normalization::{UnicodeNormalization, is_nfc};

pub(crate) use names::folded;
pub use names::{name_agrees, names_agree};
pub use phone::phone;

/// Changes with what this module computes: bases that were made with another
/// version are looked at anew.
pub const VERSION: u32 = 1;

/// The value in the form in which equal values are equal.
pub fn normalise(spec: &FieldSpec, value: &Value) -> Value {
    if spec.shape == Shape::One {
        return element(spec, value);
    }
    let Value::Array(list) = value else {
        return element(spec, value);
    };
    let mut set: Vec<Value> = list
        .iter()
        .map(|one| element(spec, one))
        .filter(|one| !one.is_null())
        .collect();
    set.sort_by_cached_key(Value::to_string);
    set.dedup();
    if set.is_empty() {
        Value::Null
    } else {
        Value::Array(set)
    }
}

/// True where both values mean the same.
pub fn same(spec: &FieldSpec, a: &Value, b: &Value) -> bool {
    a == b || normalise(spec, a) == normalise(spec, b)
}

/// The same for two elements of a set.
pub(crate) fn same_element(spec: &FieldSpec, a: &Value, b: &Value) -> bool {
    a == b || element(spec, a) == element(spec, b)
}

fn element(spec: &FieldSpec, value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Object(members) => object(spec, members),
        Value::Array(list) if list.is_empty() => Value::Null,
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => of_text(spec, text),
        Value::Number(number) if spec.normaliser == Normaliser::Decimal => {
            decimal(&number.to_string())
        }
        other => other.clone(),
    }
}

fn of_text(spec: &FieldSpec, text: &str) -> Value {
    match spec.kind {
        FieldKind::Timestamp => return moment(text),
        FieldKind::Integer => {
            return text
                .trim()
                .parse::<i64>()
                .map_or(Value::from(text), Value::from);
        }
        FieldKind::Language => return present(Cow::Owned(caseless(text).replace('_', "-"))),
        _ => {}
    }
    match spec.normaliser {
        Normaliser::Exact => Value::from(text),
        Normaliser::Text => present(fold_space(&composed(text))),
        Normaliser::Caseless | Normaliser::Email => present(Cow::Owned(caseless(text))),
        Normaliser::Phone => present(Cow::Owned(phone(text, None))),
        Normaliser::Decimal => decimal(text),
    }
}

fn present(text: Cow<'_, str>) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        Value::String(text.into_owned())
    }
}

/// A group member by member; of a consent only its status.  When it was given
/// is each system's own stamp: comparing it would make every write of one
/// system a change for all others.
fn object(spec: &FieldSpec, members: &Fields) -> Value {
    if spec.kind == FieldKind::Consent {
        return members.get("status").cloned().unwrap_or(Value::Null);
    }
    let mut kept = Fields::new();
    for (name, value) in members {
        let value = match spec.members.get(name.as_str()) {
            Some(member) => normalise(member, value),
            None => match value {
                Value::String(text) => present(fold_space(&composed(text))),
                other => other.clone(),
            },
        };
        if !value.is_null() {
            kept.insert(name.clone(), value);
        }
    }
    if kept.is_empty() {
        Value::Null
    } else {
        Value::Object(kept)
    }
}

fn moment(text: &str) -> Value {
    match Timestamp::parse(text.trim()) {
        Some(moment) => Value::String(moment.to_string()),
        None => Value::from(text),
    }
}

fn decimal(text: &str) -> Value {
    let trimmed = text.trim();
    match Decimal::from_str(trimmed).or_else(|_| Decimal::from_scientific(trimmed)) {
        Ok(number) => Value::String(number.normalize().to_string()),
        Err(_) => present(Cow::Borrowed(trimmed)),
    }
}

fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

fn caseless(text: &str) -> String {
    let lower = text.to_lowercase().replace('ς', "σ");
    fold_space(&composed(&lower)).into_owned()
}

/// Trims, and makes every run of white space one space.
pub fn fold_space(text: &str) -> Cow<'_, str> {
    let mut before = ' ';
    let folded = text.chars().all(|c| {
        let good = !c.is_whitespace() || (c == ' ' && before != ' ');
        before = c;
        good
    });
    if folded && !text.ends_with(' ') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    Cow::Owned(out)
}

/// Addresses that belong to a desk and not to a person.
const ROLES: [&str; 23] = [
    "abuse",
    "accounts",
    "admin",
    "billing",
    "contact",
    "enquiries",
    "finance",
    "hello",
    "help",
    "hostmaster",
    "hr",
    "info",
    "jobs",
    "mail",
    "marketing",
    "noreply",
    "no-reply",
    "office",
    "postmaster",
    "sales",
    "support",
    "team",
    "webmaster",
];

/// True for the address of a desk (`info@`, `sales@`) in lower case: whoever has
/// it may be anybody there.
pub fn is_role_address(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    ROLES.contains(&local)
}

/// The key by which an entity is found from this value; none where the field is
/// no key, or the value says nothing about who somebody is.
pub fn match_key(spec: &FieldSpec, value: &Value) -> Option<String> {
    if spec.identity != Some(Identity::Key) {
        return None;
    }
    let normal = normalise(spec, value);
    let text = normal.as_str()?;
    match spec.kind {
        FieldKind::Email => (!is_role_address(text) && email_address::EmailAddress::is_valid(text))
            .then(|| format!("email:{text}")),
        FieldKind::Phone => text.starts_with('+').then(|| format!("phone:{text}")),
        _ => Some(format!("{}:{text}", spec.name)),
    }
}

#[cfg(test)]
mod tests;
