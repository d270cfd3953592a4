//! Writing many records in one call.
//!
//! A batch is checked as a whole before anything of it is written: one row that
//! is refused refuses all.  Two exceptions are documented, both answered with
//! status 207: ids that do not exist in an update, and a create whose rows all
//! carry a trace id.

use std::collections::HashSet;

use concord_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::catalogue::Slot;
use super::read::{batch_answer, not_found};
use super::record::{Columns, View};
use super::refusal::Refusal;
use super::store::ObjectType;
use super::write::{NewRecord, Step};
use super::{HubSpot, body, check_size};
use crate::control::Actor;
use crate::{Request, Response};

#[derive(Deserialize)]
struct Inputs<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    id: String,
    #[serde(default)]
    id_property: Option<String>,
    properties: Map<String, Value>,
    #[serde(default)]
    object_write_trace_id: Option<String>,
}

/// A row that was carried out, and what its answer repeats.
struct Done {
    id: u64,
    new: Option<bool>,
    trace_id: Option<String>,
}

impl HubSpot {
    pub(crate) fn batch_create(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let Inputs { inputs } = body::<Inputs<NewRecord>>(request)?;
        check_size(inputs.len())?;
        let by_row = inputs.iter().all(|r| r.object_write_trace_id.is_some());
        let mut claims = Claims::default();
        let (mut steps, mut errors) = (Vec::new(), Vec::new());
        for row in inputs {
            let planned = self
                .plan_create(kind, &row, Actor::Api)
                .and_then(|step| claims.add(self, kind, step));
            match (planned, row.object_write_trace_id) {
                (Ok(step), trace_id) => steps.push((step, trace_id, row.properties)),
                (Err(refusal), Some(trace_id)) if by_row => {
                    let refusal = refusal.with_context("objectWriteTraceId", &[&trace_id]);
                    errors.push(refusal.as_row());
                }
                (Err(refusal), _) => return Err(refusal),
            }
        }
        let mut shown = Map::new();
        let mut done = Vec::new();
        for (step, trace_id, properties) in steps {
            let id = self.carry_out(now, kind, step, Actor::Api);
            shown.extend(properties);
            done.push(Done {
                id,
                new: None,
                trace_id,
            });
        }
        Ok(self.written(now, kind, 201, &done, &shown, &errors))
    }

    pub(crate) fn batch_update(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let Inputs { inputs } = body::<Inputs<Change>>(request)?;
        check_size(inputs.len())?;
        check_twice(&inputs)?;
        let mut claims = Claims::default();
        let (mut steps, mut missing) = (Vec::new(), Vec::new());
        for row in &inputs {
            if let Some(name) = row.id_property.as_deref() {
                // An e-mail address identifies contacts in an upsert only.
                let usable = name != "email" && self.objects(kind).unique_slot(name).is_some();
                if !usable {
                    return Err(non_unique(kind, name));
                }
            }
            let id = match self
                .objects(kind)
                .find(&row.id, row.id_property.as_deref())?
            {
                Some(record) => record.id,
                None => {
                    missing.push(row.id.as_str());
                    continue;
                }
            };
            let step = self.plan_update(kind, id, &row.properties, Actor::Api)?;
            let step = claims.add(self, kind, step)?;
            steps.push((step, row.object_write_trace_id.clone()));
        }
        let errors = not_found(kind, &missing);
        let mut done = Vec::new();
        for (step, trace_id) in steps {
            let id = self.carry_out(now, kind, step, Actor::Api);
            done.push(Done {
                id,
                new: None,
                trace_id,
            });
        }
        let shown = inputs.into_iter().flat_map(|row| row.properties).collect();
        Ok(self.written(now, kind, 200, &done, &shown, &errors))
    }

    pub(crate) fn batch_upsert(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let Inputs { inputs } = body::<Inputs<Change>>(request)?;
        check_size(inputs.len())?;
        check_twice(&inputs)?;
        let mut claims = Claims::default();
        let mut steps = Vec::new();
        let mut shown = Map::new();
        for row in inputs {
            let name = row.id_property.as_deref().unwrap_or("hs_object_id");
            if self.objects(kind).unique_slot(name).is_none() {
                return Err(non_unique(kind, name));
            }
            let found = self.objects(kind).find(&row.id, Some(name))?;
            let (step, new) = match found.map(|record| record.id) {
                Some(id) => (
                    self.plan_update(kind, id, &row.properties, Actor::Api)?,
                    false,
                ),
                None => {
                    let mut properties = row.properties.clone();
                    properties
                        .entry(name)
                        .or_insert_with(|| Value::from(row.id.clone()));
                    let new = NewRecord {
                        properties,
                        associations: Vec::new(),
                        object_write_trace_id: None,
                    };
                    (self.plan_create(kind, &new, Actor::Api)?, true)
                }
            };
            let step = claims.add(self, kind, step)?;
            steps.push((step, new, row.object_write_trace_id));
            shown.extend(row.properties);
        }
        let mut done = Vec::new();
        for (step, new, trace_id) in steps {
            let id = self.carry_out(now, kind, step, Actor::Api);
            done.push(Done {
                id,
                new: Some(new),
                trace_id,
            });
        }
        Ok(self.written(now, kind, 200, &done, &shown, &[]))
    }

    /// Ids that are not there are passed over, as in the call for one record.
    pub(crate) fn batch_archive(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        request: &Request,
    ) -> Result<Response, Refusal> {
        #[derive(Deserialize)]
        struct Id {
            id: String,
        }
        let Inputs { inputs } = body::<Inputs<Id>>(request)?;
        check_size(inputs.len())?;
        for Id { id } in inputs {
            if let Ok(id) = id.parse() {
                self.archive(now, kind, id, Actor::Api);
            }
        }
        Ok(Response::empty(204))
    }

    fn written(
        &self,
        now: Timestamp,
        kind: ObjectType,
        status: u16,
        done: &[Done],
        shown: &Map<String, Value>,
        errors: &[Value],
    ) -> Response {
        let objects = self.objects(kind);
        let columns = Columns::new(&objects.catalogue, shown.keys().map(String::as_str));
        let rows = done.iter().filter_map(|row| {
            let record = objects.live.get(&row.id)?;
            Some(View {
                new: row.new,
                trace_id: row.trace_id.as_deref(),
                ..View::plain(record, &columns)
            })
        });
        batch_answer(now, status, &rows.collect::<Vec<_>>(), errors)
    }
}

/// Unique values that rows of the same batch lay hands on.
#[derive(Default)]
struct Claims(HashSet<(Slot, Box<str>)>);

impl Claims {
    fn add(&mut self, twin: &HubSpot, kind: ObjectType, step: Step) -> Result<Step, Refusal> {
        let catalogue = &twin.objects(kind).catalogue;
        let (Step::Create(values) | Step::Update(_, values)) = &step;
        for (slot, value) in values {
            let property = catalogue.property(*slot);
            if let Some(value) = value.as_ref().filter(|_| property.unique)
                && !self.0.insert((*slot, value.clone()))
            {
                return Err(Refusal::new(
                    409,
                    "CONFLICT",
                    format!(
                        "More than one row of the batch sets {} to {value}",
                        property.name
                    ),
                ));
            }
        }
        Ok(step)
    }
}

fn check_twice(inputs: &[Change]) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for row in inputs {
        if !seen.insert(row.id.trim().to_lowercase()) {
            let message = format!(
                "Duplicate IDs found in batch input: [{}]. IDs must be unique",
                row.id
            );
            return Err(Refusal::validation(message).with_context("ids", &[&row.id]));
        }
    }
    Ok(())
}

fn non_unique(kind: ObjectType, name: &str) -> Refusal {
    Refusal::validation(format!(
        "Unable to perform update/upsert by non-unique {} property {name}",
        kind.number()
    ))
}
