//! The properties of an object type, and what values they take.

use std::collections::HashMap;

use concord_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::refusal::Invalid;

/// A property's place in its type's catalogue.
pub(crate) type Slot = u16;

/// These three stand first in every catalogue and are kept as numbers.
pub(crate) const OBJECT_ID: Slot = 0;
pub(crate) const CREATED: Slot = 1;
pub(crate) const MODIFIED: Slot = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Bool,
    Date,
    DateTime,
    Choice,
    /// Several choices, joined by semicolons.
    Choices,
}

#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) group: String,
    pub(crate) kind: Kind,
    pub(crate) field_type: String,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) read_only: bool,
    pub(crate) unique: bool,
    pub(crate) custom: bool,
}

/// A property that is to be added, as `POST /crm/properties/…` takes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewProperty {
    name: String,
    label: String,
    #[serde(rename = "type")]
    kind: String,
    field_type: String,
    group_name: String,
    #[serde(default)]
    options: Vec<NewOption>,
    #[serde(default)]
    has_unique_value: bool,
}

#[derive(Debug, Deserialize)]
struct NewOption {
    label: String,
    value: String,
}

#[derive(Debug)]
pub(crate) struct Catalogue {
    list: Vec<Property>,
    by_name: HashMap<String, Slot>,
}

/// One value of a write, ready to be stored; `None` clears.
pub(crate) type Cleaned = (Slot, Option<Box<str>>);

impl Catalogue {
    pub(crate) fn new(list: Vec<Property>) -> Self {
        let mut catalogue = Self {
            list: Vec::new(),
            by_name: HashMap::new(),
        };
        for property in list {
            catalogue.push(property);
        }
        catalogue
    }

    fn push(&mut self, property: Property) {
        let slot = Slot::try_from(self.list.len()).unwrap_or(Slot::MAX);
        self.by_name.insert(property.name.clone(), slot);
        self.list.push(property);
    }

    /// Adds a property of the customer's own; false where the name is taken.
    pub(crate) fn add(&mut self, new: NewProperty) -> Result<bool, String> {
        let kind = match (new.kind.as_str(), new.field_type.as_str()) {
            ("string" | "phone_number", _) => Kind::Text,
            ("number", _) => Kind::Number,
            ("bool", _) => Kind::Bool,
            ("date", _) => Kind::Date,
            ("datetime", _) => Kind::DateTime,
            ("enumeration", "checkbox") => Kind::Choices,
            ("enumeration", _) => Kind::Choice,
            (other, _) => return Err(format!("{other} is not a property type")),
        };
        if self.by_name.contains_key(&new.name) {
            return Ok(false);
        }
        self.push(Property {
            name: new.name,
            label: new.label,
            group: new.group_name,
            kind,
            field_type: new.field_type,
            options: new
                .options
                .into_iter()
                .map(|o| (o.value, o.label))
                .collect(),
            read_only: false,
            unique: new.has_unique_value,
            custom: true,
        });
        Ok(true)
    }

    pub(crate) fn slot(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn property(&self, slot: Slot) -> &Property {
        &self.list[usize::from(slot)]
    }

    pub(crate) fn all(&self) -> &[Property] {
        &self.list
    }

    /// Checks and normalises the properties of a write.  A person at the screen
    /// may set what the API may not, except what HubSpot itself counts.
    pub(crate) fn clean(
        &self,
        values: &Map<String, Value>,
        by_person: bool,
    ) -> Result<Vec<Cleaned>, Vec<Invalid>> {
        let mut cleaned = Vec::with_capacity(values.len());
        let mut invalid = Vec::new();
        for (name, value) in values {
            match self.clean_one(name, value, by_person) {
                Ok(one) => cleaned.push(one),
                Err(problem) => invalid.push(problem),
            }
        }
        if invalid.is_empty() {
            Ok(cleaned)
        } else {
            Err(invalid)
        }
    }

    fn clean_one(&self, name: &str, value: &Value, by_person: bool) -> Result<Cleaned, Invalid> {
        let Some(slot) = self.slot(name) else {
            return Err(Invalid::new(
                name,
                "PROPERTY_DOESNT_EXIST",
                format!("Property \"{name}\" does not exist"),
            ));
        };
        let property = self.property(slot);
        if property.read_only && (slot <= MODIFIED || !by_person) {
            return Err(Invalid::new(
                name,
                "READ_ONLY_VALUE",
                format!("\"{name}\" is a read only property; its value cannot be set."),
            ));
        }
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if text.is_empty() {
            return Ok((slot, None));
        }
        let stored = property.store(&text)?;
        Ok((slot, Some(stored.into_boxed_str())))
    }
}

impl Property {
    /// The value as HubSpot keeps it.
    fn store(&self, text: &str) -> Result<String, Invalid> {
        let refuse = |code, message| Err(Invalid::new(&self.name, code, message));
        match self.kind {
            Kind::Text if self.name == "email" => {
                let address = text.trim().to_lowercase();
                if looks_like_email(&address) {
                    Ok(address)
                } else {
                    refuse("INVALID_EMAIL", format!("Email address {text} is invalid"))
                }
            }
            Kind::Text => Ok(text.to_owned()),
            Kind::Number => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(text.trim().to_owned()),
                _ => refuse("INVALID_DOUBLE", format!("{text} was not a valid double.")),
            },
            Kind::DateTime => match milliseconds(text) {
                Some(ms) => Ok(iso(ms)),
                None => refuse("INVALID_LONG", format!("{text} was not a valid long.")),
            },
            Kind::Date => match milliseconds(text) {
                // A date is kept as midnight UTC and shown without the time.
                Some(ms) if ms.rem_euclid(86_400_000) == 0 => Ok(iso(ms)[..10].to_owned()),
                Some(ms) => refuse(
                    "INVALID_DATE",
                    format!("{text} is at {} UTC, not midnight!", iso(ms)),
                ),
                None => refuse("INVALID_LONG", format!("{text} was not a valid long.")),
            },
            Kind::Bool if text == "true" || text == "false" => Ok(text.to_owned()),
            Kind::Bool => refuse(
                "INVALID_OPTION",
                format!("{text} was not one of the allowed options: [true, false]"),
            ),
            Kind::Choice => self.known_option(text).map(str::to_owned),
            Kind::Choices => {
                let parts = text.split(';').filter(|part| !part.is_empty());
                let known: Vec<&str> = parts
                    .map(|part| self.known_option(part))
                    .collect::<Result<_, _>>()?;
                Ok(known.join(";"))
            }
        }
    }

    fn known_option<'a>(&self, text: &'a str) -> Result<&'a str, Invalid> {
        // A property whose options lie elsewhere takes any value.
        if self.options.is_empty() || self.options.iter().any(|(value, _)| value == text) {
            return Ok(text);
        }
        let allowed: Vec<&str> = self.options.iter().map(|(v, _)| v.as_str()).collect();
        Err(Invalid::new(
            &self.name,
            "INVALID_OPTION",
            format!(
                "{text} was not one of the allowed options: [{}]",
                allowed.join(", ")
            ),
        ))
    }

    /// The property as `GET /crm/properties/…` shows it.
    pub(crate) fn show(&self) -> Value {
        let kind = match self.kind {
            Kind::Text => "string",
            Kind::Number => "number",
            Kind::Bool => "bool",
            Kind::Date => "date",
            Kind::DateTime => "datetime",
            Kind::Choice | Kind::Choices => "enumeration",
        };
        let options: Vec<Value> = self
            .options
            .iter()
            .enumerate()
            .map(|(order, (value, label))| {
                json!({"value": value, "label": label, "displayOrder": order, "hidden": false})
            })
            .collect();
        json!({
            "name": self.name,
            "label": self.label,
            "type": kind,
            "fieldType": self.field_type,
            "groupName": self.group,
            "description": "",
            "options": options,
            "displayOrder": -1,
            "calculated": false,
            "externalOptions": false,
            "archived": false,
            "hidden": false,
            "formField": !self.read_only,
            "hubspotDefined": !self.custom,
            "hasUniqueValue": self.unique,
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": !self.custom,
                "readOnlyOptions": !self.custom,
                "readOnlyValue": self.read_only,
            },
        })
    }
}

/// One mailbox, one domain with a dot: HubSpot's own rule is not published.
fn looks_like_email(address: &str) -> bool {
    let Some((mailbox, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let spoilt = |c: char| c.is_whitespace() || c == ',' || c == ';' || c == '<' || c == '>';
    let labels_are_whole = domain.split('.').all(|label| !label.is_empty());
    !mailbox.is_empty()
        && !mailbox.contains('@')
        && domain.contains('.')
        && labels_are_whole
        && !address.contains(spoilt)
}

/// A moment, written in milliseconds or as ISO 8601 with or without a time.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    if text.len() == 10 {
        return Timestamp::parse(&format!("{text}T00:00:00Z")).map(Timestamp::millis);
    }
    Timestamp::parse(text).map(Timestamp::millis)
}

/// ISO 8601 with milliseconds, as all of HubSpot's moments are written.
pub(crate) fn iso(ms: i64) -> String {
    const PRINTER: jiff::fmt::temporal::DateTimePrinter =
        jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(moment) => PRINTER.timestamp_to_string(&moment),
        Err(_) => ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_both_spellings_and_written_in_one() {
        // The search guide filters by milliseconds ("1642672800000"); the reference shows
        // "2019-10-30T03:30:17.883Z" (developers.hubspot.com, 2026-03).
        assert_eq!(milliseconds("1572406217883"), Some(1_572_406_217_883));
        assert_eq!(
            milliseconds("2019-10-30T03:30:17.883Z"),
            Some(1_572_406_217_883)
        );
        assert_eq!(milliseconds("2019-10-30"), Some(1_572_393_600_000));
        assert_eq!(milliseconds("soon"), None);
        assert_eq!(iso(1_572_406_217_883), "2019-10-30T03:30:17.883Z");
        assert_eq!(iso(1_572_393_600_000), "2019-10-30T00:00:00.000Z");
    }

    #[test]
    fn addresses_need_a_mailbox_and_a_domain_with_a_dot() {
        for good in ["ann@lee.test", "a.b+c@x.y.z"] {
            assert!(looks_like_email(good), "{good}");
        }
        for bad in [
            "ann",
            "@lee.test",
            "ann@lee",
            "a b@c.d",
            "a@b..c",
            "a@b@c.d",
            "a@b.c,d",
        ] {
            assert!(!looks_like_email(bad), "{bad}");
        }
    }
}
