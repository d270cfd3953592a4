//! The values of the world.  Every value that a person writes carries a number
//! of its own, so that it can be told who had seen what.

use concord_core::Value;
use serde_json::json;

/// What a person edits as one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Unit {
    Mail,
    First,
    Last,
    Title,
    Org,
    Note,
    Address,
    Tags,
}

impl Unit {
    /// What people edit in daily life.
    pub(crate) const DAILY: [Unit; 5] = [
        Unit::Title,
        Unit::Org,
        Unit::Note,
        Unit::Address,
        Unit::Tags,
    ];

    pub(crate) const ALL: [Unit; 8] = [
        Unit::Mail,
        Unit::First,
        Unit::Last,
        Unit::Title,
        Unit::Org,
        Unit::Note,
        Unit::Address,
        Unit::Tags,
    ];

    /// The remote fields that it consists of.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Unit::Mail => &["mail"],
            Unit::First => &["first"],
            Unit::Last => &["last"],
            Unit::Title => &["title"],
            Unit::Org => &["org"],
            Unit::Note => &["note"],
            Unit::Address => &["street", "city"],
            Unit::Tags => &["tags"],
        }
    }

    /// The canonical field.
    pub(crate) fn canonical(self) -> &'static str {
        match self {
            Unit::Mail => "email",
            Unit::First => "given_name",
            Unit::Last => "family_name",
            Unit::Title => "job_title",
            Unit::Org => "company",
            Unit::Note => "note",
            Unit::Address => "address",
            Unit::Tags => "tags",
        }
    }

    pub(crate) fn of_field(field: &str) -> Option<Unit> {
        Unit::ALL
            .into_iter()
            .find(|unit| unit.fields().contains(&field))
    }

    pub(crate) fn of_canonical(field: &str) -> Option<Unit> {
        Unit::ALL.into_iter().find(|unit| unit.canonical() == field)
    }

    /// What a person writes into one of the fields.
    pub(crate) fn text(self, field: &str, number: u64) -> Value {
        json!(match self {
            Unit::Mail => format!("p{number}@example.com"),
            Unit::First => format!("Ann{number}"),
            Unit::Last => format!("Quill{number}"),
            Unit::Title => format!("t{number} chief of staff"),
            Unit::Org => format!("o{number} works"),
            Unit::Note => format!("n{number} a longer remark"),
            Unit::Address if field == "street" => format!("{number} Main Street"),
            Unit::Address => format!("City {number}"),
            Unit::Tags => format!("tag{number}"),
        })
    }
}

/// The numbers that a value carries; a set carries many, an empty value none.
pub(crate) fn tokens(value: &Value) -> Vec<u64> {
    match value {
        Value::String(text) => token(text).into_iter().collect(),
        Value::Array(list) => list.iter().flat_map(tokens).collect(),
        Value::Object(members) => members.values().flat_map(tokens).collect(),
        _ => Vec::new(),
    }
}

fn token(text: &str) -> Option<u64> {
    let digits: String = text
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        _ => false,
    }
}
