//! From the fields of an op to Tryton's values for `create` and `write`.

use std::collections::BTreeMap;

use concord_sdk::prelude::*;
use serde_json::json;

use crate::party::{OWN_FIELDS, Part, Party};
use crate::rpc::Rpc;

/// The members of an address and the fields of `party.address` that hold them.
const ADDRESS_TEXTS: [&str; 3] = ["street", "city", "postal_code"];

/// One party's write, ready to be sent.
#[derive(Debug, PartialEq)]
pub struct Plan {
    pub values: Fields,
    /// `party.party,7` → `_timestamp`, of every row that the write touches.
    pub timestamps: Fields,
}

/// Ids of languages, countries and subdivisions, each looked up once a push.
pub struct Lookups<'a> {
    rpc: &'a Rpc<'a>,
    known: BTreeMap<String, Option<i64>>,
}

impl<'a> Lookups<'a> {
    pub fn new(rpc: &'a Rpc<'a>) -> Self {
        Self {
            rpc,
            known: BTreeMap::new(),
        }
    }

    fn id(&mut self, model: &str, domain: Value) -> Result<Option<i64>, Fault> {
        let key = format!("{model}{domain}");
        if let Some(id) = self.known.get(&key) {
            return Ok(*id);
        }
        let (rows, _) = self.rpc.search(model, domain, 1, &["id".to_owned()])?;
        let id = rows
            .first()
            .and_then(|row| row.get("id"))
            .and_then(Value::as_i64);
        self.known.insert(key, id);
        Ok(id)
    }
}

/// `party` is the party as it is now; none for a create.
pub fn plan(
    party: Option<&Party>,
    fields: &Fields,
    lookups: &mut Lookups<'_>,
) -> Result<Plan, Fault> {
    let parts = party.map(Party::parts).unwrap_or_default();
    let mut plan = Plan {
        values: Fields::new(),
        timestamps: Fields::new(),
    };
    plan.touch(parts.first());
    for (field, value) in fields {
        match field.as_str() {
            "name" => drop(
                plan.values
                    .insert("name".into(), json!(text(field, value)?)),
            ),
            "language" => {
                let id = match text(field, value)? {
                    None => None,
                    Some(code) => Some(
                        lookups
                            .id("ir.lang", json!([["code", "=", code]]))?
                            .ok_or_else(|| {
                                Fault::invalid(
                                    "language",
                                    format!("Tryton has no language '{code}'"),
                                )
                            })?,
                    ),
                };
                plan.values.insert("lang".into(), json!(id));
            }
            "contact_mechanisms" => plan.mechanisms(party, &parts, value)?,
            "address" => plan.address(party, &parts, value, lookups)?,
            _ => drop(plan.values.insert(field.clone(), value.clone())),
        }
    }
    Ok(plan)
}

fn text<'v>(field: &str, value: &'v Value) -> Result<Option<&'v str>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim()).filter(|t| !t.is_empty())),
        other => Err(Fault::invalid(field, format!("it takes text, not {other}"))),
    }
}

impl Plan {
    fn touch(&mut self, part: Option<&Part<'_>>) {
        if let Some(part) = part
            && let Some(timestamp) = part.timestamp()
        {
            self.timestamps.insert(part.name(), json!(timestamp));
        }
    }

    fn touch_row(&mut self, parts: &[Part<'_>], model: &str, id: i64) {
        self.touch(parts.iter().find(|p| p.model == model && p.id == id));
    }

    /// The list as it shall be: an element with an id that is there is kept or
    /// changed, one without is created, one left out is deleted.
    fn mechanisms(
        &mut self,
        party: Option<&Party>,
        parts: &[Part<'_>],
        value: &Value,
    ) -> Result<(), Fault> {
        const FIELD: &str = "contact_mechanisms";
        const MODEL: &str = "party.contact_mechanism";
        let current = party.map(Party::mechanisms).unwrap_or_default();
        let mut left: Vec<&Value> = current.as_array().into_iter().flatten().collect();
        let wanted = match value {
            Value::Null => &[],
            Value::Array(all) => all.as_slice(),
            other => {
                return Err(Fault::invalid(
                    FIELD,
                    format!("it takes a list, not {other}"),
                ));
            }
        };
        let mut commands = Vec::new();
        let mut created = Vec::new();
        for element in wanted {
            let Some(value) = text(FIELD, &element["value"])? else {
                continue;
            };
            let Some(at) = left.iter().position(|held| held["id"] == element["id"]) else {
                created.push(json!({"type": element["type"], "value": value}));
                continue;
            };
            let held = left.remove(at);
            if held["value"] != value || held["type"] != element["type"] {
                let id = held["id"].as_i64().unwrap_or_default();
                self.touch_row(parts, MODEL, id);
                commands.push(json!(["write", [id], {"type": element["type"], "value": value}]));
            }
        }
        let deleted: Vec<i64> = left.iter().filter_map(|held| held["id"].as_i64()).collect();
        for id in &deleted {
            self.touch_row(parts, MODEL, *id);
        }
        if !deleted.is_empty() {
            commands.push(json!(["delete", deleted]));
        }
        if !created.is_empty() {
            commands.push(json!(["create", created]));
        }
        if !commands.is_empty() {
            self.values.insert(FIELD.into(), Value::Array(commands));
        }
        Ok(())
    }

    /// Emptied addresses are archived: invoices may point at them.
    fn address(
        &mut self,
        party: Option<&Party>,
        parts: &[Part<'_>],
        value: &Value,
        lookups: &mut Lookups<'_>,
    ) -> Result<(), Fault> {
        const MODEL: &str = "party.address";
        let nothing = Fields::new();
        let wanted = match value {
            Value::Null => &nothing,
            Value::Object(members) => members,
            other => {
                return Err(Fault::invalid(
                    "address",
                    format!("it takes an object, not {other}"),
                ));
            }
        };
        let current = party.map(Party::address).unwrap_or_default();
        let member = |name: &str| match (value, wanted.get(name)) {
            (Value::Null, _) => Ok(None),
            (_, Some(value)) => text("address", value).map(|t| t.map(str::to_owned)),
            (_, None) => Ok(current[name].as_str().map(str::to_owned)),
        };
        let mut values = Fields::new();
        for name in ADDRESS_TEXTS {
            values.insert(name.into(), json!(member(name)?));
        }
        let (country, subdivision) = (member("country")?, member("subdivision")?);
        let is_empty =
            values.values().all(Value::is_null) && country.is_none() && subdivision.is_none();
        let country_id = match &country {
            None => None,
            Some(code) => Some(lookups.id("country.country", json!([["code", "=", code]]))?.ok_or_else(|| {
                Fault::invalid("address", format!(
                    "Tryton has no country '{code}': load them with trytond_import_countries"
                ))
            })?),
        };
        let subdivision_id = match (&subdivision, country_id) {
            (None, _) => None,
            (Some(name), Some(country)) => {
                let domain = json!([["country", "=", country], ["name", "ilike", name]]);
                Some(lookups.id("country.subdivision", domain)?.ok_or_else(|| {
                    Fault::invalid(
                        "address",
                        format!("Tryton has no subdivision '{name}' of that country"),
                    )
                })?)
            }
            (Some(_), None) => {
                return Err(Fault::invalid(
                    "address",
                    "Tryton takes a region only together with its country",
                ));
            }
        };
        values.insert("country".into(), json!(country_id));
        values.insert("subdivision".into(), json!(subdivision_id));
        let command = match (current["id"].as_i64(), is_empty) {
            (None, true) => return Ok(()),
            (None, false) => json!(["create", [values]]),
            (Some(id), empty) => {
                self.touch_row(parts, MODEL, id);
                let values = if empty {
                    json!({"active": false})
                } else {
                    Value::Object(values)
                };
                json!(["write", [id], values])
            }
        };
        self.values.insert("addresses".into(), json!([command]));
        Ok(())
    }
}

/// True where the party holds these fields, as far as Tryton can be trusted to
/// store what it was given: it strips blanks, and formats numbers where a
/// library for that is installed.
pub fn holds(party: &Party, fields: &Fields) -> bool {
    let asked: Vec<String> = fields.keys().cloned().collect();
    let held = party.fields(&asked);
    fields.iter().all(|(name, wanted)| match name.as_str() {
        "contact_mechanisms" => mechanism_keys(&held[name]) == mechanism_keys(wanted),
        "address" => {
            let members = wanted.as_object().cloned().unwrap_or_default();
            let known = ADDRESS_TEXTS.iter().chain(&["country", "subdivision"]);
            let mut asked = known.filter(|m| wanted.is_null() || members.contains_key(**m));
            asked
                .all(|m| folded(&held[name][*m]) == folded(members.get(*m).unwrap_or(&Value::Null)))
        }
        _ => folded(&held[name]) == folded(wanted),
    })
}

/// The fields that a write left out hold what they held.
pub fn unchanged_beside(before: &Party, after: &Party, fields: &Fields) -> bool {
    let mut held = before.fields(&[]);
    held.retain(|name, _| OWN_FIELDS.contains(&name.as_str()) && !fields.contains_key(name));
    holds(after, &held)
}

fn folded(value: &Value) -> Value {
    match value {
        Value::String(text) if text.trim().is_empty() => Value::Null,
        Value::String(text) => json!(text.trim()),
        other => other.clone(),
    }
}

fn mechanism_keys(list: &Value) -> Vec<(String, String)> {
    let mut keys: Vec<_> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|element| {
            let (kind, value) = (element["type"].as_str()?, element["value"].as_str()?.trim());
            let value = match kind {
                "phone" | "mobile" | "fax" => value
                    .chars()
                    .filter(|c| c.is_ascii_digit() || *c == '+')
                    .collect(),
                _ => value.to_owned(),
            };
            Some((kind.to_owned(), value)).filter(|(_, value)| !value.is_empty())
        })
        .collect();
    keys.sort();
    keys
}
