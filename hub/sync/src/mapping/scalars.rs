//! The forms of single values: which fit which canonical type.

use std::collections::BTreeMap;

use concord_core::schema::FieldKind;
use concord_core::{FieldSpec, Value};
use jiff::tz::TimeZone;
use rlibphonenumber::enums::Region;

use super::document::LensDocument;
use super::error::expected;
use crate::lens::{
    BooleanWords, CountryForm, DateForm, DecimalCodec, EnumCodec, LanguageForm, Scalar,
    TimestampCodec, TimestampForm,
};

/// The keys of a lens that say what its value looks like, with whether each is
/// given.
fn forms(lens: &LensDocument) -> [(&'static str, bool); 15] {
    [
        ("phone", lens.phone.is_some()),
        ("enum", lens.words.is_some()),
        ("date", lens.date.is_some()),
        ("timestamp", lens.timestamp.is_some()),
        ("decimal", lens.decimal.is_some()),
        ("boolean", lens.boolean.is_some()),
        ("country", lens.country.is_some()),
        ("language", lens.language.is_some()),
        ("split", lens.split.is_some()),
        ("group", lens.group.is_some()),
        ("set", lens.set.is_some()),
        ("reference", lens.reference.is_some()),
        ("consent", lens.consent.is_some()),
        ("constant", lens.constant.is_some()),
        ("computed", lens.computed.is_some()),
    ]
}

/// How many of `forms` speak of one value; the rest are structures.
const SCALAR_FORMS: usize = 8;

pub(super) fn only_one_form(lens: &LensDocument) -> Result<(), String> {
    let given: Vec<&str> = forms(lens)
        .iter()
        .filter_map(|(name, is)| is.then_some(*name))
        .collect();
    if given.len() > 1 {
        return Err(format!("'{}' exclude each other", given.join("' and '")));
    }
    if lens.otherwise.is_some() && lens.words.is_none() {
        return Err("'otherwise' belongs to 'enum'".into());
    }
    if lens.zone.is_some() && lens.timestamp.is_none() {
        return Err("'zone' belongs to 'timestamp'".into());
    }
    Ok(())
}

pub(super) fn has_form(lens: &LensDocument) -> bool {
    forms(lens).iter().any(|(_, is)| *is)
}

pub(super) fn is_structure(lens: &LensDocument) -> bool {
    forms(lens)[SCALAR_FORMS..].iter().any(|(_, is)| *is)
}

pub(super) fn scalar(lens: &LensDocument, spec: &FieldSpec) -> Result<Scalar, String> {
    let given = forms(lens)
        .into_iter()
        .take(SCALAR_FORMS)
        .find(|(_, is)| *is);
    let fits = |name: &str, kind: &FieldKind| match name {
        "phone" => *kind == FieldKind::Phone,
        "date" => *kind == FieldKind::Date,
        "timestamp" => *kind == FieldKind::Timestamp,
        "decimal" => *kind == FieldKind::Decimal,
        "boolean" => *kind == FieldKind::Boolean,
        "country" => *kind == FieldKind::Country,
        "language" => *kind == FieldKind::Language,
        // Words can stand for any code.
        _ => matches!(
            kind,
            FieldKind::Enum
                | FieldKind::Text
                | FieldKind::Country
                | FieldKind::Language
                | FieldKind::Currency
        ),
    };
    if let Some((name, _)) = given
        && !fits(name, &spec.kind)
    {
        return Err(format!(
            "'{name}' does not fit: the field is of type {}",
            kind_name(&spec.kind)
        ));
    }
    if let Some(words) = &lens.words {
        return enumeration(words, lens.otherwise.as_deref(), spec).map(Scalar::Enum);
    }
    Ok(match &spec.kind {
        FieldKind::Phone => {
            let region = lens
                .phone
                .as_ref()
                .and_then(|phone| phone.region.as_deref());
            Scalar::Phone(region.map(read_region).transpose()?)
        }
        FieldKind::Date => Scalar::Date(date(lens.date.as_deref())?),
        FieldKind::Timestamp => {
            Scalar::Timestamp(timestamp(lens.timestamp.as_deref(), lens.zone.as_deref())?)
        }
        FieldKind::Decimal => Scalar::Decimal(match &lens.decimal {
            None => DecimalCodec::default(),
            Some(decimal) => DecimalCodec {
                form: decimal.form,
                scale: decimal.scale,
                currency: decimal.currency_path.clone(),
            },
        }),
        FieldKind::Integer => Scalar::Integer,
        FieldKind::Boolean => {
            let words = lens.boolean.clone().unwrap_or_default();
            check_words(&words)?;
            Scalar::Boolean(words)
        }
        FieldKind::Country => Scalar::Country(lens.country.unwrap_or(CountryForm::Alpha2)),
        FieldKind::Language => Scalar::Language(lens.language.unwrap_or(LanguageForm::Tag)),
        FieldKind::Text | FieldKind::Email | FieldKind::Currency | FieldKind::Enum => Scalar::Text,
        FieldKind::Reference(_) | FieldKind::Consent | FieldKind::Group => {
            return Err(format!("a {} is not one value", kind_name(&spec.kind)));
        }
    })
}

fn kind_name(kind: &FieldKind) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => format!("{kind:?}"),
    }
}

fn enumeration(
    words: &BTreeMap<String, Value>,
    otherwise: Option<&str>,
    spec: &FieldSpec,
) -> Result<EnumCodec, String> {
    let known: Vec<&str> = spec.values.iter().map(String::as_str).collect();
    for word in words.keys().map(String::as_str).chain(otherwise) {
        if !known.is_empty() && !known.contains(&word) {
            return Err(format!(
                "'{word}' is no value of it; {}",
                expected(word, &known)
            ));
        }
    }
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (canonical, remote) in words {
        if remote.is_null() || remote.is_array() || remote.is_object() {
            return Err(format!("'{canonical}' must stand for one remote value"));
        }
        let text = remote
            .as_str()
            .map_or_else(|| remote.to_string(), str::to_owned);
        if let Some(other) = seen.insert(text, canonical) {
            return Err(format!(
                "'{other}' and '{canonical}' both become {remote}: reading it back could not tell \
                 them apart"
            ));
        }
    }
    Ok(EnumCodec {
        words: words.iter().map(|(c, r)| (c.clone(), r.clone())).collect(),
        otherwise: otherwise.map(str::to_owned),
    })
}

fn check_words(words: &BooleanWords) -> Result<(), String> {
    if words.yes == words.no || words.yes.is_null() || words.no.is_null() {
        return Err("boolean: 'yes' and 'no' must be two different values".into());
    }
    Ok(())
}

fn read_region(code: &str) -> Result<Region, String> {
    celes::Country::from_alpha2(code)
        .ok()
        .and_then(|_| Region::from_code(code).ok())
        .ok_or_else(|| format!("phone: '{code}' is no region; write an ISO 3166 code such as US"))
}

fn date(format: Option<&str>) -> Result<DateForm, String> {
    match format.unwrap_or("%Y-%m-%d") {
        "epoch-ms" => Ok(DateForm::EpochMs),
        format => {
            check_format(format)?;
            Ok(DateForm::format(format))
        }
    }
}

fn timestamp(format: Option<&str>, zone: Option<&str>) -> Result<TimestampCodec, String> {
    let form = match format.unwrap_or("rfc3339") {
        "rfc3339" => TimestampForm::Rfc3339,
        "epoch-s" => TimestampForm::EpochS,
        "epoch-ms" => TimestampForm::EpochMs,
        format => {
            check_format(format)?;
            TimestampForm::Format(format.to_owned())
        }
    };
    let zone = match zone {
        None => TimeZone::UTC,
        Some(name) => {
            TimeZone::get(name).map_err(|e| format!("there is no time zone '{name}': {e}"))?
        }
    };
    Ok(TimestampCodec { form, zone })
}

/// A format without a directive would write the same text for every day.
fn check_format(format: &str) -> Result<(), String> {
    if !format.contains('%') {
        return Err(format!(
            "'{format}' is no form of a date or time; write strftime such as %Y-%m-%d, or \
             rfc3339, epoch-s, epoch-ms"
        ));
    }
    let moment = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &moment)
        .map(drop)
        .map_err(|e| format!("'{format}' cannot be written: {e}"))
}
