//! Reading: the list, one record, many records.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::{Catalogue, iso};
use super::record::{Columns, Record, View};
use super::refusal::Refusal;
use super::store::{ObjectType, Objects};
use super::{HubSpot, association};
use crate::{Request, Response};

/// Pages of the list hold this many records at most.
const LARGEST_PAGE: usize = 100;
const USUAL_PAGE: usize = 10;

/// A query parameter that lists names: repeated, joined by commas, or both.
pub(crate) fn names(request: &Request, parameter: &str) -> Vec<String> {
    let values = request.parameters(parameter);
    let names = values.iter().flat_map(|value| value.split(','));
    names.filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

fn wants_archived(request: &Request) -> bool {
    request.parameter("archived").as_deref() == Some("true")
}

fn columns<'a>(catalogue: &'a Catalogue, kind: ObjectType, wanted: &[String]) -> Columns<'a> {
    if wanted.is_empty() {
        Columns::new(catalogue, kind.shown().iter().copied())
    } else {
        Columns::new(catalogue, wanted.iter().map(String::as_str))
    }
}

impl Objects {
    fn shelf(&self, archived: bool) -> &BTreeMap<u64, Arc<Record>> {
        if archived { &self.archived } else { &self.live }
    }
}

#[derive(Serialize)]
struct Page<'a> {
    results: Vec<View<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paging: Option<Value>,
}

impl HubSpot {
    pub(crate) fn list(&self, kind: ObjectType, request: &Request) -> Result<Response, Refusal> {
        let objects = self.objects(kind);
        let limit = match request.parameter("limit") {
            None => USUAL_PAGE,
            Some(text) => text
                .parse()
                .map_err(|_| Refusal::validation(format!("limit is {text}, not a number")))?,
        };
        if limit > LARGEST_PAGE {
            return Err(Refusal::validation(format!(
                "limit is {limit}; a page of the list holds at most {LARGEST_PAGE}"
            )));
        }
        let after: u64 = match request.parameter("after").as_deref() {
            None | Some("") => 0,
            Some(text) => text
                .parse()
                .map_err(|_| Refusal::validation(format!("{text} is not a paging token")))?,
        };
        let wanted = names(request, "properties");
        let columns = columns(&objects.catalogue, kind, &wanted);
        let related = names(request, "associations");
        let shelf = objects.shelf(wants_archived(request));
        let mut rest = shelf.range(after.saturating_add(1)..).map(|(_, r)| &**r);
        let records: Vec<&Record> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let last = records.last().filter(|_| more).map(|record| record.id);
        let paging = last.map(|id| {
            let link = self.next_link(kind, request, id);
            json!({"next": {"after": id.to_string(), "link": link}})
        });
        let results = records
            .into_iter()
            .map(|record| View {
                associations: association::shown(self, record, &related),
                ..View::plain(record, &columns)
            })
            .collect();
        Ok(Response::json(200, &Page { results, paging }))
    }

    fn next_link(&self, kind: ObjectType, request: &Request, after: u64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let pairs = url::form_urlencoded::parse(request.query.as_bytes());
        query.extend_pairs(pairs.filter(|(name, _)| name != "after"));
        query.append_pair("after", &after.to_string());
        let host = request.header("host").unwrap_or("api.hubapi.com");
        format!(
            "http://{host}/crm/objects/2026-03/{}?{}",
            kind.plural(),
            query.finish()
        )
    }

    pub(crate) fn get(
        &self,
        kind: ObjectType,
        id: &str,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let objects = self.objects(kind);
        let id_property = request.parameter("idProperty");
        let record = if wants_archived(request) {
            let number: Option<u64> = id.parse().ok();
            number.and_then(|number| objects.archived.get(&number))
        } else {
            objects.find(id, id_property.as_deref())?
        };
        let record = record.ok_or_else(|| Refusal::not_found(id))?;
        let wanted = names(request, "properties");
        let related = names(request, "associations");
        let columns = columns(&objects.catalogue, kind, &wanted);
        let view = View {
            associations: association::shown(self, record, &related),
            ..View::plain(record, &columns)
        };
        Ok(Response::json(200, &view))
    }

    /// Records that are not there make the answer a multi-status one.
    pub(crate) fn batch_read(
        &self,
        now: Timestamp,
        kind: ObjectType,
        request: &Request,
    ) -> Result<Response, Refusal> {
        #[derive(Deserialize)]
        struct Input {
            id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            inputs: Vec<Input>,
            #[serde(default)]
            properties: Vec<String>,
            #[serde(default)]
            id_property: Option<String>,
        }
        let body: Body = super::body(request)?;
        super::check_size(body.inputs.len())?;
        let objects = self.objects(kind);
        let archived = wants_archived(request);
        let columns = columns(&objects.catalogue, kind, &body.properties);
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for input in &body.inputs {
            let record = match input.id.parse() {
                Ok(number) if archived => objects.archived.get::<u64>(&number),
                _ => objects.find(&input.id, body.id_property.as_deref())?,
            };
            match record {
                Some(record) => found.push(View::plain(record, &columns)),
                None => missing.push(input.id.as_str()),
            }
        }
        Ok(batch_answer(now, 200, &found, &not_found(kind, &missing)))
    }
}

/// One error for all ids that are not there.
pub(crate) fn not_found(kind: ObjectType, ids: &[&str]) -> Vec<Value> {
    if ids.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "Could not get some {} objects, they may be deleted or not exist. Check that ids are valid.",
        kind.singular().to_uppercase()
    );
    let error = Refusal::new(404, "OBJECT_NOT_FOUND", message).with_context("ids", ids);
    vec![error.as_row()]
}

/// The answer of a batch call, with status 207 where there are errors beside.
pub(crate) fn batch_answer(
    now: Timestamp,
    status: u16,
    results: &[View<'_>],
    errors: &[Value],
) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Batch<'a> {
        status: &'static str,
        results: &'a [View<'a>],
        #[serde(skip_serializing_if = "Option::is_none")]
        num_errors: Option<usize>,
        #[serde(skip_serializing_if = "<[Value]>::is_empty")]
        errors: &'a [Value],
        started_at: &'a str,
        completed_at: &'a str,
    }
    let moment = iso(now.millis());
    let batch = Batch {
        status: "COMPLETE",
        results,
        num_errors: (!errors.is_empty()).then_some(errors.len()),
        errors,
        started_at: &moment,
        completed_at: &moment,
    };
    Response::json(if errors.is_empty() { status } else { 207 }, &batch)
}
