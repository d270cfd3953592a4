//! Writes, in HubSpot's batches.
//!
//! One bad row refuses a whole batch; then nothing of it was written, and the
//! fault is handed on as the batch's, for the engine to bisect.

use std::borrow::Cow;
use std::collections::BTreeMap;

use concord_sdk::prelude::*;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::errors::{self, Problem};
use crate::objects::{ObjectType, is_record_id, property_text};
use crate::records::{self, Object};

/// An op with its place in the call and its fields as HubSpot takes them.
struct Write<'a> {
    place: usize,
    op: &'a Op,
    /// The remote id; empty for a create.
    id: &'a str,
    properties: BTreeMap<String, String>,
}

type Placed = Vec<(usize, Outcome)>;

pub fn push(api: &Api<'_>, object: ObjectType, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
    let mut settled: BTreeMap<usize, Outcome> = BTreeMap::new();
    let (mut creates, mut updates, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
    for (place, op) in ops.iter().enumerate() {
        let (group, id) = match &op.action {
            Action::Create => (&mut creates, ""),
            Action::Update(id) => (&mut updates, id.as_str()),
            Action::Delete(id) => (&mut deletes, id.as_str()),
        };
        if op.action != Action::Create && !is_record_id(id) {
            let fault = Fault::NotFound(format!("'{id}' is no HubSpot record id"));
            settled.insert(place, Outcome::Failed(fault));
            continue;
        }
        match properties(op) {
            Ok(properties) => group.push(Write {
                place,
                op,
                id,
                properties,
            }),
            Err(fault) => {
                settled.insert(place, Outcome::Failed(fault));
            }
        }
    }

    let mut written = false;
    type Send = fn(&Api<'_>, ObjectType, &[Write<'_>]) -> Result<Placed, Fault>;
    let groups: [(Vec<Write<'_>>, Send); 3] =
        [(creates, create), (updates, update), (deletes, archive)];
    for (writes, send) in groups {
        if writes.is_empty() {
            continue;
        }
        match send(api, object, &writes) {
            Ok(outcomes) => {
                written = true;
                settled.extend(outcomes);
            }
            Err(fault) if !written && ops.len() > 1 => return Err(fault),
            Err(fault) => {
                // With one op the fault is that op's.  With an earlier batch
                // written it cannot be the fault of the whole call.
                let fault = if ops.len() == 1 { fault } else { alone(fault) };
                let failed = |write: &Write<'_>| (write.place, Outcome::Failed(fault.clone()));
                settled.extend(writes.iter().map(failed));
            }
        }
    }
    Ok(settled.into_values().collect())
}

/// A refused batch says nothing about each of its ops; what it asks for is to
/// be sent again without the batch that went before it.
fn alone(fault: Fault) -> Fault {
    match fault {
        Fault::Invalid(_) | Fault::NotFound(_) | Fault::VersionConflict(_) => {
            Fault::Transient(Delay {
                until: None,
                message: "HubSpot refused these ops as a batch and wrote none of them; ops of \
                          another kind in the same call were written"
                    .into(),
            })
        }
        other => other,
    }
}

/// HubSpot's properties are text, and "" is how one is emptied.
fn properties(op: &Op) -> Result<BTreeMap<String, String>, Fault> {
    if matches!(op.action, Action::Delete(_)) {
        return Ok(BTreeMap::new());
    }
    let create = op.action == Action::Create;
    let mut properties = BTreeMap::new();
    let mut refused = Vec::new();
    for (name, value) in op.fields()? {
        match property_text(&value) {
            // Nothing is to be emptied on a record that is not there yet.
            Some(text) if create && text.is_empty() => {}
            Some(text) => {
                properties.insert(name, text);
            }
            None => refused.push(FieldFault {
                field: name,
                message: "a HubSpot property takes text, a number, true or false".into(),
            }),
        }
    }
    if refused.is_empty() {
        Ok(properties)
    } else {
        Err(Fault::Invalid(refused))
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: &'a RawValue,
    #[serde(default)]
    errors: Vec<Problem>,
}

fn create(api: &Api<'_>, object: ObjectType, writes: &[Write<'_>]) -> Result<Placed, Fault> {
    let inputs: Vec<Value> = writes
        .iter()
        .map(|w| json!({"properties": w.properties, "objectWriteTraceId": w.op.intent}))
        .collect();
    let response = api.write(object, "create", &json!({ "inputs": inputs }))?;
    let answer: Answer<'_> = parse_written(&response)?;
    let results = written_objects(&answer)?;
    Ok(writes
        .iter()
        .map(|write| {
            let by_trace =
                |o: &&Object<'_>| o.object_write_trace_id == Some(Cow::from(&write.op.intent));
            let created = results
                .iter()
                .find(by_trace)
                .or_else(|| only_match(&results, writes, write, object));
            let outcome = match created {
                Some(created) => applied(write, created),
                None => failed(&answer.errors, "objectWriteTraceId", &write.op.intent),
            };
            (write.place, outcome)
        })
        .collect())
}

/// Results come in any order.  Where they carry no trace a result is taken for
/// the op whose unique property it holds, or else whose every value it holds;
/// two that fit are as good as none.
fn only_match<'r, 'b>(
    results: &'r [Object<'b>],
    writes: &[Write<'_>],
    write: &Write<'_>,
    object: ObjectType,
) -> Option<&'r Object<'b>> {
    if writes.len() == 1 && results.len() == 1 {
        return results.first();
    }
    let mut fitting = results
        .iter()
        .filter(|result| result.object_write_trace_id.is_none() && fits(result, write, object));
    let first = fitting.next();
    if fitting.next().is_some() {
        return None;
    }
    let rivals = writes
        .iter()
        .filter(|other| first.is_some_and(|result| fits(result, other, object)));
    if rivals.count() == 1 { first } else { None }
}

fn fits(result: &Object<'_>, write: &Write<'_>, object: ObjectType) -> bool {
    let Ok(stored) = serde_json::from_str::<BTreeMap<String, Value>>(result.properties.get())
    else {
        return false;
    };
    let same = |name: &str, sent: &str| {
        stored
            .get(name)
            .and_then(property_text)
            .is_some_and(|text| text.to_lowercase() == sent.to_lowercase())
    };
    match object
        .unique
        .and_then(|name| Some((name, write.properties.get(name)?)))
    {
        Some((name, sent)) => same(name, sent),
        None => write.properties.iter().all(|(name, sent)| same(name, sent)),
    }
}

fn update(api: &Api<'_>, object: ObjectType, writes: &[Write<'_>]) -> Result<Placed, Fault> {
    let inputs: Vec<Value> = writes
        .iter()
        .map(|w| json!({"id": w.id, "properties": w.properties}))
        .collect();
    let response = api.write(object, "update", &json!({ "inputs": inputs }))?;
    let answer: Answer<'_> = parse_written(&response)?;
    let results = written_objects(&answer)?;
    Ok(writes
        .iter()
        .map(|write| {
            let outcome = match results.iter().find(|object| object.id == write.id) {
                Some(updated) => applied(write, updated),
                None => failed(&answer.errors, "ids", write.id),
            };
            (write.place, outcome)
        })
        .collect())
}

fn archive(api: &Api<'_>, object: ObjectType, writes: &[Write<'_>]) -> Result<Placed, Fault> {
    let inputs: Vec<Value> = writes.iter().map(|w| json!({"id": w.id})).collect();
    api.write(object, "archive", &json!({ "inputs": inputs }))?;
    Ok(writes
        .iter()
        .map(|write| (write.place, Outcome::applied(write.id, None)))
        .collect())
}

/// An answer to a write that cannot be read leaves open what was written.
fn parse_written(response: &Response) -> Result<Answer<'_>, Fault> {
    serde_json::from_slice(&response.body)
        .map_err(|e| Fault::UnknownOutcome(format!("HubSpot's answer to a write: {e}")))
}

fn written_objects<'a>(answer: &Answer<'a>) -> Result<Vec<Object<'a>>, Fault> {
    Ok(records::objects(answer.results)?
        .into_iter()
        .flatten()
        .collect())
}

/// The answer holds the properties that were written, as stored, and a few
/// more: a part of the record.  Where it leaves one of the written ones out it
/// is not passed on, and the engine reads back.
fn applied(write: &Write<'_>, object: &Object<'_>) -> Outcome {
    let stored: Result<BTreeMap<Cow<'_, str>, &RawValue>, _> =
        serde_json::from_str(object.properties.get());
    let covers = stored.is_ok_and(|stored| {
        let mut names = write.properties.keys();
        names.all(|name| stored.contains_key(name.as_str()))
    });
    match object.record() {
        Ok(record) if covers => Outcome::stored(record.partial()),
        Ok(record) => Outcome::applied(record.id, record.version),
        Err(_) => Outcome::applied(object.id.as_ref(), None),
    }
}

/// The error of a partly written batch that names this op.
fn failed(problems: &[Problem], key: &str, name: &str) -> Outcome {
    let problem = problems.iter().find(|p| p.names(key, name));
    Outcome::Failed(match problem {
        Some(problem) => errors::of_one(problem),
        None => Fault::UnknownOutcome(
            "HubSpot's answer to the batch does not mention this record".into(),
        ),
    })
}
