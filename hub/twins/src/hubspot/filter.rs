//! The filters of a search.

use serde::Deserialize;

use super::catalogue::{Catalogue, Kind, Slot, milliseconds};
use super::record::Record;
use super::refusal::Refusal;

/// One condition as the request writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawFilter {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: Option<Text>,
    #[serde(default)]
    high_value: Option<Text>,
    #[serde(default)]
    values: Option<Vec<Text>>,
}

/// Clients write numbers with and without quotes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Quoted(String),
    Number(serde_json::Number),
    Flag(bool),
}

impl Text {
    fn into_string(self) -> String {
        match self {
            Text::Quoted(text) => text,
            Text::Number(number) => number.to_string(),
            Text::Flag(flag) => flag.to_string(),
        }
    }
}

/// A value as it is compared.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) enum Operand {
    Number(f64),
    Text(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Less(Operand),
    AtMost(Operand),
    More(Operand),
    AtLeast(Operand),
    Is(Operand),
    IsNot(Operand),
    Between(Operand, Operand),
    In(Vec<Operand>),
    NotIn(Vec<Operand>),
    Filled,
    Empty,
    Token(String),
    NoToken(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    pub(crate) slot: Slot,
    kind: Kind,
    pub(crate) test: Test,
}

impl Filter {
    pub(crate) fn parse(raw: RawFilter, catalogue: &Catalogue) -> Result<Self, Refusal> {
        let name = raw.property_name;
        let slot = catalogue.slot(&name).ok_or_else(|| {
            Refusal::validation(format!("There is no property {name} to filter by"))
        })?;
        let kind = catalogue.property(slot).kind;
        let operand = |text: Option<Text>, of: &str| {
            let text = text.map(Text::into_string).ok_or_else(|| {
                Refusal::validation(format!("{} needs a {of} for {name}", raw.operator))
            })?;
            read(&text, kind, true).ok_or_else(|| {
                Refusal::validation(format!("{text} is not a value that {name} can have"))
            })
        };
        let list = |values: Option<Vec<Text>>| -> Result<Vec<Operand>, Refusal> {
            let values = values.filter(|v| !v.is_empty()).ok_or_else(|| {
                Refusal::validation(format!("{} needs values for {name}", raw.operator))
            })?;
            // These two compare text exactly with the lower-cased value.
            let exact = |text: Text| read(&text.into_string(), kind, false);
            Ok(values.into_iter().filter_map(exact).collect())
        };
        let token = |text: Option<Text>| {
            let text = text.map(Text::into_string).unwrap_or_default();
            text.to_lowercase()
        };
        let test = match raw.operator.as_str() {
            "LT" => Test::Less(operand(raw.value, "value")?),
            "LTE" => Test::AtMost(operand(raw.value, "value")?),
            "GT" => Test::More(operand(raw.value, "value")?),
            "GTE" => Test::AtLeast(operand(raw.value, "value")?),
            "EQ" => Test::Is(operand(raw.value, "value")?),
            "NEQ" => Test::IsNot(operand(raw.value, "value")?),
            "BETWEEN" => Test::Between(
                operand(raw.value, "value")?,
                operand(raw.high_value, "highValue")?,
            ),
            "IN" => Test::In(list(raw.values)?),
            "NOT_IN" => Test::NotIn(list(raw.values)?),
            "HAS_PROPERTY" => Test::Filled,
            "NOT_HAS_PROPERTY" => Test::Empty,
            "CONTAINS_TOKEN" => Test::Token(token(raw.value)),
            "NOT_CONTAINS_TOKEN" => Test::NoToken(token(raw.value)),
            other => {
                return Err(Refusal::validation(format!("{other} is not an operator")));
            }
        };
        Ok(Self { slot, kind, test })
    }

    /// A record without the value fails all tests but the negative ones.
    pub(crate) fn accepts(&self, record: &Record) -> bool {
        let text = record.get(self.slot);
        let Some(text) = text.as_deref() else {
            return matches!(
                self.test,
                Test::Empty | Test::IsNot(_) | Test::NotIn(_) | Test::NoToken(_)
            );
        };
        match &self.test {
            Test::Filled => return true,
            Test::Empty => return false,
            Test::Token(pattern) => return has_token(text, pattern),
            Test::NoToken(pattern) => return !has_token(text, pattern),
            _ => {}
        }
        let Some(value) = read(text, self.kind, true) else {
            return false;
        };
        match &self.test {
            Test::Less(bound) => value < *bound,
            Test::AtMost(bound) => value <= *bound,
            Test::More(bound) => value > *bound,
            Test::AtLeast(bound) => value >= *bound,
            Test::Is(wanted) => value == *wanted,
            Test::IsNot(wanted) => value != *wanted,
            Test::Between(low, high) => *low <= value && value <= *high,
            Test::In(list) => list.contains(&value),
            Test::NotIn(list) => !list.contains(&value),
            Test::Filled | Test::Empty | Test::Token(_) | Test::NoToken(_) => false,
        }
    }
}

/// Reads a value for comparison; `fold` leaves the case of plain text aside.
/// Choices are always compared with their case.
pub(crate) fn read(text: &str, kind: Kind, fold: bool) -> Option<Operand> {
    match kind {
        Kind::Number => text.trim().parse().ok().map(Operand::Number),
        Kind::Date | Kind::DateTime => milliseconds(text).map(|ms| Operand::Number(ms as f64)),
        Kind::Text if fold => Some(Operand::Text(text.to_lowercase())),
        Kind::Text | Kind::Bool | Kind::Choice | Kind::Choices => {
            Some(Operand::Text(text.to_owned()))
        }
    }
}

/// Whether the text, or a word of it, fits a pattern in which `*` stands for
/// anything.
fn has_token(text: &str, pattern: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    fits(&text, pattern) || words.any(|word| fits(word, pattern))
}

fn fits(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_take_wildcards() {
        // The search guide's example is *@hubspot.com.
        for (text, pattern, expect) in [
            ("ann@hubspot.com", "*@hubspot.com", true),
            ("ann@other.com", "*@hubspot.com", false),
            ("Ann Lee", "lee", true),
            ("Ann Lee", "le", false),
            ("Ann Lee", "l*", true),
            ("Blue Kiln Ltd", "k*n", true),
        ] {
            assert_eq!(has_token(text, pattern), expect, "{text} {pattern}");
        }
    }
}
