//! E-mail addresses and numbers, of which a card holds any number.

use concord_sdk::Value;

use crate::card::Card;
use crate::edit::{one, places, remove};
use crate::line::{Line, escape, unescape};

/// The two properties that a card holds any number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    Email,
    Tel,
}

impl Contact {
    pub fn property(self) -> &'static str {
        match self {
            Contact::Email => "EMAIL",
            Contact::Tel => "TEL",
        }
    }

    /// Nobody is called on a fax.
    pub fn can_be_main(self, line: &Line) -> bool {
        !line.types().any(|t| t == "fax" || t == "pager") && !self.value(line).is_empty()
    }

    /// The one type that tells most; types such as `internet` say nothing.
    pub fn kind(self, line: &Line) -> &'static str {
        let telling: &[&'static str] = match self {
            Contact::Email => &["work", "home"],
            Contact::Tel => &["fax", "pager", "cell", "work", "home"],
        };
        let types: Vec<String> = line.types().collect();
        telling
            .iter()
            .find(|t| types.iter().any(|own| own == *t))
            .copied()
            .unwrap_or("")
    }

    /// RFC 6350 §6.4.1 writes numbers as `tel:` URIs, RFC 2426 as text.
    pub fn value(self, line: &Line) -> String {
        let value = unescape(&line.value);
        let value = value.trim();
        let bare = match (self, value.get(..4)) {
            (Contact::Tel, Some(scheme)) if scheme.eq_ignore_ascii_case("tel:") => &value[4..],
            _ => value,
        };
        bare.to_owned()
    }
}

/// Brings the lines to hold exactly the wanted elements.  An element that is
/// there already keeps its line untouched; one whose value changed keeps the
/// line of its rank or type, with group, parameters and label.
pub fn set_contacts(card: &mut Card, contact: Contact, value: &Value) -> Result<(), String> {
    let wanted: &[Value] = match value {
        Value::Null => &[],
        Value::Array(all) => all,
        other => return Err(format!("it takes a list, not {other}")),
    };
    let main = card.preferred(contact.property(), |l| contact.can_be_main(l));
    let mut free = places(card, contact.property());
    let mut open = Vec::new();
    for element in wanted {
        let Some(text) = one(&element["value"])? else {
            continue;
        };
        let kind = one(&element["type"])?.unwrap_or_default();
        let same = |l: &Line| contact.value(l) == text && contact.kind(l) == kind;
        match free.iter().position(|at| same(&card.lines[*at])) {
            Some(i) => drop(free.remove(i)),
            None => open.push((element["rank"] == "main", kind, text)),
        }
    }
    for (is_main, kind, text) in open {
        let by_rank = free.iter().position(|at| is_main && Some(*at) == main);
        let by_kind = || {
            free.iter()
                .position(|at| !kind.is_empty() && contact.kind(&card.lines[*at]) == kind)
        };
        match by_rank.or_else(by_kind) {
            Some(i) => {
                let line = &mut card.lines[free.remove(i)];
                let is_uri = line
                    .param("VALUE")
                    .is_some_and(|v| v.eq_ignore_ascii_case("uri"));
                let value = if is_uri { uri(text) } else { escape(text) };
                line.set_value(&value);
            }
            None if kind.is_empty() => card
                .lines
                .push(Line::new(contact.property(), &escape(text))),
            None => card
                .lines
                .push(Line::typed(contact.property(), kind, &escape(text))),
        }
    }
    remove(card, &free);
    Ok(())
}

/// RFC 3966: no blanks in a `tel:` URI.
fn uri(number: &str) -> String {
    format!(
        "tel:{}",
        number.split_whitespace().collect::<Vec<_>>().join("-")
    )
}
