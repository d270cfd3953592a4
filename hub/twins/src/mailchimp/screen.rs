//! The control API's own part: what people do at the vendor's screens, in an
//! e-mail's footer or on a signup form, rather than through the API.
//!
//! | request | meaning |
//! |---|---|
//! | `POST /_twin/people {seed, count}` | adds the second system's people of the shared data set to the first audience |
//! | `POST /_twin/token {token}` | from now on only this key or token is let in; null lets any in |
//! | `POST /_twin/create {type, properties}` | an admin adds a member, or (`type: "lists"`) an audience |
//! | `POST /_twin/edit {type, id, properties}` | an admin edits a member; properties as in the API's bodies |
//! | `POST /_twin/delete {type, id, permanent?}` | an admin archives a member, or deletes it for good |
//! | `POST /_twin/unsubscribe {id}` | the person follows the footer's link |
//! | `POST /_twin/bounce {id}` | the address stopped working: cleaned |
//! | `POST /_twin/resubscribe {id}` | the person signs up by a form; an e-mail where nobody is known |
//! | `GET`, `POST /_twin/webhooks` | see `outbox/faults.rs` |
//! | `GET /_twin/dump/members` | `{results, archived}`: all members as they are stored |
//!
//! `id` is a hash, an e-mail address or a contact id.  All take `list` for an
//! audience other than the first, and answer with the member as it is then.  Members cannot be merged: `merge` is 404.

use std::sync::Arc;

use concord_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::audience::Audience;
use super::member::{Member, Status, seconds, subscriber_hash};
use super::problem::Problem;
use super::shown::whole;
use super::write::Writer;
use super::{Mailchimp, OPENED};
use crate::control::{Actor, done, read, refused};
use crate::http::{Request, Response};
use crate::people::{Side, known_to};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(rename = "type", default = "members")]
    kind: String,
    #[serde(default)]
    list: Option<String>,
    #[serde(default)]
    id: String,
    #[serde(default)]
    properties: Map<String, Value>,
    #[serde(default)]
    permanent: bool,
}

fn members() -> String {
    "members".to_owned()
}

impl Mailchimp {
    pub(super) fn screen(&mut self, now: Timestamp, request: &Request) -> Response {
        if let Some(answer) = self.webhooks.outbox.screen(now, request) {
            return answer;
        }
        let name = request.path.trim_start_matches("/_twin/");
        let answer = match (request.method.as_str(), name) {
            ("POST", "people") => self.people(now, request),
            ("POST", "token") => self.ask_for_token(request),
            ("GET", "dump/members") => self.dump(request),
            ("POST", "create" | "edit" | "delete" | "unsubscribe" | "bounce" | "resubscribe") => {
                self.act(name, now, request)
            }
            _ => Err(refused(404, &format!("this twin has no {name}"))),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    fn list_at(&self, id: Option<&str>) -> Result<usize, Response> {
        let at = self
            .lists
            .iter()
            .position(|list| id.is_none_or(|id| list.id == id));
        at.ok_or_else(|| refused(404, "there is no such audience"))
    }

    fn act(&mut self, name: &str, now: Timestamp, request: &Request) -> Result<Response, Response> {
        let wish: Wish = read(request)?;
        match (name, wish.kind.as_str()) {
            ("create", "lists") => return self.add_audience(&wish.properties),
            (_, "members") => {}
            (_, kind) => return Err(refused(404, &format!("{name} knows no {kind}"))),
        }
        let at = self.list_at(wish.list.as_deref())?;
        let lag = self.control.lag;
        let list = &mut self.lists[at];
        let mut writer = Writer {
            list,
            now,
            lag,
            skip_merge_validation: true,
            source: "Admin Add",
        };
        let outcome = match name {
            "create" => writer
                .create(&wish.properties)
                .map(|m| ("create", m.hash.clone())),
            "edit" => writer
                .update(&wish.id, &wish.properties)
                .map(|m| ("update", m.hash.clone())),
            "delete" if wish.permanent => writer.delete_permanent(&wish.id).map(|h| ("delete", h)),
            "delete" => writer.archive(&wish.id).map(|hash| ("archive", hash)),
            "unsubscribe" => opt_out(&mut writer, &wish.id, Status::Unsubscribed),
            "bounce" => opt_out(&mut writer, &wish.id, Status::Cleaned),
            _ => sign_up(&mut writer, &wish.id),
        };
        // Nobody clicks when an address bounces; it is taken as the account's doing (u).
        let source = match name {
            "unsubscribe" | "resubscribe" => "user",
            _ => "admin",
        };
        self.announce(now, source);
        match outcome {
            Ok((verb, hash)) => {
                self.control
                    .note(now, Actor::Person, verb, "members", &hash);
                let list = &self.lists[at];
                let left = list.find(&hash).map(|m| whole(list, m));
                Ok(Response::json(
                    200,
                    &left.unwrap_or_else(|| json!({"id": hash})),
                ))
            }
            Err(problem) => Err(refused(problem.status, &problem.detail)),
        }
    }

    fn add_audience(&mut self, properties: &Map<String, Value>) -> Result<Response, Response> {
        let text = |name: &str| {
            properties
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (id, name) = (text("id"), text("name"));
        if id.is_empty() || name.is_empty() || self.lists.iter().any(|list| list.id == id) {
            return Err(refused(400, "an audience needs a new id and a name"));
        }
        self.lists.push(Audience::new(id, name, OPENED));
        Ok(Response::json(200, &json!({"id": id})))
    }

    fn people(&mut self, now: Timestamp, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct People {
            seed: u64,
            count: usize,
        }
        let wish: People = read(request)?;
        self.add_people(now, &known_to(Side::Second, wish.seed, wish.count));
        Ok(Response::json(
            200,
            &json!({"members": self.lists[0].members().count()}),
        ))
    }

    fn ask_for_token(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Token {
            token: Option<String>,
        }
        let wish: Token = read(request)?;
        self.token = wish.token;
        Ok(done())
    }

    fn dump(&self, request: &Request) -> Result<Response, Response> {
        let list = &self.lists[self.list_at(request.parameter("list").as_deref())?];
        let (archived, current): (Vec<_>, Vec<_>) = list
            .members()
            .partition(|member| member.status == Status::Archived);
        let show = |members: Vec<&Arc<Member>>| -> Vec<Value> {
            members
                .into_iter()
                .map(|member| whole(list, member))
                .collect()
        };
        let body = json!({"results": show(current), "archived": show(archived)});
        Ok(Response::json(200, &body))
    }
}

type Outcome = Result<(&'static str, String), Problem>;

/// The person opts out, or the mailbox does not exist any more: from now on no
/// API call may subscribe the address.
fn opt_out(writer: &mut Writer<'_>, key: &str, status: Status) -> Outcome {
    let member = writer.list.find(key).ok_or_else(Problem::not_found)?;
    let mut next = Member::clone(member);
    next.status = status;
    next.compliance = true;
    next.last_changed = seconds(writer.now);
    Ok(("unsubscribe", writer.save(next).hash.clone()))
}

/// The person's own signup lifts every ban: the opt-out and the deletion.
fn sign_up(writer: &mut Writer<'_>, key: &str) -> Outcome {
    let now = seconds(writer.now);
    let mut next = match writer.list.find(key) {
        Some(member) => Member::clone(member),
        None if key.contains('@') => {
            writer.list.remember(&subscriber_hash(key));
            let web_id = writer.list.next_web_id();
            Member::new(web_id, key, Status::Subscribed, "Hosted Signup Form", now)
        }
        None => return Err(Problem::not_found()),
    };
    next.status = Status::Subscribed;
    next.compliance = false;
    next.timestamp_signup = Some(now);
    next.timestamp_opt = Some(now);
    next.last_changed = now;
    Ok(("subscribe", writer.save(next).hash.clone()))
}
