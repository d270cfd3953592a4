//! One canonical value ⇄ one remote value.

use std::str::FromStr;

use concord_core::schema::FieldKind;
use concord_core::{FieldSpec, Fields, Value};
use iso_currency::Currency;
use rlibphonenumber::enums::Region;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::consent::same_word;
use super::rewrite::round;
use super::{CountryForm, DateForm, LanguageForm, Path, Refusal, Rewrite, TimestampCodec, code};
use crate::normal;

#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Text,
    /// E.164 on the canonical side; a number without its country is one of
    /// this region.
    Phone(Option<Region>),
    Enum(EnumCodec),
    Date(DateForm),
    Timestamp(TimestampCodec),
    Decimal(DecimalCodec),
    Integer,
    Boolean(BooleanWords),
    Country(CountryForm),
    Language(LanguageForm),
}

/// Canonical value → remote value, one to one.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumCodec {
    pub words: Vec<(String, Value)>,
    /// What an unknown remote value is read as; none makes it a fault.
    pub otherwise: Option<String>,
}

/// How the system says yes and no.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BooleanWords {
    pub yes: Value,
    pub no: Value,
}

impl Default for BooleanWords {
    fn default() -> Self {
        Self {
            yes: Value::Bool(true),
            no: Value::Bool(false),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecimalForm {
    /// `"12.50"`
    #[default]
    Text,
    /// `12.5`
    Number,
    /// `1250`: a whole number of the currency's smallest unit.
    Minor,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecimalCodec {
    pub form: DecimalForm,
    /// Decimal places that the system keeps; none keeps all.
    pub scale: Option<u32>,
    /// Where the record names its ISO 4217 currency, whose places then count.
    pub currency: Option<Path>,
}

impl Scalar {
    /// The other remote field that the meaning of this one hangs on.
    pub(crate) fn currency(&self) -> Option<&Path> {
        match self {
            Scalar::Decimal(codec) => codec.currency.as_ref(),
            _ => None,
        }
    }

    /// Reads a remote value that is not empty.  `canonical` is the value that
    /// the record has now.
    pub(crate) fn get(
        &self,
        slot: &Value,
        raw: &Fields,
        spec: &FieldSpec,
        canonical: &Value,
    ) -> Result<Value, Refusal> {
        match self {
            Scalar::Text => text(slot).map(Value::String),
            Scalar::Phone(region) => Ok(Value::String(normal::phone(&text(slot)?, *region))),
            Scalar::Enum(codec) => codec.get(slot),
            Scalar::Date(form) => form.get(slot, canonical),
            Scalar::Timestamp(codec) => codec.get(slot),
            Scalar::Decimal(codec) => codec.get(slot, raw),
            Scalar::Integer => integer(slot),
            Scalar::Boolean(words) => words.get(slot),
            Scalar::Country(form) => code::get_country(*form, slot),
            Scalar::Language(form) => form.get(slot, canonical),
        }
        .and_then(|value| match (&spec.kind, &value) {
            (FieldKind::Enum, Value::String(word)) if !spec.values.contains(word) => {
                Err(Refusal::unfit(
                    slot,
                    format!(
                        "it is none of {}; map it with 'enum'",
                        spec.values.join(", ")
                    ),
                ))
            }
            _ => Ok(value),
        })
    }

    /// Makes the remote value of a canonical value that is not empty.
    pub(crate) fn put(
        &self,
        value: &Value,
        raw: &Fields,
        spec: &FieldSpec,
        rewrites: &[Rewrite],
    ) -> Result<Value, Refusal> {
        match self {
            Scalar::Text | Scalar::Phone(_) => match (&spec.kind, value) {
                (FieldKind::Enum, Value::String(word)) if !spec.values.contains(word) => Err(
                    Refusal::unfit(value, format!("it is none of {}", spec.values.join(", "))),
                ),
                _ => text(value).map(Value::String),
            },
            Scalar::Enum(codec) => codec.put(value),
            Scalar::Date(form) => form.put(value),
            Scalar::Timestamp(codec) => codec.put(value),
            Scalar::Decimal(codec) => codec.put(value, raw, rewrites),
            Scalar::Integer => integer(value),
            Scalar::Boolean(words) => words.put(value),
            Scalar::Country(form) => code::put_country(*form, value),
            Scalar::Language(form) => form.put(value),
        }
    }
}

/// A scalar as text; systems give numbers where a text is meant.
pub(crate) fn text(value: &Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => Err(Refusal::unfit(
            other,
            "it is not one value; reach into it with a path, 'list', 'set' or 'group'",
        )),
    }
}

fn integer(value: &Value) -> Result<Value, Refusal> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) => Ok(Value::from(number)),
        None => Err(Refusal::unfit(value, "it is not a whole number")),
    }
}

impl EnumCodec {
    fn get(&self, slot: &Value) -> Result<Value, Refusal> {
        let word = self
            .words
            .iter()
            .find(|(_, remote)| same_word(remote, slot));
        match (word, &self.otherwise) {
            (Some((canonical, _)), _) | (None, Some(canonical)) => {
                Ok(Value::String(canonical.clone()))
            }
            (None, None) => {
                let known: Vec<String> = self.words.iter().map(|(_, r)| r.to_string()).collect();
                let reason = format!(
                    "the mapping knows {}; add it to 'enum', or say 'otherwise'",
                    known.join(", ")
                );
                Err(Refusal::unfit(slot, reason))
            }
        }
    }

    fn put(&self, value: &Value) -> Result<Value, Refusal> {
        let found = self
            .words
            .iter()
            .find(|(canonical, _)| value.as_str() == Some(canonical.as_str()));
        match found {
            Some((_, remote)) => Ok(remote.clone()),
            None => Err(Refusal::unfit(
                value,
                "the mapping names no remote value for it; add it to 'enum'",
            )),
        }
    }
}

impl BooleanWords {
    fn get(&self, slot: &Value) -> Result<Value, Refusal> {
        if same_word(&self.yes, slot) {
            Ok(Value::Bool(true))
        } else if same_word(&self.no, slot) {
            Ok(Value::Bool(false))
        } else {
            let reason = format!("yes is {} and no is {} here", self.yes, self.no);
            Err(Refusal::unfit(slot, reason))
        }
    }

    fn put(&self, value: &Value) -> Result<Value, Refusal> {
        match value {
            Value::Bool(true) => Ok(self.yes.clone()),
            Value::Bool(false) => Ok(self.no.clone()),
            other => Err(Refusal::unfit(other, "it is neither true nor false")),
        }
    }
}

impl DecimalCodec {
    fn get(&self, slot: &Value, raw: &Fields) -> Result<Value, Refusal> {
        let number = decimal(slot)?;
        let number = match self.form {
            DecimalForm::Minor => number
                .checked_div(power_of_ten(self.places(raw)?))
                .ok_or_else(|| Refusal::unfit(slot, "the number is too large"))?,
            DecimalForm::Text | DecimalForm::Number => number,
        };
        Ok(Value::String(number.to_string()))
    }

    fn put(&self, value: &Value, raw: &Fields, rewrites: &[Rewrite]) -> Result<Value, Refusal> {
        let exact = decimal(value)?;
        let kept = match self.places(raw)? {
            Some(places) => round(exact, places),
            None => exact,
        };
        let rounds = rewrites.iter().any(|r| matches!(r, Rewrite::Round(_)));
        if kept != exact && !rounds {
            let places = kept.scale();
            let reason = format!(
                "the system keeps {places} decimal places; declare 'rewrites: [{{round: {places}}}]' \
                 where that is meant"
            );
            return Err(Refusal::unfit(value, reason));
        }
        let too_large = || Refusal::unfit(value, "the system's numbers cannot hold it");
        match self.form {
            DecimalForm::Text => Ok(Value::String(kept.to_string())),
            DecimalForm::Number => {
                let number: serde_json::Number = kept
                    .normalize()
                    .to_string()
                    .parse()
                    .map_err(|_| too_large())?;
                if Decimal::from_str(&number.to_string()).ok() != Some(kept) {
                    return Err(too_large());
                }
                Ok(Value::Number(number))
            }
            DecimalForm::Minor => {
                let minor = kept.checked_mul(power_of_ten(self.places(raw)?));
                let whole = minor.and_then(|minor| i64::try_from(minor.normalize()).ok());
                whole.map(Value::from).ok_or_else(too_large)
            }
        }
    }

    /// The currency's decimal places where the record names one, otherwise the
    /// declared ones.
    fn places(&self, raw: &Fields) -> Result<Option<u32>, Refusal> {
        let Some(path) = &self.currency else {
            return Ok(self.scale);
        };
        let named = path.get(raw);
        match named.as_str() {
            None | Some("") => Ok(self.scale),
            Some(text) => match Currency::from_code(&text.to_ascii_uppercase()) {
                Some(currency) => Ok(currency.exponent().map(u32::from).or(self.scale)),
                None => Err(Refusal::unfit(named, "it is no ISO 4217 currency")),
            },
        }
    }
}

fn decimal(value: &Value) -> Result<Decimal, Refusal> {
    let wrong = || Refusal::unfit(value, "it is not a decimal number such as 12.50");
    let text = text(value)?;
    let text = text.trim();
    Decimal::from_str(text)
        .or_else(|_| Decimal::from_scientific(text))
        .map_err(|_| wrong())
}

fn power_of_ten(places: Option<u32>) -> Decimal {
    (0..places.unwrap_or(0)).fold(Decimal::ONE, |power, _| power * Decimal::TEN)
}
