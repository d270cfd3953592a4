//! How a system is known to rewrite a value when it stores it.

use std::str::FromStr;

use concord_core::Value;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rewrite {
    /// Drops white space at both ends.
    Trim,
    Lower,
    Upper,
    /// Keeps this many characters.
    Truncate(usize),
    /// Keeps this many decimal places, half away from zero.
    Round(u32),
}

impl Rewrite {
    pub(crate) fn apply_all(rewrites: &[Rewrite], value: &mut Value) {
        for rewrite in rewrites {
            rewrite.apply(value);
        }
    }

    fn apply(self, value: &mut Value) {
        match (self, &mut *value) {
            (Rewrite::Round(places), Value::String(text)) => {
                if let Ok(number) = Decimal::from_str(text.trim()) {
                    *text = round(number, places).to_string();
                }
            }
            (Rewrite::Round(places), Value::Number(number)) => {
                if let Ok(exact) = Decimal::from_str(&number.to_string())
                    && let Ok(rounded) = round(exact, places).to_string().parse()
                {
                    *value = Value::Number(rounded);
                }
            }
            (rewrite, Value::String(text)) => {
                if let Some(rewritten) = rewrite.text(text) {
                    *text = rewritten;
                }
            }
            _ => {}
        }
    }

    fn text(self, text: &str) -> Option<String> {
        match self {
            Rewrite::Trim => Some(text.trim().to_owned()),
            Rewrite::Lower => Some(text.to_lowercase()),
            Rewrite::Upper => Some(text.to_uppercase()),
            Rewrite::Truncate(most) => {
                let (end, _) = text.char_indices().nth(most)?;
                Some(text[..end].to_owned())
            }
            Rewrite::Round(_) => None,
        }
    }
}

pub(crate) fn round(number: Decimal, places: u32) -> Decimal {
    number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_rewritten_as_declared() {
        let check = |rewrite: Value, before: Value, after: Value| {
            let rewrite: Rewrite = serde_json::from_value(rewrite).unwrap();
            let mut value = before;
            Rewrite::apply_all(&[rewrite], &mut value);
            assert_eq!(value, after, "{rewrite:?}");
        };
        check(json!("trim"), json!(" a b "), json!("a b"));
        check(json!("lower"), json!("ÄÖ@X"), json!("äö@x"));
        check(json!("upper"), json!("straße"), json!("STRASSE"));
        check(json!({"truncate": 3}), json!("äöüß"), json!("äöü"));
        check(json!({"truncate": 9}), json!("äöüß"), json!("äöüß"));
        check(json!({"round": 2}), json!("1.005"), json!("1.01"));
        check(json!({"round": 2}), json!("-1.005"), json!("-1.01"));
        check(json!({"round": 1}), json!(2.25), json!(2.3));
        check(
            json!({"round": 1}),
            json!("not a number"),
            json!("not a number"),
        );
        check(json!("lower"), json!(null), json!(null));
    }
}
