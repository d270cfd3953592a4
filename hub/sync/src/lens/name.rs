//! A whole name in one remote field ⇄ given and family name.

use concord_core::{FieldName, Value};
use serde::{Deserialize, Serialize};

use super::{Context, Refusal};
use crate::normal;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamePart {
    Given,
    Family,
}

/// One half of a split name; `with` is the canonical field of the other half.
#[derive(Clone, Debug, PartialEq)]
pub struct NameSplit {
    pub part: NamePart,
    pub with: FieldName,
}

impl NameSplit {
    pub(crate) fn get(&self, slot: &Value, context: &Context<'_>) -> Result<Value, Refusal> {
        let Value::String(whole) = slot else {
            return Err(Refusal::unfit(slot, "a name is text"));
        };
        let (given, family) = self.known(context);
        let (given, family) = split(whole, &given, &family, NamePart::Family);
        Ok(match self.part {
            NamePart::Given => text(given),
            NamePart::Family => text(family),
        })
    }

    /// Replaces this half.  The other half stays as the system has it: it may
    /// be held, and what is held is not written.  It is looked for first, so
    /// that it is not taken for this one where both are the same word.
    pub(crate) fn put(&self, value: &Value, slot: &Value, context: &Context<'_>) -> Value {
        let (known_given, known_family) = self.known(context);
        let whole = slot.as_str().unwrap_or("");
        let new = value.as_str().unwrap_or("");
        let other = match self.part {
            NamePart::Given => NamePart::Family,
            NamePart::Family => NamePart::Given,
        };
        let (given, family) = split(whole, &known_given, &known_family, other);
        let joined = match self.part {
            NamePart::Given => join(new, &family),
            NamePart::Family => join(&given, new),
        };
        if joined == normal::fold_space(whole) {
            return slot.clone();
        }
        text(joined)
    }

    /// Given and family name as the canonical record has them.
    fn known(&self, context: &Context<'_>) -> (String, String) {
        let own = context.canonical.value(context.field.as_str());
        let other = context.canonical.value(self.with.as_str());
        let folded = |value: &Value| normal::fold_space(value.as_str().unwrap_or("")).into_owned();
        match self.part {
            NamePart::Given => (folded(own), folded(other)),
            NamePart::Family => (folded(other), folded(own)),
        }
    }
}

fn text(text: String) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        Value::String(text)
    }
}

fn join(given: &str, family: &str) -> String {
    let joined = format!("{given} {family}");
    normal::fold_space(&joined).into_owned()
}

/// Splits a whole name.  What the canonical record knows of either half decides
/// first, so that "Ann van der Berg" splits before "van", beginning with the
/// half `first`; otherwise the last word is the family name, and a single word
/// the given name.
fn split(whole: &str, given: &str, family: &str, first: NamePart) -> (String, String) {
    let whole = normal::fold_space(whole);
    let owned = |a: &str, b: &str| (a.trim().to_owned(), b.trim().to_owned());
    if whole == join(given, family) {
        return owned(given, family);
    }
    let by_family = || before(&whole, family).map(|rest| owned(rest, family));
    let by_given = || after(&whole, given).map(|rest| owned(given, rest));
    let known = match first {
        NamePart::Family => by_family().or_else(by_given),
        NamePart::Given => by_given().or_else(by_family),
    };
    if let Some(halves) = known {
        return halves;
    }
    match whole.rsplit_once(' ') {
        Some((given, family)) => owned(given, family),
        None => owned(&whole, ""),
    }
}

/// What stands before the family name, where the whole name ends with it.
fn before<'a>(whole: &'a str, family: &str) -> Option<&'a str> {
    let rest = whole.strip_suffix(family)?;
    (!family.is_empty() && (rest.is_empty() || rest.ends_with(' '))).then_some(rest)
}

/// What stands after the given name, where the whole name begins with it.
fn after<'a>(whole: &'a str, given: &str) -> Option<&'a str> {
    let rest = whole.strip_prefix(given)?;
    (!given.is_empty() && (rest.is_empty() || rest.starts_with(' '))).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_where_the_record_says() {
        let check = |whole: &str, known: (&str, &str), expect: (&str, &str)| {
            let (given, family) = split(whole, known.0, known.1, NamePart::Family);
            assert_eq!((given.as_str(), family.as_str()), expect, "{whole}");
        };
        check("Ann van der Berg", ("", ""), ("Ann van der", "Berg"));
        check(
            "Ann van der Berg",
            ("Ann", "van der Berg"),
            ("Ann", "van der Berg"),
        );
        check(
            "Anna van der Berg",
            ("Ann", "van der Berg"),
            ("Anna", "van der Berg"),
        );
        check(
            "Ann de la Cruz",
            ("Ann", "van der Berg"),
            ("Ann", "de la Cruz"),
        );
        check("Bob Van Smith", ("Ann", "Berg"), ("Bob Van", "Smith"));
        check("Madonna", ("", ""), ("Madonna", ""));
        check("Madonna", ("", "Madonna"), ("", "Madonna"));
        check("Annabel Lee", ("Ann", "Roe"), ("Annabel", "Lee"));
        check("  Ann   Lee ", ("", ""), ("Ann", "Lee"));
        check("", ("Ann", "Lee"), ("", ""));
        check("Ann Marie", ("Ann Marie", ""), ("Ann Marie", ""));
    }

    #[test]
    fn the_second_half_reads_the_same_after_the_first_was_taken_over() {
        for (whole, given, family) in [
            ("Bob Van Smith", "Ann", "Berg"),
            ("Anna van der Berg", "Ann", "van der Berg"),
            ("Ann de la Cruz", "Ann", "Lee"),
            ("Cher", "Ann", "Lee"),
        ] {
            let first = split(whole, given, family, NamePart::Family);
            let second = split(whole, &first.0, family, NamePart::Family);
            assert_eq!(second, first, "{whole}");
        }
    }
}
