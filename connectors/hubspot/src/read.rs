//! Direct reads: by id, and by what a record holds.

use std::collections::BTreeMap;

use concord_sdk::prelude::*;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::objects::{self, ObjectType, is_record_id};
use crate::records::{self, Object};

/// How many candidates of a look-up are compared.  More records than this that
/// hold the same values cannot be told apart anyway.
const FIND_LIMIT: u32 = 50;

pub fn fetch(
    api: &Api<'_>,
    object: ObjectType,
    ids: &[String],
    fields: &[String],
) -> Result<Vec<Change>, Fault> {
    let mut found = BTreeMap::new();
    let possible: Vec<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| is_record_id(id))
        .collect();
    read_live(api, object, &possible, fields, &mut found)?;
    let missing: Vec<&str> = possible
        .into_iter()
        .filter(|id| !found.contains_key(*id))
        .collect();
    read_archived(api, object, &missing, &mut found)?;
    Ok(ids
        .iter()
        .map(|id| {
            let hidden = || Change::gone(id, Absence::Hidden, None);
            found.remove(id).unwrap_or_else(hidden)
        })
        .collect())
}

fn read_live(
    api: &Api<'_>,
    object: ObjectType,
    ids: &[&str],
    fields: &[String],
    found: &mut BTreeMap<String, Change>,
) -> Result<(), Fault> {
    let Some(response) = read(api, object, ids, None, &records::properties(fields), false)? else {
        return Ok(());
    };
    for object in results(&response)? {
        match object {
            Ok(object) => {
                for change in object.absorbed() {
                    if let Change::Gone(gone) = &change {
                        found.entry(gone.id.clone()).or_insert(change);
                    }
                }
                found.insert(object.id.to_string(), object.change());
            }
            Err(malformed) => {
                if let Some(id) = malformed.id.clone() {
                    found.insert(id, Change::Malformed(malformed));
                }
            }
        }
    }
    Ok(())
}

fn read_archived(
    api: &Api<'_>,
    object: ObjectType,
    ids: &[&str],
    found: &mut BTreeMap<String, Change>,
) -> Result<(), Fault> {
    if let Some(response) = read(api, object, ids, None, &[], true)? {
        for object in results(&response)?.into_iter().flatten() {
            found.insert(object.id.to_string(), object.gone_archived());
        }
    }
    Ok(())
}

/// The records that hold these values.  Where one of them is the unique
/// property the database is asked and not the search index, which lags.
pub fn find(
    api: &Api<'_>,
    object: ObjectType,
    values: &Fields,
    fields: &[String],
) -> Result<Vec<RemoteRecord>, Fault> {
    let mut asked = records::properties(fields);
    for name in values.keys() {
        if !asked.contains(&name.as_str()) {
            asked.push(name);
        }
    }
    let unique = object
        .unique
        .and_then(|name| Some((name, values.get(name)?.as_str()?)));
    let response = match unique {
        Some((name, value)) => read(api, object, &[value], Some(name), &asked, false)?,
        None => Some(api.search(
            object,
            &json!({
                "filterGroups": [{"filters": values.iter().map(equals).collect::<Vec<_>>()}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": asked,
                "limit": FIND_LIMIT,
            }),
        )?),
    };
    let Some(response) = response else {
        return Ok(Vec::new());
    };
    // An address can be a contact's second one; HubSpot has said already that
    // this contact holds it, and would refuse to give it to another.
    let settled = unique.map(|(name, _)| name);
    let mut records = Vec::new();
    for object in results(&response)?.into_iter().flatten() {
        if !object.archived && holds(&object, values, settled)? {
            records.push(object.record()?);
        }
    }
    Ok(records)
}

fn equals((name, value): (&String, &Value)) -> Value {
    match objects::property_text(value) {
        Some(text) if !text.is_empty() => {
            json!({"propertyName": name, "operator": "EQ", "value": text})
        }
        _ => json!({"propertyName": name, "operator": "NOT_HAS_PROPERTY"}),
    }
}

/// Search compares text without regard to case and by words, so the values are
/// compared again.
fn holds(object: &Object<'_>, values: &Fields, settled: Option<&str>) -> Result<bool, Fault> {
    let properties: BTreeMap<String, Value> = serde_json::from_str(object.properties.get())
        .map_err(|e| Fault::Bug(format!("properties of {}: {e}", object.id)))?;
    Ok(values
        .iter()
        .filter(|(name, _)| Some(name.as_str()) != settled)
        .all(|(name, value)| {
            let stored = properties.get(name).and_then(objects::property_text);
            stored.unwrap_or_default() == objects::property_text(value).unwrap_or_default()
        }))
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: &'a RawValue,
}

fn results(response: &Response) -> Result<Vec<Result<Object<'_>, Malformed>>, Fault> {
    let answer: Answer<'_> = response.json()?;
    records::objects(answer.results)
}

/// A batch read; ids that are not there are missing from its results.  Nothing
/// is asked where there is no id.
fn read(
    api: &Api<'_>,
    object: ObjectType,
    ids: &[&str],
    id_property: Option<&str>,
    properties: &[&str],
    archived: bool,
) -> Result<Option<Response>, Fault> {
    if ids.is_empty() {
        return Ok(None);
    }
    let mut body = json!({
        "properties": properties,
        "inputs": ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
    });
    if let Some(name) = id_property {
        body["idProperty"] = json!(name);
    }
    api.batch_read(object, &body, archived)
}
