//! The body of a member write, read the way the vendor's schema reads it:
//! every field of a wrong type is named in one answer.

use email_address::{EmailAddress, Options};
use serde_json::{Map, Value};

use super::listing::read_time;
use super::member::{Seconds, Status};
use super::problem::{FieldError, Problem};

/// What a write gives; `None` is "not given".
#[derive(Clone, Debug, Default)]
pub struct MemberInput {
    pub email: Option<String>,
    pub status: Option<Status>,
    pub status_if_new: Option<Status>,
    pub merge_fields: Map<String, Value>,
    pub email_type: Option<String>,
    pub language: Option<String>,
    pub vip: Option<bool>,
    pub tags: Option<Vec<TagChange>>,
    pub ip_signup: Option<String>,
    pub ip_opt: Option<String>,
    pub timestamp_signup: Option<Seconds>,
    pub timestamp_opt: Option<Seconds>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagChange {
    pub name: String,
    pub active: bool,
}

/// A request body that has to be a JSON object.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => {
            let message = format!(
                "Schema describes object, {} found instead",
                type_name(&other)
            );
            Err(Problem::invalid(vec![FieldError::new("", message)]))
        }
        Err(_) => Err(Problem::unreadable_json()),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl MemberInput {
    pub fn read(fields: &Map<String, Value>) -> Result<Self, Problem> {
        let mut reader = Reader {
            fields,
            errors: Vec::new(),
        };
        let input = Self {
            email: reader.text("email_address"),
            status: reader.status("status"),
            status_if_new: reader.status("status_if_new"),
            merge_fields: reader.map("merge_fields"),
            email_type: reader.text("email_type"),
            language: reader.text("language"),
            vip: reader.flag("vip"),
            tags: reader.tags(),
            ip_signup: reader.text("ip_signup"),
            ip_opt: reader.text("ip_opt"),
            timestamp_signup: reader.time("timestamp_signup"),
            timestamp_opt: reader.time("timestamp_opt"),
        };
        if !reader.errors.is_empty() {
            return Err(Problem::invalid(reader.errors));
        }
        match &input.email {
            Some(email) if !is_address(email) => Err(Problem::invalid_email()),
            _ => Ok(input),
        }
    }
}

/// The vendor wants a domain with a dot and takes neither a display name nor
/// an address literal.
fn is_address(text: &str) -> bool {
    let options = Options::default()
        .with_required_tld()
        .without_domain_literal()
        .without_display_text();
    EmailAddress::parse_with_options(text, options).is_ok()
}

struct Reader<'a> {
    fields: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Reader<'_> {
    fn wrong(&mut self, name: &str, expected: &str, found: &Value) {
        let message = format!(
            "Schema describes {expected}, {} found instead",
            type_name(found)
        );
        self.errors.push(FieldError::new(name, message));
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => {
                self.wrong(name, "string", other);
                None
            }
        }
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        match self.fields.get(name)? {
            Value::Bool(flag) => Some(*flag),
            other => {
                self.wrong(name, "boolean", other);
                None
            }
        }
    }

    fn map(&mut self, name: &str) -> Map<String, Value> {
        match self.fields.get(name) {
            None => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(other) => {
                self.wrong(name, "object", other);
                Map::new()
            }
        }
    }

    /// `archived` can be read but not written: DELETE is the way to it.
    fn status(&mut self, name: &str) -> Option<Status> {
        let text = self.text(name)?;
        let status = Status::parse(&text).filter(|status| *status != Status::Archived);
        if status.is_none() {
            let message = "The value you selected is not a valid choice.";
            self.errors.push(FieldError::new(name, message));
        }
        status
    }

    fn time(&mut self, name: &str) -> Option<Seconds> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        let at = read_time(&text);
        if at.is_none() {
            self.errors
                .push(FieldError::new(name, "This value is not a valid datetime."));
        }
        at
    }

    /// Names, or (as the tags endpoint wants them) names with a status.
    fn tags(&mut self) -> Option<Vec<TagChange>> {
        let tags = match self.fields.get("tags")? {
            Value::Array(tags) => tags,
            other => {
                self.wrong("tags", "array", other);
                return None;
            }
        };
        let mut changes = Vec::new();
        for tag in tags {
            match tag
                .as_str()
                .or_else(|| tag.get("name").and_then(Value::as_str))
            {
                Some(name) => {
                    let active = tag.get("status").and_then(Value::as_str) != Some("inactive");
                    changes.push(TagChange {
                        name: name.to_owned(),
                        active,
                    });
                }
                None => self.wrong("tags", "string", tag),
            }
        }
        Some(changes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: Value, expect: Result<(), Problem>) {
        let Value::Object(fields) = body else {
            panic!("an object")
        };
        assert_eq!(MemberInput::read(&fields).map(|_| ()), expect);
    }

    #[test]
    fn wrong_types_are_named_by_field() {
        // "Schema describes object, array found instead" is what PHP clients
        // get for an empty array of merge fields.
        let error = |field: &str, message: &str| {
            Err(Problem::invalid(vec![FieldError::new(field, message)]))
        };
        check(
            json!({"email_address": "ann@example.org", "status": "subscribed"}),
            Ok(()),
        );
        check(
            json!({"merge_fields": []}),
            error(
                "merge_fields",
                "Schema describes object, array found instead",
            ),
        );
        check(
            json!({"language": null}),
            error("language", "Schema describes string, NULL found instead"),
        );
        check(
            json!({"status": "archived"}),
            error("status", "The value you selected is not a valid choice."),
        );
        check(
            json!({"email_address": "ann"}),
            Err(Problem::invalid_email()),
        );
        check(
            json!({"email_address": "ann@localhost"}),
            Err(Problem::invalid_email()),
        );
    }
}
