//! The calls below one audience.

use concord_core::Timestamp;
use serde_json::json;

use super::problem::Problem;
use super::write::Writer;
use super::{Mailchimp, batch, chosen, fields, input, listing, merge, one, shown};
use crate::control::Actor;
use crate::http::{Request, Response};

impl Mailchimp {
    pub(super) fn list_call(
        &mut self,
        at: usize,
        path: &[&str],
        now: Timestamp,
        request: &Request,
    ) -> Result<Response, Problem> {
        let list = &mut self.lists[at];
        let lag = self.control.lag;
        let skip_merge_validation = listing::is_set(request, "skip_merge_validation");
        let source = "API - Generic";
        let mut writer = Writer {
            list,
            now,
            lag,
            skip_merge_validation,
            source,
        };
        let control = &mut self.control;
        let mut note = |verb: &str, id: &str| control.note(now, Actor::Api, verb, "members", id);

        match (request.method.as_str(), path) {
            ("GET", []) => Ok(chosen(request, writer.list.render(now))),
            ("POST", []) => {
                let body = input::object(&request.body)?;
                let skip_duplicates = listing::is_set(request, "skip_duplicate_check");
                let answer = batch::subscribe(&mut writer, &body, skip_duplicates)?;
                for (key, verb) in [("new_members", "create"), ("updated_members", "update")] {
                    for member in answer[key].as_array().into_iter().flatten() {
                        note(verb, member["id"].as_str().unwrap_or_default());
                    }
                }
                Ok(Response::json(200, &answer))
            }
            (_, []) => Err(Problem::wrong_method("GET, POST")),

            ("GET", ["merge-fields"]) => fields::page(writer.list, request),
            ("POST", ["merge-fields"]) => fields::add(writer.list, &request.body),
            ("GET", ["merge-fields", id]) => {
                let field = writer
                    .list
                    .fields
                    .iter()
                    .find(|f| f.merge_id.to_string() == *id);
                let field = field.ok_or_else(Problem::not_found)?;
                Ok(chosen(request, merge::render(field, &writer.list.id)))
            }
            (_, ["merge-fields", ..]) => Err(Problem::wrong_method("GET, POST")),

            ("GET", ["members"]) => listing::members(writer.list, request, now),
            ("POST", ["members"]) => {
                let member = writer.create(&input::object(&request.body)?)?;
                note("create", &member.hash);
                Ok(one(writer.list, &member, request))
            }
            (_, ["members"]) => Err(Problem::wrong_method("GET, POST")),

            ("GET", ["members", key]) => {
                let member = writer
                    .list
                    .find(key)
                    .cloned()
                    .ok_or_else(Problem::not_found)?;
                Ok(one(writer.list, &member, request))
            }
            ("PUT", ["members", key]) => {
                let verb = if writer.list.find(key).is_some() {
                    "update"
                } else {
                    "create"
                };
                let member = writer.upsert(key, &input::object(&request.body)?)?;
                note(verb, &member.hash);
                Ok(one(writer.list, &member, request))
            }
            ("PATCH", ["members", key]) => {
                let member = writer.update(key, &input::object(&request.body)?)?;
                note("update", &member.hash);
                Ok(one(writer.list, &member, request))
            }
            ("DELETE", ["members", key]) => {
                let hash = writer.archive(key)?;
                note("archive", &hash);
                Ok(Response::empty(204))
            }
            (_, ["members", _]) => Err(Problem::wrong_method("GET, PUT, PATCH, DELETE")),

            ("POST", ["members", key, "actions", "delete-permanent"]) => {
                let hash = writer.delete_permanent(key)?;
                note("delete", &hash);
                Ok(Response::empty(204))
            }
            ("GET", ["members", key, "tags"]) => {
                let member = writer
                    .list
                    .find(key)
                    .cloned()
                    .ok_or_else(Problem::not_found)?;
                let tags = shown::whole(writer.list, &member)["tags"].take();
                let total = member.tags.len();
                Ok(chosen(request, json!({"tags": tags, "total_items": total})))
            }
            ("POST", ["members", key, "tags"]) => {
                let hash = writer.tag(key, &input::object(&request.body)?)?;
                note("update", &hash);
                Ok(Response::empty(204))
            }
            (_, ["members", _, "tags"]) => Err(Problem::wrong_method("GET, POST")),
            _ => Err(Problem::not_found()),
        }
    }
}
