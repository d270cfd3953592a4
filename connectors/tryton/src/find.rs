//! Looking for a party by its values: how a create that timed out is found.

use concord_sdk::prelude::*;
use serde_json::json;

use crate::edit::holds;
use crate::party::{MODEL, Party, read_fields};
use crate::rpc::Rpc;

/// More than this with the same name and address are not one lost create.
const FOUND_MAX: usize = 50;

pub fn find(
    host: &dyn Host,
    values: &Fields,
    asked: &[String],
) -> Result<Vec<RemoteRecord>, Fault> {
    let rpc = Rpc::open(host)?;
    let mut domain = vec![json!(["active", "=", true])];
    if let Some(name) = values.get("name").and_then(Value::as_str) {
        domain.push(json!(["name", "=", name.trim()]));
    }
    for mechanism in values
        .get("contact_mechanisms")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        // Tryton may have formatted a number.
        if mechanism["type"] == "email" {
            domain.push(json!(["contact_mechanisms.value", "=", mechanism["value"]]));
        }
    }
    if domain.len() == 1 {
        return Err(Fault::bug(
            "a party is looked for by name or e-mail; neither was given",
        ));
    }
    let mut fields: Vec<String> = asked.to_vec();
    fields.extend(values.keys().cloned());
    fields.sort();
    fields.dedup();
    let (rows, _) = rpc.search(
        MODEL,
        Value::Array(domain),
        FOUND_MAX,
        &read_fields(&fields),
    )?;
    let parties = rows.into_iter().filter_map(Party::new);
    let found = parties.filter(|party| holds(party, values));
    Ok(found
        .map(|party| party.record(asked))
        .collect::<Result<_, _>>()?)
}
