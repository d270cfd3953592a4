//! Subscriptions to the audience's webhooks, and whom they name.  BEHAVIOR.md says
//! what Mailchimp sends.

use concord_sdk::prelude::*;
use serde::Deserialize;
use serde_json::json;

use crate::api::Api;
use crate::members::id_of;

#[derive(Deserialize)]
struct Made {
    id: String,
}

/// All that says that a member changed, whoever changed it.
pub fn register(api: &Api<'_>, callback_url: &str) -> Result<String, Fault> {
    let events = json!({
        "subscribe": true, "unsubscribe": true, "profile": true,
        "cleaned": true, "upemail": true, "campaign": false,
    });
    let sources = json!({ "user": true, "admin": true, "api": true });
    let body = json!({ "url": callback_url, "events": events, "sources": sources });
    let made: Made = api
        .write("POST", &api.list_path("/webhooks"), &body)?
        .json()?;
    Ok(made.id)
}

/// One that is gone already is as good as removed.
pub fn unregister(api: &Api<'_>, subscription: &str) -> Result<(), Fault> {
    let path = api.list_path(&format!("/webhooks/{}", http::encode(subscription)));
    match api.delete(&path) {
        Ok(_) | Err(Fault::NotFound(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

pub fn parse(api: &Api<'_>, request: &RawRequest) -> Result<Vec<Hint>, Fault> {
    let mut list = None;
    let mut addresses = Vec::new();
    let mut kind = None;
    for (name, value) in form_urlencoded::parse(&request.body) {
        match name.as_ref() {
            "type" => kind = Some(value.into_owned()),
            "data[list_id]" => list = Some(value.into_owned()),
            "data[email]" | "data[new_email]" | "data[old_email]" => {
                addresses.push(value.into_owned());
            }
            _ => {}
        }
    }
    if kind.is_none() {
        let why = "the webhook is not a form with a 'type'";
        return Err(Fault::Bug(why.into()));
    }
    // What another audience has to say is another connection's.
    if list.is_some_and(|list| list != api.list_id()) {
        return Ok(Vec::new());
    }
    let hints = addresses.iter().map(|address| Hint {
        stream: "members".to_owned(),
        id: id_of(address),
    });
    Ok(hints.collect())
}
