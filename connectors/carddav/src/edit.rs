//! Changes a card to hold new values, touching only the lines that carry them.

use concord_sdk::{FieldFault, Fields, Value};

use crate::card::{ADDRESS_PARTS, Card, Contact, NAME_PARTS, ORG_PARTS, Version, list};
use crate::line::{Line, escape, split_escaped, unescape};

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

fn one(value: &Value) -> Result<Option<&str>, String> {
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

fn places(card: &Card, name: &str) -> Vec<usize> {
    (0..card.lines.len())
        .filter(|at| card.lines[*at].name == name)
        .collect()
}

/// Takes lines out, and with them what their groups only say about them
/// (labels).  The places are in ascending order.
fn remove(card: &mut Card, places: &[usize]) {
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

fn set_text(card: &mut Card, name: &str, text: Option<&str>) {
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
fn set_parts(card: &mut Card, property: &str, names: &[&str], value: &Value) -> Result<(), String> {
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

/// FN follows the names as long as it says no more than they do.  A person's
/// own wording ("Ann from the bakery") is left alone.
fn set_name(card: &mut Card, value: &Value) -> Result<(), String> {
    let shown = card.text_of("FN").map(|f| words(&f));
    let before = spellings(&card.name());
    if card.first("N").is_none() && card.text_of("FN").is_some() {
        // The hub read names out of FN: give them to N before changing some.
        let derived = card.name();
        set_parts(card, "N", &NAME_PARTS, &derived)?;
    }
    set_parts(card, "N", &NAME_PARTS, value)?;
    // RFC 2426 §3.1.2: a 3.0 card has an N, even an empty one.
    if card.first("N").is_none() && card.version == Version::V3 {
        card.lines.push(Line::new("N", ";;;;"));
    }
    let ours = match &shown {
        None => Some(0),
        Some(shown) => before.iter().position(|s| s == shown),
    };
    if let Some(spelling) = ours {
        let name = Card {
            version: card.version,
            lines: n_only(card),
        }
        .name();
        let after = &spellings(&name)[spelling];
        if shown.as_ref() != Some(after) {
            set_text(card, "FN", (!after.is_empty()).then_some(after));
        }
    }
    Ok(())
}

fn n_only(card: &Card) -> Vec<Line> {
    card.lines
        .iter()
        .filter(|l| l.name == "N")
        .cloned()
        .collect()
}

/// How names are put together for FN: in full, and given and family only.
fn spellings(name: &Value) -> [String; 2] {
    let join = |parts: &[&str]| {
        let texts = parts
            .iter()
            .filter_map(|p| name.get(p).and_then(Value::as_str));
        words(&texts.collect::<Vec<_>>().join(" "))
    };
    [
        join(&["prefix", "given", "additional", "family", "suffix"]),
        join(&["given", "family"]),
    ]
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fallback_name(card: &Card) -> Option<String> {
    let fields = card.fields();
    let texts = [
        fields["nickname"].as_str(),
        fields["org"]["name"].as_str(),
        fields["emails"][0]["value"].as_str(),
        fields["tels"][0]["value"].as_str(),
    ];
    texts.into_iter().flatten().next().map(str::to_owned)
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

/// Brings the lines to hold exactly the wanted elements.  An element that is
/// there already keeps its line untouched; one whose value changed keeps the
/// line of its rank or type, with group, parameters and label.
fn set_contacts(card: &mut Card, contact: Contact, value: &Value) -> Result<(), String> {
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
