//! A twin of HubSpot's CRM API, version 2026-03: contacts and companies.
//!
//! # Behaviour, and where it was learned
//!
//! "SDK" is HubSpot's own client `hubspot-sdk` 0.1.0a9, its models and texts;
//! "search guide" and "reference" are the pages below
//! `developers.hubspot.com/docs/api-reference/2026-03`; (u) marks what no source
//! says and what was chosen here.
//!
//! | behaviour | source |
//! |---|---|
//! | a token as `Authorization: Bearer`; 401 `INVALID_AUTHENTICATION` | HubSpot/hubspot-api-nodejs#432 |
//! | OAuth: install link, tokens, introspection, expired tokens | see `oauth` |
//! | error bodies `{status, message, correlationId, category, context, errors}` | reference, error handling |
//! | values are text; `""` clears; unknown and read-only properties are refused; unknown ones in a read are ignored | reference, update a contact; SDK |
//! | `Property values were not valid: [{isValid, message, error, name}]` with `PROPERTY_DOESNT_EXIST`, `INVALID_OPTION`, `INVALID_EMAIL`, `READ_ONLY_VALUE` | hubspot-net/HubSpot.NET#50, gitcoinco/code_fund_ads#479, gregorspan/csc-frodx#21 |
//! | e-mail addresses are kept in lower case and are unique: 409 `Contact already exists. Existing ID: N` | reference, contacts guide; HubSpot/hubspot-api-nodejs#545 |
//! | the same answer where an update takes another contact's address (u) | – |
//! | a new contact needs one of `email`, `firstname`, `lastname`, a company one of `name`, `domain` | reference, contacts and companies guides |
//! | a write of equal values changes nothing, not even the moment of change (u) | – |
//! | `lifecyclestage` never moves back by the API: it is cleared first; the write itself succeeds without effect (u) | reference, contacts v1, property notes |
//! | `DELETE` archives, 204 also where there is nothing; archived records are gone from reads (404) and searches and stand in the list with `archived=true` | SDK; search guide, limits; n8n-io/n8n#3219 |
//! | a batch holds 100 inputs; one bad row refuses all of them | airbytehq/airbyte#76340, HubSpot/hubspot-api-python#51 |
//! | 400 `Duplicate IDs found in batch input: […]. IDs must be unique` | its users' recorded answers |
//! | a create whose rows carry `objectWriteTraceId` answers 207 with the failed rows | reference, error handling, multi-status errors |
//! | `batch/read` answers 207 where ids are missing; `batch/update` likewise | HubSpot/hubspot-api-php#619; reference, batch update |
//! | `batch/update` takes no `idProperty=email`; `batch/upsert` needs a unique property and tells `new` | HubSpot/hubspot-api-nodejs#548, segmentio/action-destinations#3957; SDK |
//! | a merge makes a new record with a new id; both old ids lead to it; primary's values win, gaps are filled; furthest lifecycle stage; the other address becomes an additional one and stays taken; the earlier create date (u) | changelog, "Updated merge functionality for contacts and companies"; knowledge base, "Merge records" |
//! | 5 filter groups, 6 filters each, 18 in all, pages of 200, usually 10, bodies of 3,000 characters, 10,000 results, else 400 | search guide, limits |
//! | filters ignore case but for enumerations; `IN` and `NOT_IN` take lower-case text; one sorting rule | search guide |
//! | negative operators accept records without the value (u); equal keys come in order of ids (u) | – |
//! | searches see changes after a while: `POST /_twin/lag` | search guide, limits; HubSpot/hubspot-api-php#59 |
//! | rate limits and their headers; none on searches | see `limits` |
//! | webhooks | see `webhooks` |
//! | moments have milliseconds; `lastmodifieddate` on contacts, `hs_lastmodifieddate` on companies | reference; singer-io/tap-hubspot |
//!
//! A list's `after` is the last id, the search's is an offset: clients must not
//! read either.  A page of a search that follows changes (filters on the moment
//! of change, and on the id within one moment, sorted by that moment) and a page
//! of the list cost the same in an account of any size.

mod account;
mod association;
mod batch;
mod catalogue;
mod defaults;
mod filter;
mod index;
mod limits;
mod merge;
mod oauth;
mod ranked;
mod read;
mod record;
mod refusal;
mod screen;
mod search;
mod seed;
mod store;
mod webhooks;
mod write;

use concord_core::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::control::{Actor, Control, Fate};
use crate::oauth::AuthorizationServer;
use crate::{Outcome, OutgoingRequest, Request, Response, Twin};
use account::{ACCOUNT_ID, account};
use catalogue::NewProperty;
use limits::Limits;
use record::{Columns, View};
use refusal::Refusal;
use store::{ObjectType, Objects};
use webhooks::Webhooks;
use write::NewRecord;

/// Inputs of one batch call.
const BATCH: usize = 100;

/// An account of HubSpot.
#[derive(Debug)]
pub struct HubSpot {
    contacts: Objects,
    companies: Objects,
    control: Control,
    limits: Limits,
    /// Gives apps their tokens.
    server: AuthorizationServer,
    /// The one token that is let in; none lets any in.
    token: Option<String>,
    webhooks: Webhooks,
    answers: u64,
}

impl Default for HubSpot {
    fn default() -> Self {
        Self {
            contacts: Objects::new(ObjectType::Contacts, defaults::contacts()),
            companies: Objects::new(ObjectType::Companies, defaults::companies()),
            control: Control::default(),
            limits: Limits::default(),
            server: oauth::server(),
            token: None,
            webhooks: Webhooks::default(),
            answers: 0,
        }
    }
}

impl Twin for HubSpot {
    fn handle(&mut self, now: Timestamp, request: Request) -> Response {
        if request.path.starts_with("/_twin/") {
            return self.screen(now, &request);
        }
        let mut lost = false;
        match self.control.fate(&request) {
            Fate::Normal => {}
            Fate::Refused(answer) => {
                self.count_request(&request);
                return answer;
            }
            Fate::AnswerLost => lost = true,
        }
        let answer = self.api(now, &request);
        if lost { Response::lost() } else { answer }
    }

    fn is_open(&self, request: &Request) -> bool {
        ["/_twin/", oauth::PATH]
            .iter()
            .any(|path| request.path.starts_with(path))
    }

    fn refuse_token(&mut self) -> Response {
        let correlation_id = self.correlation_id();
        Refusal::unauthenticated().answer(correlation_id)
    }

    fn due_deliveries(&mut self, now: Timestamp) -> Vec<OutgoingRequest> {
        self.due_webhooks(now)
    }

    fn delivered(&mut self, id: u64, now: Timestamp, outcome: Outcome) -> Option<Response> {
        self.webhooks.outbox.settle(now, id, outcome);
        None
    }

    fn next_delivery(&self) -> Option<Timestamp> {
        self.webhooks.outbox.next_due()
    }
}

impl HubSpot {
    fn objects(&self, kind: ObjectType) -> &Objects {
        match kind {
            ObjectType::Contacts => &self.contacts,
            ObjectType::Companies => &self.companies,
        }
    }

    fn objects_mut(&mut self, kind: ObjectType) -> &mut Objects {
        match kind {
            ObjectType::Contacts => &mut self.contacts,
            ObjectType::Companies => &mut self.companies,
        }
    }

    /// Another plan, with so many calls a day.
    pub fn set_daily_calls(&mut self, calls: u32) {
        self.limits.daily = calls;
    }

    /// A request of a client: let in, within its limits, counted, carried out.
    fn api(&mut self, now: Timestamp, request: &Request) -> Response {
        let correlation_id = self.correlation_id();
        if request.path.starts_with(oauth::PATH) {
            let answer = self.oauth(now, request);
            return answer.unwrap_or_else(|refusal| refusal.answer(correlation_id));
        }
        if let Err(refusal) = self.admit(now, request) {
            return refusal.answer(correlation_id);
        }
        let mut headers = Vec::new();
        if self.control.limits {
            let is_search = request.path.ends_with("/search");
            match self.limits.take(now, is_search, &correlation_id) {
                Ok(allowed) => headers = allowed,
                Err(refused) => return refused,
            }
        }
        self.count_request(request);
        let answer = self.route(now, request);
        let mut answer = answer.unwrap_or_else(|refusal| refusal.answer(correlation_id));
        answer.headers.extend(headers);
        answer
    }

    fn count_request(&mut self, request: &Request) {
        let reads = ["/search", "/batch/read"];
        let is_read = request.method == "GET" || reads.iter().any(|r| request.path.ends_with(r));
        let is_call = !request.path.starts_with(oauth::PATH);
        if is_call && !is_read {
            self.control.writes.requests += 1;
        }
    }

    /// The same in every run: the number of the answer, made to look like a UUID.
    fn correlation_id(&mut self) -> String {
        self.answers += 1;
        format!("7a1b0000-0000-4000-8000-{:012x}", self.answers)
    }

    fn route(&mut self, now: Timestamp, request: &Request) -> Result<Response, Refusal> {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["account-info", "2026-03", "details"]) => Ok(account()),
            (_, ["crm", "properties", "2026-03", kind, rest @ ..]) => {
                self.route_properties(known(kind)?, rest, request)
            }
            (_, ["crm", "objects", "2026-03", kind, rest @ ..]) => {
                self.route_objects(now, known(kind)?, rest, request)
            }
            _ => Err(no_such_path(request)),
        }
    }

    fn route_objects(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        rest: &[&str],
        request: &Request,
    ) -> Result<Response, Refusal> {
        match (request.method.as_str(), rest) {
            ("GET", []) => self.list(kind, request),
            ("POST", []) => self.create(now, kind, request),
            ("POST", ["search"]) => {
                let objects = self.objects_mut(kind);
                objects.index.catch_up(now);
                search::search(objects, &request.body)
            }
            ("POST", ["merge"]) => self.merge_by_api(now, kind, request),
            ("POST", ["batch", "read"]) => self.batch_read(now, kind, request),
            ("POST", ["batch", "create"]) => self.batch_create(now, kind, request),
            ("POST", ["batch", "update"]) => self.batch_update(now, kind, request),
            ("POST", ["batch", "upsert"]) => self.batch_upsert(now, kind, request),
            ("POST", ["batch", "archive"]) => self.batch_archive(now, kind, request),
            ("GET", [id]) => self.get(kind, id, request),
            ("PATCH", [id]) => self.update(now, kind, id, request),
            ("DELETE", [id]) => {
                if let Ok(id) = id.parse() {
                    self.archive(now, kind, id, Actor::Api);
                }
                Ok(Response::empty(204))
            }
            _ => Err(no_such_path(request)),
        }
    }

    fn route_properties(
        &mut self,
        kind: ObjectType,
        rest: &[&str],
        request: &Request,
    ) -> Result<Response, Refusal> {
        let catalogue = &mut self.objects_mut(kind).catalogue;
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let all: Vec<Value> = catalogue.all().iter().map(|p| p.show()).collect();
                Ok(Response::json(200, &json!({ "results": all })))
            }
            ("GET", [name]) => {
                let slot = catalogue
                    .slot(name)
                    .ok_or_else(|| Refusal::not_found(name))?;
                Ok(Response::json(200, &catalogue.property(slot).show()))
            }
            ("POST", []) => {
                let new: NewProperty = body(request)?;
                match catalogue.add(new) {
                    Err(problem) => Err(Refusal::validation(problem)),
                    Ok(false) => Err(Refusal::new(
                        409,
                        "OBJECT_ALREADY_EXISTS",
                        "A property of this name exists already",
                    )),
                    Ok(true) => {
                        let last = catalogue.all().last().map(|p| p.show());
                        Ok(Response::json(201, &last))
                    }
                }
            }
            _ => Err(no_such_path(request)),
        }
    }

    fn create(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let new: NewRecord = body(request)?;
        let step = self.plan_create(kind, &new, Actor::Api)?;
        let id = self.carry_out(now, kind, step, Actor::Api);
        Ok(self.stored(201, kind, id, &new.properties))
    }

    fn update(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        id: &str,
        request: &Request,
    ) -> Result<Response, Refusal> {
        #[derive(Deserialize)]
        struct Change {
            properties: Map<String, Value>,
        }
        let change: Change = body(request)?;
        let id_property = request.parameter("idProperty");
        let record = self.objects(kind).find(id, id_property.as_deref())?;
        let id = record.ok_or_else(|| Refusal::not_found(id))?.id;
        let step = self.plan_update(kind, id, &change.properties, Actor::Api)?;
        self.carry_out(now, kind, step, Actor::Api);
        Ok(self.stored(200, kind, id, &change.properties))
    }

    fn merge_by_api(
        &mut self,
        now: Timestamp,
        kind: ObjectType,
        request: &Request,
    ) -> Result<Response, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Pair {
            primary_object_id: String,
            object_id_to_merge: String,
        }
        let pair: Pair = body(request)?;
        let (primary, other) = (&pair.primary_object_id, &pair.object_id_to_merge);
        let id = self.merge(now, kind, primary, other, Actor::Api)?;
        let shown = kind.shown().iter().map(|n| ((*n).to_owned(), Value::Null));
        let mut shown: Map<String, Value> = shown.collect();
        shown.insert("hs_merged_object_ids".to_owned(), Value::Null);
        Ok(self.stored(200, kind, id, &shown))
    }

    /// The record as it is stored now, with the properties that were written.
    fn stored(
        &self,
        status: u16,
        kind: ObjectType,
        id: u64,
        written: &Map<String, Value>,
    ) -> Response {
        let objects = self.objects(kind);
        let columns = Columns::new(&objects.catalogue, written.keys().map(String::as_str));
        match objects.live.get(&id) {
            Some(record) => Response::json(status, &View::plain(record, &columns)),
            None => Response::empty(status),
        }
    }
}

fn known(name: &str) -> Result<ObjectType, Refusal> {
    ObjectType::named(name)
        .ok_or_else(|| Refusal::validation(format!("Unable to infer object type from: {name}")))
}

fn no_such_path(request: &Request) -> Refusal {
    let message = format!("There is no {} {}", request.method, request.path);
    Refusal::new(404, "OBJECT_NOT_FOUND", message)
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body)
        .map_err(|problem| Refusal::validation(format!("Invalid input JSON: {problem}")))
}

fn check_size(inputs: usize) -> Result<(), Refusal> {
    if inputs > BATCH {
        return Err(Refusal::validation(format!(
            "A batch holds at most {BATCH} inputs; this one has {inputs}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
