//! The endpoints of an audience's webhooks.
//!
//! A URL is asked before it is taken.  The question is a delivery like any other:
//! the client's answer is postponed, and computed when the outcome is known.

use serde_json::{Map, Value, json};
use url::Url;

use super::{Hook, Switches, TIMEOUT};
use crate::http::{Request, Response};
use crate::mailchimp::problem::{FieldError, Problem};
use crate::mailchimp::{Mailchimp, chosen, input};
use crate::{Outcome, OutgoingRequest};

/// mailchimp/mc-woocommerce#876.
const VALIDATOR: &str = "MailChimp.com WebHook Validator";

/// A webhook whose URL is being asked.
#[derive(Debug)]
pub(super) struct Check {
    /// As it is to be, new or in the place of its former self.
    hook: Hook,
    is_new: bool,
}

impl Mailchimp {
    pub(in crate::mailchimp) fn webhook_call(
        &mut self,
        list_id: &str,
        path: &[&str],
        request: &Request,
    ) -> Result<Response, Problem> {
        if !self.lists.iter().any(|list| list.id == list_id) {
            return Err(Problem::not_found());
        }
        match (request.method.as_str(), path) {
            ("GET", []) => {
                let hooks = self.webhooks.hooks.iter();
                let hooks = hooks.filter(|hook| hook.list_id == list_id);
                let hooks: Vec<Value> = hooks.map(Hook::render).collect();
                let total = hooks.len();
                let body = json!({"webhooks": hooks, "list_id": list_id, "total_items": total});
                Ok(chosen(request, body))
            }
            ("POST", []) => {
                self.webhooks.made += 1;
                let hook = Hook::new(self.webhooks.made, list_id);
                let hook = self.amended(hook, &input::object(&request.body)?)?;
                Ok(self.ask(hook, true))
            }
            (_, []) => Err(Problem::wrong_method("GET, POST")),
            ("GET", [id]) => {
                let at = self.hook_at(list_id, id)?;
                Ok(chosen(request, self.webhooks.hooks[at].render()))
            }
            ("PATCH", [id]) => {
                let at = self.hook_at(list_id, id)?;
                let former = self.webhooks.hooks[at].clone();
                let url = former.url.clone();
                let hook = self.amended(former, &input::object(&request.body)?)?;
                if hook.url != url {
                    return Ok(self.ask(hook, false));
                }
                let body = hook.render();
                self.webhooks.hooks[at] = hook;
                Ok(chosen(request, body))
            }
            ("DELETE", [id]) => {
                let at = self.hook_at(list_id, id)?;
                self.webhooks.hooks.remove(at);
                Ok(Response::empty(204))
            }
            (_, [_]) => Err(Problem::wrong_method("GET, PATCH, DELETE")),
            _ => Err(Problem::not_found()),
        }
    }

    fn hook_at(&self, list_id: &str, id: &str) -> Result<usize, Problem> {
        let mut hooks = self.webhooks.hooks.iter();
        let at = hooks.position(|hook| hook.list_id == list_id && hook.id == id);
        at.ok_or_else(Problem::not_found)
    }

    /// The webhook with what the body gives, if that is allowed.
    fn amended(&self, mut hook: Hook, body: &Map<String, Value>) -> Result<Hook, Problem> {
        switch(&mut hook.events, body, "events")?;
        switch(&mut hook.sources, body, "sources")?;
        match body.get("url") {
            Some(Value::String(url)) => hook.url.clone_from(url),
            None if !hook.url.is_empty() => {}
            _ => return Err(wrong("url", "This value should not be blank.")),
        }
        let readable = Url::parse(&hook.url).is_ok_and(|url| url.scheme().starts_with("http"));
        if !readable {
            return Err(wrong("url", "Invalid URL"));
        }
        let others = self.webhooks.hooks.iter();
        let mut others = others.filter(|o| o.list_id == hook.list_id && o.id != hook.id);
        if others.any(|other| place(&other.url) == place(&hook.url)) {
            let message = "Sorry, you can't set up multiple WebHooks for one URL on the same list.";
            return Err(wrong("url", message));
        }
        Ok(hook)
    }

    /// Asks the webhook's URL, and lets the client wait for the outcome.
    fn ask(&mut self, hook: Hook, is_new: bool) -> Response {
        let id = self.webhooks.outbox.new_id();
        self.webhooks.questions.push(OutgoingRequest {
            id,
            method: "GET".to_owned(),
            url: hook.url.clone(),
            headers: vec![("user-agent".to_owned(), VALIDATOR.to_owned())],
            body: Vec::new(),
            timeout: TIMEOUT,
        });
        self.webhooks.checks.insert(id, Check { hook, is_new });
        Response::postponed(id)
    }

    /// The answer to the client whose URL was asked by this delivery, if one was.
    pub(in crate::mailchimp) fn asked(&mut self, id: u64, outcome: Outcome) -> Option<Response> {
        let Check { hook, is_new } = self.webhooks.checks.remove(&id)?;
        let status = outcome.unwrap_or(0);
        if status != 200 {
            let message = format!(
                "We couldn't verify the URL is working. \
                 Please double check and try again. HTTP Code: {status}"
            );
            self.answers += 1;
            return Some(self.refuse(&wrong("url", &message)));
        }
        let mut body = hook.render();
        let hooks = &mut self.webhooks.hooks;
        match hooks.iter_mut().find(|held| held.id == hook.id) {
            Some(held) => *held = hook,
            None if is_new => {
                body["signing_secret"] = hook.secret.as_str().into();
                hooks.push(hook);
            }
            // It was deleted while its new URL was being asked.
            None => return Some(self.refuse(&Problem::not_found())),
        }
        Some(Response::json(200, &body))
    }
}

/// A URL without its parameters.
fn place(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Sets the switches that the body names.
fn switch(switches: &mut Switches, body: &Map<String, Value>, name: &str) -> Result<(), Problem> {
    let Some(given) = body.get(name) else {
        return Ok(());
    };
    let given = given.as_object();
    let given = given.ok_or_else(|| wrong(name, "Schema describes object"))?;
    for (key, on) in switches.iter_mut() {
        match given.get(*key) {
            None => {}
            Some(Value::Bool(wish)) => *on = *wish,
            Some(_) => {
                let field = format!("{name}.{key}");
                return Err(wrong(&field, "Schema describes boolean"));
            }
        }
    }
    Ok(())
}

fn wrong(field: &str, message: &str) -> Problem {
    Problem::invalid(vec![FieldError::new(field, message)])
}
