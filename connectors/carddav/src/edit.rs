//! Changes a card to hold new values, touching only the lines that carry them.

use concord_sdk::{FieldFault, Fields, Value};

use crate::card::{ADDRESS_PARTS, Card, ORG_PARTS, Version, list};
use crate::contact::{Contact, set_contacts};
use crate::line::{Line, escape, split_escaped, unescape};
use crate::name::{fallback_name, set_name};

/// Writes these fields into the card.  What is wrong with a field is said for
/// all of them at once; the card is then not to be used.
pub fn apply(card: &mut Card, fields: &Fields) -> Result<(), Vec<FieldFault>> {
    let mut faults = Vec::new();
    for (field, value) in fields {
        let done = match field.as_str() {
            "n" => set_name(card, value),
            "nickname" => one(value).map(|v| set_first_of_list(card, "NICKNAME", v)),
            "title" => one(value).map(|v| set_text(card, "TITLE", v)),
            "note" => one(value).map(|v| set_text(card, "NOTE", v)),
            "url" => one(value).map(|v| set_text(card, "URL", v)),
            "bday" => one(value).map(|v| set_birthday(card, v)),
            "org" => set_parts(card, "ORG", &ORG_PARTS, value),
            "address" => set_parts(card, "ADR", &ADDRESS_PARTS, value),
            "categories" => set_categories(card, value),
            "emails" => set_contacts(card, Contact::Email, value),
            "tels" => set_contacts(card, Contact::Tel, value),
            "uid" | "fn" => {
                Err("it cannot be written: FN follows the names, UID never changes".into())
            }
            _ => Err("a card has no such field".into()),
        };
        if let Err(message) = done {
            faults.push(FieldFault {
                field: field.clone(),
                message,
            });
        }
    }
    if card.first("FN").is_none() || card.text_of("FN").is_none() {
        // RFC 6350 §6.2.1: a card has an FN, whatever else it lacks.
        match fallback_name(card) {
            Some(name) => set_text(card, "FN", Some(&name)),
            None => faults.push(FieldFault {
                field: String::new(),
                message: "a card needs a name, an organisation, an address or a number".into(),
            }),
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

pub fn one(value: &Value) -> Result<Option<&str>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text)),
        other => Err(format!("it takes text, not {other}")),
    }
}

fn position(card: &Card, name: &str) -> Option<usize> {
    card.lines.iter().position(|l| l.name == name)
}

pub fn places(card: &Card, name: &str) -> Vec<usize> {
    (0..card.lines.len())
        .filter(|at| card.lines[*at].name == name)
        .collect()
}

/// Takes lines out, and with them what their groups only say about them
/// (labels).  The places are in ascending order.
pub fn remove(card: &mut Card, places: &[usize]) {
    let removed: Vec<Line> = places
        .iter()
        .rev()
        .map(|at| card.lines.remove(*at))
        .collect();
    for group in removed.into_iter().filter_map(|line| line.group) {
        let in_group = |l: &Line| l.group.as_ref() == Some(&group);
        if card
            .lines
            .iter()
            .filter(|l| in_group(l))
            .all(|l| l.name.starts_with("X-"))
        {
            card.lines.retain(|l| !in_group(l));
        }
    }
}

/// `value` is already escaped; empty takes the line out.
fn set_value(card: &mut Card, name: &str, at: Option<usize>, value: &str) {
    match (at, value.trim_matches(';').is_empty()) {
        (Some(at), true) => remove(card, &[at]),
        (Some(at), false) => card.lines[at].set_value(value),
        (None, true) => {}
        (None, false) => card.lines.push(Line::new(name, value)),
    }
}

pub fn set_text(card: &mut Card, name: &str, text: Option<&str>) {
    let at = position(card, name);
    if at.map(|at| unescape(&card.lines[at].value)).as_deref() != text {
        set_value(card, name, at, &text.map(escape).unwrap_or_default());
    }
}

fn set_first_of_list(card: &mut Card, name: &str, text: Option<&str>) {
    let at = position(card, name);
    let mut values: Vec<String> = at.map(|at| list(&card.lines[at].value)).unwrap_or_default();
    if values.first().map(String::as_str) == text {
        return;
    }
    match (values.first_mut(), text) {
        (Some(first), Some(text)) => *first = text.to_owned(),
        (Some(_), None) => drop(values.remove(0)),
        (None, Some(text)) => values.push(text.to_owned()),
        (None, None) => {}
    }
    set_value(card, name, at, &joined(&values));
}

fn joined(values: &[String]) -> String {
    values
        .iter()
        .map(|v| escape(v))
        .collect::<Vec<_>>()
        .join(",")
}

/// Replaces the parts that `value` names; the others, and parts beyond those
/// that have names, stay.
pub fn set_parts(
    card: &mut Card,
    property: &str,
    names: &[&str],
    value: &Value,
) -> Result<(), String> {
    let at = match property {
        "ADR" => card.preferred(property, |_| true),
        _ => position(card, property),
    };
    let current = at
        .map(|at| card.lines[at].value.clone())
        .unwrap_or_default();
    let mut parts: Vec<String> = split_escaped(&current, ';')
        .into_iter()
        .map(str::to_owned)
        .collect();
    // RFC 2426 and RFC 6350 want all components of N and ADR, even empty ones.
    let wanted = if property == "ORG" { 1 } else { names.len() };
    parts.resize(parts.len().max(wanted), String::new());
    match value {
        Value::Null => parts.iter_mut().for_each(String::clear),
        Value::Object(members) => {
            for (name, value) in members {
                let Some(i) = names.iter().position(|n| n == name) else {
                    return Err(format!("'{name}' is not one of {}", names.join(", ")));
                };
                let text = one(value)?.unwrap_or_default();
                parts.resize(parts.len().max(i + 1), String::new());
                if unescape(&parts[i]).trim() != text {
                    parts[i] = escape(text);
                }
            }
        }
        other => return Err(format!("it takes an object, not {other}")),
    }
    let mut value = parts.join(";");
    if property == "ORG" {
        value.truncate(value.trim_end_matches(';').len());
    }
    set_value(card, property, at, &value);
    Ok(())
}

fn set_birthday(card: &mut Card, date: Option<&str>) {
    let at = position(card, "BDAY");
    let omitted = at.and_then(|at| card.lines[at].param("X-APPLE-OMIT-YEAR").map(str::to_owned));
    let text = match (date, omitted, card.version) {
        (Some(date), Some(year), _) if date.starts_with("--") => format!("{year}{}", &date[1..]),
        // RFC 6350 §4.3.1 has the basic format only.
        (Some(date), _, Version::V4) => match date.strip_prefix("--") {
            Some(month_day) => format!("--{}", month_day.replace('-', "")),
            None => date.replace('-', ""),
        },
        (Some(date), _, Version::V3) => date.to_owned(),
        (None, ..) => String::new(),
    };
    set_value(card, "BDAY", at, &escape(&text));
}

fn set_categories(card: &mut Card, value: &Value) -> Result<(), String> {
    let wanted: Vec<String> = match value {
        Value::Null => Vec::new(),
        Value::Array(all) => {
            let texts: Result<Vec<_>, _> = all.iter().map(one).collect();
            texts?.into_iter().flatten().map(str::to_owned).collect()
        }
        other => return Err(format!("it takes a list of texts, not {other}")),
    };
    let mut missing: Vec<String> = wanted.clone();
    let mut emptied = Vec::new();
    for at in places(card, "CATEGORIES") {
        let mut kept = list(&card.lines[at].value);
        let before = kept.len();
        kept.retain(|v| wanted.contains(v));
        missing.retain(|v| !kept.contains(v));
        if kept.is_empty() {
            emptied.push(at);
        } else if kept.len() < before {
            card.lines[at].set_value(&joined(&kept));
        }
    }
    remove(card, &emptied);
    if !missing.is_empty() {
        let at = position(card, "CATEGORIES");
        let mut all = at.map(|at| list(&card.lines[at].value)).unwrap_or_default();
        all.append(&mut missing);
        set_value(card, "CATEGORIES", at, &joined(&all));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn card(version: &str, body: &str) -> Card {
        Card::parse(&format!(
            "BEGIN:VCARD\r\nVERSION:{version}\r\n{body}\r\nEND:VCARD\r\n"
        ))
        .unwrap()
    }

    /// The body of the card after the edit.
    fn edited(version: &str, body: &str, fields: Value) -> String {
        let mut card = card(version, body);
        apply(&mut card, fields.as_object().unwrap()).unwrap();
        card.lines
            .iter()
            .map(|l| l.raw().to_owned())
            .collect::<Vec<_>>()
            .join("\r\n")
    }

    #[test]
    fn only_the_line_of_the_field_changes() {
        let body = "UID:u\r\nFN:Ann Lee\r\nN:Lee;Ann;;;\r\nitem1.EMAIL;TYPE=INTERNET;TYPE=pref:a@example.com\r\nitem1.X-ABLabel:_$!<Other>!$_\r\nEMAIL;TYPE=HOME:h@example.net\r\nPHOTO;ENCODING=b:AAAA\r\n AAAA\r\nX-FOO;BAR=1:x\\,y";
        let cases = [
            (
                json!({"title": "Buyer"}),
                "X-FOO;BAR=1:x\\,y",
                "X-FOO;BAR=1:x\\,y\r\nTITLE:Buyer",
            ),
            (
                json!({"n": {"family": "Lea"}}),
                "FN:Ann Lee\r\nN:Lee;Ann;;;",
                "FN:Ann Lea\r\nN:Lea;Ann;;;",
            ),
            (
                json!({"emails": [{"rank":"main","type":"","value":"new@example.com"}, {"rank":"other","type":"home","value":"h@example.net"}]}),
                "pref:a@example.com",
                "pref:new@example.com",
            ),
            (
                json!({"emails": [{"rank":"main","type":"","value":"a@example.com"}]}),
                "EMAIL;TYPE=HOME:h@example.net\r\n",
                "",
            ),
            (
                json!({"emails": [{"rank":"other","type":"home","value":"h@example.net"}]}),
                "item1.EMAIL;TYPE=INTERNET;TYPE=pref:a@example.com\r\nitem1.X-ABLabel:_$!<Other>!$_\r\n",
                "",
            ),
        ];
        for (fields, from, to) in cases {
            assert_eq!(
                edited("3.0", body, fields.clone()),
                body.replace(from, to),
                "{fields}"
            );
        }
    }

    #[test]
    fn values_are_written_as_their_version_wants_them() {
        let cases = [
            (
                "3.0",
                "FN:x",
                json!({"bday": "1980-02-03"}),
                "FN:x\r\nBDAY:1980-02-03",
            ),
            (
                "4.0",
                "FN:x",
                json!({"bday": "1980-02-03"}),
                "FN:x\r\nBDAY:19800203",
            ),
            (
                "4.0",
                "FN:x",
                json!({"bday": "--02-03"}),
                "FN:x\r\nBDAY:--0203",
            ),
            (
                "3.0",
                "FN:x\r\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-02-03",
                json!({"bday": "--05-06"}),
                "FN:x\r\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-05-06",
            ),
            (
                "4.0",
                "FN:x\r\nTEL;VALUE=uri;PREF=1:tel:+1-555",
                json!({"tels": [{"rank":"main","type":"","value":"+49 30 1"}]}),
                "FN:x\r\nTEL;VALUE=uri;PREF=1:tel:+49-30-1",
            ),
            (
                "3.0",
                "FN:x",
                json!({"note": "a,b;c\nd"}),
                "FN:x\r\nNOTE:a\\,b\\;c\\nd",
            ),
            (
                "3.0",
                "FN:x\r\nORG:Lee;Sales;East",
                json!({"org": {"name": "Kim"}}),
                "FN:x\r\nORG:Kim;Sales;East",
            ),
            (
                "3.0",
                "FN:x\r\nORG:Lee;Sales",
                json!({"org": {"unit": null}}),
                "FN:x\r\nORG:Lee",
            ),
            (
                "3.0",
                "FN:x\r\nADR;TYPE=WORK:;;A 1;Bern;;3000;CH",
                json!({"address": {"street": "B 2", "city": "Bern"}}),
                "FN:x\r\nADR;TYPE=WORK:;;B 2;Bern;;3000;CH",
            ),
            (
                "3.0",
                "FN:x\r\nADR:;;A 1;;;;",
                json!({"address": null}),
                "FN:x",
            ),
            (
                "3.0",
                "FN:x\r\nCATEGORIES:a,b\r\nCATEGORIES:c",
                json!({"categories": ["b", "d"]}),
                "FN:x\r\nCATEGORIES:b,d",
            ),
            (
                "3.0",
                "FN:x\r\nCATEGORIES:a",
                json!({"categories": null}),
                "FN:x",
            ),
            (
                "3.0",
                "FN:x\r\nNICKNAME:Nan,Annie",
                json!({"nickname": "Ann"}),
                "FN:x\r\nNICKNAME:Ann,Annie",
            ),
        ];
        for (version, body, fields, expect) in cases {
            assert_eq!(edited(version, body, fields.clone()), expect, "{fields}");
        }
    }

    #[test]
    fn fn_follows_the_names_unless_a_person_worded_it() {
        let cases = [
            (
                "FN:Ann Lee\r\nN:Lee;Ann;;Dr.;",
                json!({"n": {"given": "Anne"}}),
                "FN:Anne Lee\r\nN:Lee;Anne;;Dr.;",
            ),
            (
                "FN:Dr. Ann Lee\r\nN:Lee;Ann;;Dr.;",
                json!({"n": {"given": "Anne"}}),
                "FN:Dr. Anne Lee\r\nN:Lee;Anne;;Dr.;",
            ),
            (
                "FN:Ann from the bakery\r\nN:Lee;Ann;;;",
                json!({"n": {"given": "Anne"}}),
                "FN:Ann from the bakery\r\nN:Lee;Anne;;;",
            ),
            (
                "FN:Ann Lee",
                json!({"n": {"given": "Anne"}}),
                "FN:Anne Lee\r\nN:Lee;Anne;;;",
            ),
            ("ORG:Lee", json!({"n": null}), "ORG:Lee\r\nN:;;;;\r\nFN:Lee"),
        ];
        for (body, fields, expect) in cases {
            assert_eq!(
                edited("3.0", body, fields.clone()),
                expect,
                "{body} {fields}"
            );
        }
    }

    #[test]
    fn writing_back_what_was_read_changes_nothing() {
        let body = "FN:Ann  Lee\r\nN:Lee;Ann;Marie,Rose;;\r\nORG:A\\, B;;x\r\nEMAIL;TYPE=INTERNET:a@example.com\r\nTEL;TYPE=CELL:+49 30\r\nTEL;TYPE=CELL:+49 30\r\nADR:;;a,b;c;;;\r\nBDAY:1980-02-03\r\nNOTE:x\\Ny\r\nCATEGORIES:a,b";
        let mut fields = card("3.0", body).fields();
        fields.retain(|name, _| name != "uid" && name != "fn");
        assert_eq!(edited("3.0", body, Value::Object(fields)), body);
    }

    #[test]
    fn a_wrong_field_is_named() {
        let mut card = card("3.0", "FN:x");
        let wrong =
            json!({"title": 5, "shoe": "x", "emails": "a", "org": {"boss": "y"}, "fn": "z"});
        let faults = apply(&mut card, wrong.as_object().unwrap()).unwrap_err();
        let mut fields: Vec<_> = faults.iter().map(|f| f.field.as_str()).collect();
        fields.sort();
        assert_eq!(fields, ["emails", "fn", "org", "shoe", "title"]);
    }
}
