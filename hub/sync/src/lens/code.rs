//! Country and language codes.

use std::collections::HashMap;
use std::sync::LazyLock;

use celes::{Country, LookupTable};
use concord_core::Value;
use isolang::Language;
use serde::{Deserialize, Serialize};

use super::Refusal;
use super::scalar::text;

/// How a system writes a country.  The canonical form is ISO 3166-1 alpha-2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountryForm {
    #[default]
    Alpha2,
    Alpha3,
    /// Free text: the English name is written, and a text that names no known
    /// country passes as it is.
    Name,
}

/// How a system writes a language.  The canonical form is a BCP 47 tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LanguageForm {
    /// `pt-BR`
    #[default]
    Tag,
    /// `pt_BR`
    Locale,
    /// `pt`; the rest of the tag is kept from the canonical record.
    Alpha2,
    /// `por`; likewise.
    Alpha3,
}

pub(crate) fn get_country(form: CountryForm, slot: &Value) -> Result<Value, Refusal> {
    let written = text(slot)?;
    match (country(&written), form) {
        (Some(country), _) => Ok(Value::from(country.alpha2)),
        (None, CountryForm::Name) => Ok(Value::String(written)),
        (None, _) => Err(Refusal::unfit(slot, "it is no ISO 3166 country")),
    }
}

pub(crate) fn put_country(form: CountryForm, value: &Value) -> Result<Value, Refusal> {
    let named = text(value)?;
    match (country(&named), form) {
        (Some(country), CountryForm::Alpha2) => Ok(Value::from(country.alpha2)),
        (Some(country), CountryForm::Alpha3) => Ok(Value::from(country.alpha3)),
        (Some(country), CountryForm::Name) => Ok(Value::from(country.name.as_str())),
        (None, CountryForm::Name) => Ok(Value::String(named)),
        (None, _) => Err(Refusal::unfit(value, "it is no ISO 3166 country")),
    }
}

/// One country as it is written.
struct Written {
    alpha2: &'static str,
    alpha3: &'static str,
    /// The English name without its article.
    name: String,
}

/// All countries, and where each is found by a code or name in folded writing.
static COUNTRIES: LazyLock<(Vec<Written>, HashMap<String, usize>)> = LazyLock::new(|| {
    let all = Country::get_countries();
    let written: Vec<Written> = all
        .iter()
        .map(|country| Written {
            alpha2: country.alpha2,
            alpha3: country.alpha3,
            name: english_name(country.long_name),
        })
        .collect();
    let mut found = HashMap::new();
    // Later ones win: what is the name of one country may be another's alias.
    for (index, country) in all.iter().enumerate() {
        found.extend(country.aliases.iter().map(|alias| (folded(alias), index)));
    }
    for (index, country) in written.iter().enumerate() {
        found.insert(folded(&country.name), index);
        found.insert(folded(&format!("the {}", country.name)), index);
    }
    for (index, country) in written.iter().enumerate() {
        found.insert(folded(country.alpha3), index);
        found.insert(folded(country.alpha2), index);
        if country.alpha2 == "GB" {
            // Reserved in ISO 3166-1 for the United Kingdom, and what people write.
            found.insert("uk".into(), index);
        }
    }
    (written, found)
});

/// Finds a country by code or name, whatever the case and punctuation.
fn country(written: &str) -> Option<&'static Written> {
    let (all, found) = &*COUNTRIES;
    let index = found.get(&folded(written))?;
    all.get(*index)
}

fn folded(name: &str) -> String {
    let kept = name.chars().filter(|c| c.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

fn english_name(name: &str) -> String {
    name.strip_prefix("The ")
        .unwrap_or(name)
        .replace(" Of ", " of ")
        .replace(" And ", " and ")
}

impl LanguageForm {
    pub(crate) fn get(self, slot: &Value, canonical: &Value) -> Result<Value, Refusal> {
        let written = text(slot)?;
        let tag = written.trim().replace('_', "-");
        // A Unix locale may name its encoding: de_DE.UTF-8.
        let tag = tag.split(['.', '@']).next().unwrap_or("");
        let (primary, rest) = primary_and_rest(tag);
        let primary =
            short_code(primary).ok_or_else(|| Refusal::unfit(slot, "it is no ISO 639 language"))?;
        let narrow = matches!(self, LanguageForm::Alpha2 | LanguageForm::Alpha3);
        if narrow
            && let Some(known) = canonical.as_str()
            && primary_and_rest(known).0 == primary
        {
            return Ok(Value::from(known));
        }
        Ok(Value::String(match rest {
            Some(rest) => format!("{primary}-{rest}"),
            None => primary.to_owned(),
        }))
    }

    pub(crate) fn put(self, value: &Value) -> Result<Value, Refusal> {
        let tag = text(value)?;
        let (primary, _) = primary_and_rest(&tag);
        let wrong = || Refusal::unfit(value, "it is no ISO 639 language");
        Ok(Value::String(match self {
            LanguageForm::Tag => tag,
            LanguageForm::Locale => tag.replace('-', "_"),
            LanguageForm::Alpha2 => primary.to_owned(),
            LanguageForm::Alpha3 => language(primary).ok_or_else(wrong)?.to_639_3().to_owned(),
        }))
    }
}

fn primary_and_rest(tag: &str) -> (&str, Option<&str>) {
    match tag.split_once('-') {
        Some((primary, rest)) => (primary, Some(rest)),
        None => (tag, None),
    }
}

fn language(code: &str) -> Option<Language> {
    let code = code.to_ascii_lowercase();
    Language::from_639_1(&code).or_else(|| Language::from_639_3(&code))
}

/// BCP 47 takes the two-letter code where there is one.
fn short_code(code: &str) -> Option<&'static str> {
    let language = language(code)?;
    Some(language.to_639_1().unwrap_or(language.to_639_3()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn countries_are_read_in_every_writing() {
        // Codes as ISO 3166-1 has them.
        for (written, code) in [
            ("DE", "DE"),
            ("deu", "DE"),
            ("Germany", "DE"),
            ("USA", "US"),
            ("United States", "US"),
            ("United States of America", "US"),
            ("UK", "GB"),
            ("United Kingdom", "GB"),
            ("the netherlands", "NL"),
            ("Samoa", "WS"),
            ("NIGER", "NE"),
        ] {
            let got = get_country(CountryForm::Name, &json!(written)).unwrap();
            assert_eq!(got, json!(code), "{written}");
        }
        assert_eq!(
            get_country(CountryForm::Name, &json!("Atlantis")).unwrap(),
            json!("Atlantis")
        );
        assert!(get_country(CountryForm::Alpha2, &json!("Atlantis")).is_err());
    }

    #[test]
    fn every_country_comes_back_from_every_form() {
        for country in Country::get_countries() {
            for form in [CountryForm::Alpha2, CountryForm::Alpha3, CountryForm::Name] {
                let written = put_country(form, &json!(country.alpha2)).unwrap();
                let got = get_country(form, &written).unwrap();
                assert_eq!(got, json!(country.alpha2), "{written}");
            }
        }
    }

    #[test]
    fn languages_keep_what_the_system_cannot_hold() {
        let get = |form: LanguageForm, written: &str, known: Value| {
            form.get(&json!(written), &known).unwrap()
        };
        assert_eq!(
            get(LanguageForm::Locale, "de_AT", json!(null)),
            json!("de-AT")
        );
        assert_eq!(
            get(LanguageForm::Locale, "de_DE.UTF-8", json!(null)),
            json!("de-DE")
        );
        assert_eq!(
            get(LanguageForm::Alpha2, "pt", json!("pt-BR")),
            json!("pt-BR")
        );
        assert_eq!(get(LanguageForm::Alpha2, "es", json!("pt-BR")), json!("es"));
        assert_eq!(get(LanguageForm::Alpha3, "deu", json!(null)), json!("de"));
        assert_eq!(
            LanguageForm::Alpha3.put(&json!("pt-BR")).unwrap(),
            json!("por")
        );
        assert!(
            LanguageForm::Tag
                .get(&json!("klingonish"), &json!(null))
                .is_err()
        );
    }
}
