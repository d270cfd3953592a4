//! The control API beyond what all twins share: what a person does at
//! HubSpot's own screen, and a look at everything that is stored.
//!
//! | request | meaning |
//! |---|---|
//! | `POST /_twin/people {seed, count}` | lets people of the data set in |
//! | `POST /_twin/create {type?, properties}` | a person creates a record |
//! | `POST /_twin/edit {type?, id, properties}` | a person edits one |
//! | `POST /_twin/delete {type?, id, permanent?}` | archives it, or removes it for good |
//! | `POST /_twin/restore {type?, id}` | takes it back out of the archive |
//! | `POST /_twin/merge {type?, id, into}` | merges `id` into `into` |
//! | `POST /_twin/property/{type} {name, label, type, fieldType, …}` | a property of the customer's own |
//! | `POST /_twin/token {token}` | the only token that is let in; null lets any in |
//! | `POST /_twin/webhooks/target {url, secret, form?}` | the app that is told of all changes, in the form `generic` or `legacy`; null tells nobody |
//! | `GET`, `POST /_twin/webhooks` | see `outbox/faults.rs` |
//! | `GET /_twin/dump/{type}` | `{results, archived}`: all records with all properties |
//!
//! The type is `contacts` where none is given.  What OAuth needs of a person is in
//! `oauth/screen.rs`.

use concord_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::HubSpot;
use super::catalogue::NewProperty;
use super::record::{Columns, View};
use super::refusal::Refusal;
use super::store::ObjectType;
use super::write::NewRecord;
use crate::control::{Actor, done, read, refused};
use crate::people::{Side, known_to};
use crate::{Request, Response};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    properties: Map<String, Value>,
    #[serde(default)]
    permanent: bool,
    /// The record that stays, in a merge.
    #[serde(default)]
    into: Option<Value>,
}

impl Which {
    /// Contacts where nothing is said.
    fn kind(&self) -> Result<ObjectType, Response> {
        let name = self.kind.as_deref().unwrap_or("contacts");
        ObjectType::named(name).ok_or_else(|| {
            refused(
                404,
                &format!("this twin has contacts and companies, no {name}"),
            )
        })
    }

    fn id(&self) -> String {
        text(self.id.as_ref())
    }
}

/// Ids are given as text or as numbers.
fn text(id: Option<&Value>) -> String {
    match id {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

impl HubSpot {
    pub(crate) fn screen(&mut self, now: Timestamp, request: &Request) -> Response {
        if let Some(answer) = self.control.handle(request) {
            let lag = self.control.lag;
            self.contacts.index.shorten(now, lag);
            self.companies.index.shorten(now, lag);
            return answer;
        }
        if let Some(answer) = self.server.screen(now, request) {
            return answer;
        }
        if let Some(answer) = self.webhook_screen(now, request) {
            return answer;
        }
        let segments = request.segments();
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let answer = match (request.method.as_str(), names.as_slice()) {
            ("POST", ["_twin", "people"]) => self.let_in(now, request),
            ("POST", ["_twin", "create"]) => self.create_by_person(now, request),
            ("POST", ["_twin", "edit"]) => self.edit_by_person(now, request),
            ("POST", ["_twin", "delete"]) => self.delete_by_person(now, request),
            ("POST", ["_twin", "restore"]) => self.restore_by_person(now, request),
            ("POST", ["_twin", "merge"]) => self.merge_by_person(now, request),
            ("POST", ["_twin", "property", kind]) => self.property_by_person(kind, request),
            ("POST", ["_twin", "token"]) => self.ask_for_token(request),
            ("GET", ["_twin", "dump", kind]) => self.dump(kind),
            _ => Err(refused(
                404,
                &format!("there is no {} {} here", request.method, request.path),
            )),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    fn let_in(&mut self, now: Timestamp, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        struct Wish {
            seed: u64,
            count: usize,
        }
        let wish: Wish = read(request)?;
        self.add_people(now, &known_to(Side::First, wish.seed, wish.count));
        let (contacts, companies) = (self.contacts.live.len(), self.companies.live.len());
        Ok(Response::json(
            200,
            &json!({"contacts": contacts, "companies": companies}),
        ))
    }

    fn create_by_person(
        &mut self,
        now: Timestamp,
        request: &Request,
    ) -> Result<Response, Response> {
        let which: Which = read(request)?;
        let kind = which.kind()?;
        let new = NewRecord {
            properties: which.properties,
            associations: Vec::new(),
            object_write_trace_id: None,
        };
        let step = self.plan_create(kind, &new, Actor::Person);
        let step = step.map_err(|refusal| self.tell(refusal))?;
        let id = self.carry_out(now, kind, step, Actor::Person);
        Ok(self.show(kind, id))
    }

    fn edit_by_person(&mut self, now: Timestamp, request: &Request) -> Result<Response, Response> {
        let which: Which = read(request)?;
        let kind = which.kind()?;
        let id = self.live_id(kind, &which.id())?;
        let step = self.plan_update(kind, id, &which.properties, Actor::Person);
        let step = step.map_err(|refusal| self.tell(refusal))?;
        self.carry_out(now, kind, step, Actor::Person);
        Ok(self.show(kind, id))
    }

    fn delete_by_person(
        &mut self,
        now: Timestamp,
        request: &Request,
    ) -> Result<Response, Response> {
        let which: Which = read(request)?;
        let kind = which.kind()?;
        let id = which.id();
        let number = id.parse().unwrap_or(0);
        let was_there = if which.permanent {
            self.delete(now, kind, number)
        } else {
            self.archive(now, kind, number, Actor::Person)
        };
        if was_there {
            Ok(done())
        } else {
            Err(self.tell(Refusal::not_found(&id)))
        }
    }

    fn restore_by_person(
        &mut self,
        now: Timestamp,
        request: &Request,
    ) -> Result<Response, Response> {
        let which: Which = read(request)?;
        let kind = which.kind()?;
        match self.restore(now, kind, &which.id()) {
            Ok(id) => Ok(self.show(kind, id)),
            Err(refusal) => Err(self.tell(refusal)),
        }
    }

    /// `{type, id, into}`: the record `id` goes into the record `into`.
    fn merge_by_person(&mut self, now: Timestamp, request: &Request) -> Result<Response, Response> {
        let which: Which = read(request)?;
        let kind = which.kind()?;
        let into = text(which.into.as_ref());
        match self.merge(now, kind, &into, &which.id(), Actor::Person) {
            Ok(id) => Ok(self.show(kind, id)),
            Err(refusal) => Err(self.tell(refusal)),
        }
    }

    fn property_by_person(&mut self, kind: &str, request: &Request) -> Result<Response, Response> {
        let kind = ObjectType::named(kind)
            .ok_or_else(|| refused(404, &format!("there is no object type {kind}")))?;
        let new: NewProperty = read(request)?;
        match self.objects_mut(kind).catalogue.add(new) {
            Ok(true) => Ok(done()),
            Ok(false) => Err(refused(409, "there is a property of this name already")),
            Err(problem) => Err(refused(400, &problem)),
        }
    }

    /// From now on only this token is let in; null lets any in again.
    fn ask_for_token(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        struct Wish {
            token: Option<String>,
        }
        let wish: Wish = read(request)?;
        self.token = wish.token;
        Ok(done())
    }

    fn dump(&self, kind: &str) -> Result<Response, Response> {
        let kind = ObjectType::named(kind)
            .ok_or_else(|| refused(404, &format!("there is no object type {kind}")))?;
        let objects = self.objects(kind);
        let columns = Columns::all(&objects.catalogue);
        let view = |record| View::plain(record, &columns);
        let live: Vec<View<'_>> = objects.live.values().map(|r| view(r)).collect();
        let archived: Vec<View<'_>> = objects.archived.values().map(|r| view(r)).collect();
        #[derive(serde::Serialize)]
        struct Dump<'a> {
            results: Vec<View<'a>>,
            archived: Vec<View<'a>>,
        }
        Ok(Response::json(
            200,
            &Dump {
                results: live,
                archived,
            },
        ))
    }

    fn live_id(&mut self, kind: ObjectType, id: &str) -> Result<u64, Response> {
        let found = self.objects(kind).find(id, None).ok().flatten();
        match found.map(|record| record.id) {
            Some(id) => Ok(id),
            None => Err(self.tell(Refusal::not_found(id))),
        }
    }

    fn show(&self, kind: ObjectType, id: u64) -> Response {
        let objects = self.objects(kind);
        let columns = Columns::all(&objects.catalogue);
        match objects.live.get(&id) {
            Some(record) => Response::json(200, &View::plain(record, &columns)),
            None => Response::empty(404),
        }
    }

    fn tell(&mut self, refusal: Refusal) -> Response {
        let id = self.correlation_id();
        refusal.answer(id)
    }
}
