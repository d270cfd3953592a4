//! Merge fields: what an audience stores beside the e-mail address.
//!
//! Types and rules are those of mailchimp.com/developer/marketing/docs/merge-fields;
//! FNAME, LNAME, ADDRESS and PHONE exist in every new audience.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::problem::FieldError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Text,
    Number,
    Address,
    Phone,
    Date,
    Url,
    ImageUrl,
    Radio,
    Dropdown,
    Birthday,
    Zip,
}

impl FieldType {
    const NAMES: [(&'static str, FieldType); 11] = [
        ("text", FieldType::Text),
        ("number", FieldType::Number),
        ("address", FieldType::Address),
        ("phone", FieldType::Phone),
        ("date", FieldType::Date),
        ("url", FieldType::Url),
        ("imageurl", FieldType::ImageUrl),
        ("radio", FieldType::Radio),
        ("dropdown", FieldType::Dropdown),
        ("birthday", FieldType::Birthday),
        ("zip", FieldType::Zip),
    ];

    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
    }

    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("text", |(name, _)| name)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MergeField {
    pub merge_id: u64,
    pub tag: String,
    pub name: String,
    pub kind: FieldType,
    pub required: bool,
    /// For radio and dropdown.
    pub choices: Vec<String>,
}

/// The fields that a new audience has, and the birthday most people add.
pub fn defaults() -> Vec<MergeField> {
    let fields = [
        ("FNAME", "First Name", FieldType::Text),
        ("LNAME", "Last Name", FieldType::Text),
        ("ADDRESS", "Address", FieldType::Address),
        ("PHONE", "Phone Number", FieldType::Phone),
        ("BIRTHDAY", "Birthday", FieldType::Birthday),
    ];
    fields
        .into_iter()
        .zip(1..)
        .map(|((tag, name, kind), merge_id)| MergeField {
            merge_id,
            tag: tag.to_owned(),
            name: name.to_owned(),
            kind,
            required: false,
            choices: Vec::new(),
        })
        .collect()
}

/// A field in the shape of GET lists/{id}/merge-fields/{merge_id}.
pub fn render(field: &MergeField, list_id: &str) -> Value {
    let options = match field.kind {
        FieldType::Text => json!({"size": 25}),
        FieldType::Address => json!({"default_country": 164}),
        FieldType::Phone => json!({"phone_format": "none"}),
        FieldType::Birthday => json!({"date_format": "MM/DD"}),
        FieldType::Date => json!({"date_format": "MM/DD/YYYY"}),
        FieldType::Radio | FieldType::Dropdown => json!({"choices": field.choices}),
        _ => json!({}),
    };
    json!({
        "merge_id": field.merge_id,
        "tag": field.tag,
        "name": field.name,
        "type": field.kind.name(),
        "required": field.required,
        "default_value": "",
        "public": true,
        "display_order": field.merge_id + 1,
        "options": options,
        "help_text": "",
        "list_id": list_id,
    })
}

/// A value as an answer shows it: an unset field of any type is "".
pub fn shown(value: Option<&Value>) -> &Value {
    static UNSET: Value = Value::String(String::new());
    value.unwrap_or(&UNSET)
}

const ADDRESS_PARTS: [&str; 6] = ["addr1", "addr2", "city", "state", "zip", "country"];

/// Changes `stored` as the tags in `given` say.  Tags that the audience does
/// not have are ignored (recorded: `email_address` among merge fields was
/// accepted and dropped), and tags not given keep their value.
pub fn amend(
    fields: &[MergeField],
    stored: &mut BTreeMap<String, Value>,
    given: &Map<String, Value>,
    skip_required: bool,
) -> Result<(), Vec<FieldError>> {
    let mut errors = Vec::new();
    for field in fields {
        match given.get(&field.tag).map(|value| accept(field, value)) {
            None => {}
            Some(Ok(None)) => {
                stored.remove(&field.tag);
            }
            Some(Ok(Some(value))) => {
                stored.insert(field.tag.clone(), value);
            }
            Some(Err(message)) => errors.push(FieldError::new(&field.tag, message)),
        }
        let missing = !stored.contains_key(&field.tag);
        if field.required && missing && !skip_required {
            errors.push(FieldError::new(&field.tag, "Please enter a value"));
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// The value to store, none for "clear it", or the vendor's complaint.
fn accept(field: &MergeField, value: &Value) -> Result<Option<Value>, String> {
    if field.kind == FieldType::Address {
        return accept_address(value);
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null => return Err("Schema describes string, NULL found instead".to_owned()),
        Value::Bool(_) => return Err("Schema describes string, boolean found instead".to_owned()),
        Value::Array(_) => return Err("Schema describes string, array found instead".to_owned()),
        Value::Object(_) => return Err("Schema describes string, object found instead".to_owned()),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let stored = Some(Value::from(text.as_str()));
    match field.kind {
        FieldType::Number => match text.trim().parse::<f64>() {
            Ok(_) if value.is_number() => Ok(Some(value.clone())),
            Ok(number) => Ok(Some(json!(number))),
            Err(_) => Err("Please enter a number".to_owned()),
        },
        FieldType::Birthday if !is_birthday(&text) => {
            Err("Please enter a month (01-12) and a day (01-31)".to_owned())
        }
        FieldType::Date if text.parse::<jiff::civil::Date>().is_err() => {
            Err("Please enter the date".to_owned())
        }
        FieldType::Radio | FieldType::Dropdown if !field.choices.contains(&text) => Err(format!(
            "Value must be one of: {} (not {text})",
            field.choices.join(", ")
        )),
        FieldType::Url | FieldType::ImageUrl if url::Url::parse(&text).is_err() => {
            Err("Please enter a valid URL".to_owned())
        }
        _ => Ok(stored),
    }
}

/// "All-or-nothing": street, city, state and zip belong together; without a
/// country the field's default (US) is taken.
fn accept_address(value: &Value) -> Result<Option<Value>, String> {
    let incomplete = || Err("Please enter a complete address".to_owned());
    let given = match value {
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::Object(given) => given,
        _ => return incomplete(),
    };
    let part = |name: &str| {
        given
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim()
    };
    if ADDRESS_PARTS.iter().all(|name| part(name).is_empty()) {
        return Ok(None);
    }
    if ["addr1", "city", "state", "zip"]
        .iter()
        .any(|name| part(name).is_empty())
    {
        return incomplete();
    }
    let mut stored: Map<String, Value> = ADDRESS_PARTS
        .iter()
        .map(|name| ((*name).to_owned(), Value::from(part(name))))
        .collect();
    if part("country").is_empty() {
        stored.insert("country".to_owned(), Value::from("US"));
    }
    Ok(Some(Value::Object(stored)))
}

fn is_birthday(text: &str) -> bool {
    let Some((month, day)) = text.split_once('/') else {
        return false;
    };
    // A leap year, so that 02/29 is a birthday.
    matches!((month.parse(), day.parse()), (Ok(m), Ok(d)) if jiff::civil::Date::new(2000, m, d).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: FieldType) -> MergeField {
        let choices = vec!["m".to_owned(), "w".to_owned()];
        let text = "F".to_owned();
        MergeField {
            merge_id: 1,
            tag: text.clone(),
            name: text,
            kind,
            required: false,
            choices,
        }
    }

    fn check(kind: FieldType, given: Value, expect: Result<Value, &str>) {
        let mut stored = BTreeMap::new();
        let given = Map::from_iter([("F".to_owned(), given)]);
        let outcome = amend(&[field(kind)], &mut stored, &given, false);
        match expect {
            Ok(value) => {
                assert_eq!(outcome, Ok(()));
                assert_eq!(shown(stored.get("F")), &value);
            }
            Err(message) => assert_eq!(outcome, Err(vec![FieldError::new("F", message)])),
        }
    }

    #[test]
    fn values_are_checked_by_type() {
        // docs/merge-fields, and the answers recorded in public client tests.
        check(FieldType::Text, json!("Ann"), Ok(json!("Ann")));
        check(FieldType::Text, json!(""), Ok(json!("")));
        check(
            FieldType::Text,
            json!(null),
            Err("Schema describes string, NULL found instead"),
        );
        check(
            FieldType::Number,
            json!("AAAAA"),
            Err("Please enter a number"),
        );
        check(FieldType::Number, json!(7), Ok(json!(7)));
        check(FieldType::Birthday, json!("02/29"), Ok(json!("02/29")));
        check(
            FieldType::Birthday,
            json!("13/01"),
            Err("Please enter a month (01-12) and a day (01-31)"),
        );
        check(FieldType::Dropdown, json!("m"), Ok(json!("m")));
        check(
            FieldType::Dropdown,
            json!("z"),
            Err("Value must be one of: m, w (not z)"),
        );
        check(
            FieldType::Phone,
            json!("+49 30 901820"),
            Ok(json!("+49 30 901820")),
        );
    }

    #[test]
    fn an_address_is_all_or_nothing() {
        let whole = json!({"addr1": "1 Main St", "city": "Atlanta", "state": "GA", "zip": "30312"});
        let stored = json!({
            "addr1": "1 Main St", "addr2": "", "city": "Atlanta", "state": "GA", "zip": "30312",
            "country": "US",
        });
        check(FieldType::Address, whole, Ok(stored));
        let part = json!({"addr1": "1 Main St", "city": "Atlanta"});
        check(
            FieldType::Address,
            part,
            Err("Please enter a complete address"),
        );
        check(
            FieldType::Address,
            json!({"addr1": "", "city": ""}),
            Ok(json!("")),
        );
        check(FieldType::Address, json!(""), Ok(json!("")));
    }

    #[test]
    fn tags_not_given_stay_and_unknown_tags_are_dropped() {
        let mut stored = BTreeMap::from([("LNAME".to_owned(), json!("Lee"))]);
        let given = Map::from_iter([
            ("FNAME".to_owned(), json!("Ann")),
            ("email_address".to_owned(), json!("a@example.org")),
        ]);
        amend(&defaults(), &mut stored, &given, false).unwrap();
        let expect = [
            ("FNAME".to_owned(), json!("Ann")),
            ("LNAME".to_owned(), json!("Lee")),
        ];
        assert_eq!(stored, BTreeMap::from(expect));
    }
}
