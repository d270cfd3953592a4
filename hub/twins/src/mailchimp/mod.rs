//! The twin of Mailchimp Marketing 3.0: one account with its audiences.
//!
//! Written from the vendor's public reference and from answers that public
//! client libraries recorded; checked by the vendor's own Python client.
//! `[ref]` is mailchimp.com/developer/marketing/api, `[docs]` its guides,
//! `[recorded]` answers found in public test fixtures and issue threads, and
//! `(u)` marks what no source says, where this is our choice.
//!
//! | behaviour | source |
//! |---|---|
//! | a member's address is the MD5 of the lower-case e-mail; e-mail and contact id are taken too | [ref] list-members |
//! | HTTP Basic with any user name, or Bearer; 401 as problem+json | [docs] fundamentals, errors |
//! | OAuth: authorization, tokens, metadata | see `oauth.rs` |
//! | 10 simultaneous connections, 429 without any header; sometimes a bare 403 without JSON | [docs] errors, and public reports |
//! | `count` is 10 and at most 1000; paging by `offset` over a moving set | [ref] list-members |
//! | `since_last_changed` means after, not at; seconds | [ref] "changed after the set timeframe" |
//! | PUT creates with `status_if_new`; merge tags not given are kept, unknown ones dropped | [ref], [recorded] |
//! | POST on somebody there: 400 Member Exists | [recorded] |
//! | DELETE archives, again: 405; archived members are read by their hash and listed only with `status=archived` | [ref], [recorded]; the listing (u), from issue threads |
//! | an archived member comes back by PUT, PATCH or POST with a status | public reports |
//! | `archived` cannot be written as a status | [ref] |
//! | permanently deleted: 404, and 400 Forgotten Email Not Subscribed for every import, until the person signs up by a form | [recorded] |
//! | who unsubscribed by the link, or bounced, cannot be subscribed by the API: 400 Member In Compliance State; `pending` is allowed | [recorded] |
//! | who was unsubscribed by the API or an admin can be subscribed again | public reports |
//! | an address needs street, city, state and zip or nothing | [docs] merge-fields, [recorded] |
//! | `last_changed` moves when something changed, tags included | (u) |
//! | a list endpoint may show the state before a change, for as long as `/_twin/lag` says; a read by hash never does | (u) |
//! | a new e-mail address moves the member to a new hash, the old one is 404 | [ref] |
//! | a batch of up to 500 answers 200 with an error per member | [ref] batch-subscribe |
//! | webhooks | see `webhooks` |
//!
//! Not here: `/batches`, campaigns, segments, interests, and the
//! vendor's refusal of addresses that "look fake" (it would refuse every
//! reserved domain a test can use).
//!
//! Beside what [`crate::control`] has for all twins, the control API knows
//! `people`, `token`, `edit`, `create`, `delete`, `dump/members`,
//! `unsubscribe`, `resubscribe` and `bounce`; see `screen.rs`, and `oauth/screen.rs`
//! for what OAuth needs of a person.

mod audience;
mod batch;
mod calls;
mod fields;
mod fill;
mod input;
mod listing;
mod member;
mod merge;
mod oauth;
mod problem;
mod screen;
mod select;
mod shown;
#[cfg(test)]
mod tests;
mod view;
mod webhooks;
mod write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use concord_core::Timestamp;
use serde_json::{Value, json};

use crate::control::{Control, Fate};
use crate::http::{IN_FLIGHT_HEADER, Request, Response};
use crate::oauth::AuthorizationServer;
use crate::{Outcome, OutgoingRequest, Twin};

use audience::Audience;
use member::{Member, Seconds, Status, moment};
use problem::Problem;
use shown::Frame;
use webhooks::Webhooks;

/// The audience that the twin starts with.
pub const LIST_ID: &str = "a1b2c3d4e5";

/// The account that a key opens.
const ACCOUNT_ID: &str = "8d3a3db4d97663a9074efcc16";

/// When the account was opened: 2024-01-01T00:00:00Z.
const OPENED: Seconds = 1_704_067_200;

const MOST_CONNECTIONS: u32 = 10;

#[derive(Debug)]
pub struct Mailchimp {
    lists: Vec<Audience>,
    control: Control,
    /// Gives apps their tokens.
    server: AuthorizationServer,
    /// The one key or token that is let in; none lets any in.
    token: Option<String>,
    webhooks: Webhooks,
    /// Counts answers, so that each problem has an instance of its own and a
    /// rerun gives the same ones.
    answers: u64,
}

impl Default for Mailchimp {
    fn default() -> Self {
        Self {
            lists: vec![Audience::new(LIST_ID, "Customers", OPENED)],
            control: Control::default(),
            server: oauth::server(),
            token: None,
            webhooks: Webhooks::default(),
            answers: 0,
        }
    }
}

impl Twin for Mailchimp {
    fn handle(&mut self, now: Timestamp, request: Request) -> Response {
        if request.path.starts_with("/_twin/") {
            let answer = self.control.handle(&request);
            let answer = answer.or_else(|| self.server.screen(now, &request));
            return answer.unwrap_or_else(|| self.screen(now, &request));
        }
        self.answers += 1;
        if !request.path.starts_with(oauth::PATH)
            && let Err(problem) = self.admit(now, &request)
        {
            return self.refuse(&problem);
        }
        match self.control.fate(&request) {
            Fate::Normal => self.call(now, &request),
            Fate::AnswerLost => {
                self.call(now, &request);
                Response::lost()
            }
            Fate::Refused(answer) => self.vendor_failure(answer),
        }
    }

    fn is_open(&self, request: &Request) -> bool {
        ["/_twin/", oauth::PATH]
            .iter()
            .any(|path| request.path.starts_with(path))
    }

    fn refuse_token(&mut self) -> Response {
        self.answers += 1;
        self.refuse(&Problem::key_invalid())
    }

    fn due_deliveries(&mut self, now: Timestamp) -> Vec<OutgoingRequest> {
        self.webhooks.due(now)
    }

    fn delivered(&mut self, id: u64, now: Timestamp, outcome: Outcome) -> Option<Response> {
        self.webhooks.outbox.settle(now, id, outcome);
        self.asked(id, outcome)
    }

    fn next_delivery(&self) -> Option<Timestamp> {
        self.webhooks.next_due()
    }
}

impl Mailchimp {
    fn admit(&self, now: Timestamp, request: &Request) -> Result<(), Problem> {
        let in_flight = request
            .header(IN_FLIGHT_HEADER)
            .and_then(|n| n.parse::<u32>().ok());
        if self.control.limits && in_flight.is_some_and(|n| n > MOST_CONNECTIONS) {
            return Err(Problem::too_many_connections());
        }
        let Some(header) = request.header("authorization") else {
            return Err(Problem::key_missing());
        };
        let key = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Some(token.trim().to_owned())
            }
            Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => basic_key(pair),
            _ => None,
        };
        if key.is_some_and(|key| self.takes(now, &key)) {
            Ok(())
        } else {
            Err(Problem::key_invalid())
        }
    }

    fn refuse(&self, problem: &Problem) -> Response {
        problem.response(&format!("{0:08x}-0000-4000-8000-{0:012x}", self.answers))
    }

    /// A failure on demand in the vendor's own form: a 403 comes from a proxy
    /// before the API and has no JSON, the others are problem documents.
    fn vendor_failure(&self, asked: Response) -> Response {
        match asked.status {
            _ if !asked.body.is_empty() => asked,
            403 => Response {
                status: 403,
                headers: vec![("content-type".to_owned(), "text/html".to_owned())],
                body: b"<html><head><title>403 Forbidden</title></head></html>".to_vec(),
            },
            429 => self.refuse(&Problem::too_many_connections()),
            status => self.refuse(&Problem::server_error(status)),
        }
    }

    fn call(&mut self, now: Timestamp, request: &Request) -> Response {
        if request.path.starts_with(oauth::PATH) {
            let answer = self.oauth(now, request);
            return answer.unwrap_or_else(|problem| self.refuse(&problem));
        }
        if request.method != "GET" {
            self.control.writes.requests += 1;
        }
        let answer = self.route(now, request);
        self.announce(now, "api");
        answer.unwrap_or_else(|problem| self.refuse(&problem))
    }

    fn route(&mut self, now: Timestamp, request: &Request) -> Result<Response, Problem> {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some(("3.0", path)) = parts.split_first().map(|(first, rest)| (*first, rest)) else {
            return Err(Problem::not_found());
        };
        match (request.method.as_str(), path) {
            ("GET", []) => Ok(chosen(request, self.account())),
            ("GET", ["ping"]) => Ok(Response::json(
                200,
                &json!({"health_status": "Everything's Chimpy!"}),
            )),
            ("GET", ["lists"]) => self.lists(request, now),
            (_, [] | ["ping"] | ["lists"]) => Err(Problem::wrong_method("GET")),
            (_, ["lists", id, "webhooks", rest @ ..]) => self.webhook_call(id, rest, request),
            (_, ["lists", id, rest @ ..]) => {
                let at = self.lists.iter().position(|list| list.id == *id);
                self.list_call(at.ok_or_else(Problem::not_found)?, rest, now, request)
            }
            _ => Err(Problem::not_found()),
        }
    }

    /// GET /3.0/: the account behind the key.
    fn account(&self) -> Value {
        let members = self.lists.iter().flat_map(Audience::members);
        let subscribers = members
            .filter(|member| member.status == Status::Subscribed)
            .count();
        json!({
            "account_id": ACCOUNT_ID,
            "login_id": "1001",
            "account_name": "Twin Company",
            "email": "twin@example.org",
            "first_name": "Twin",
            "last_name": "Owner",
            "username": "twin",
            "role": "owner",
            "member_since": moment(Some(OPENED)),
            "pricing_plan_type": "monthly",
            "account_timezone": "Etc/UTC",
            "contact": {
                "company": "Twin Company", "addr1": "1 Example Street", "addr2": "",
                "city": "Atlanta", "state": "GA", "zip": "30308", "country": "US",
            },
            "pro_enabled": false,
            "total_subscribers": subscribers,
        })
    }

    fn lists(&mut self, request: &Request, now: Timestamp) -> Result<Response, Problem> {
        let mut errors = Vec::new();
        let (count, offset) = listing::window(request, &mut errors);
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        let total = self.lists.len();
        let page = self.lists.iter_mut().skip(offset).take(count);
        let lists: Vec<Value> = page.map(|list| list.render(now)).collect();
        Ok(chosen(
            request,
            json!({"lists": lists, "total_items": total}),
        ))
    }
}

/// An answer cut down to what `fields` and `exclude_fields` ask for.
fn chosen(request: &Request, body: Value) -> Response {
    Response::json(200, &listing::selection(request).apply(body))
}

/// One member, cut down as asked for.
fn one(list: &Audience, member: &Member, request: &Request) -> Response {
    let selection = listing::selection(request);
    Response::json(200, &Frame::new(list, &selection, &[]).show(member))
}

/// The key of `Basic base64(anything:key)`.
fn basic_key(pair: &str) -> Option<String> {
    let bytes = STANDARD.decode(pair.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(_, key)| key.to_owned())
}
