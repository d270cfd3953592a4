//! The forms that tell of a change of one member.
//!
//! | event | when | `data` | source |
//! |---|---|---|---|
//! | `subscribe` | the member is subscribed and was not | id, list_id, email, email_type, ip_opt, ip_signup, web_id, merges | [about], [recorded] |
//! | `unsubscribe` | a subscribed member is not any more; `action` is `unsub` | the same, and action, reason `manual` | [about], [recorded] |
//! | `unsubscribe`, `action` is `delete` | the member is archived or deleted for good | the same | [about] "action is either unsub or delete"; that both are it (u) |
//! | `cleaned` | the address bounced | list_id, email, reason `hard`, campaign_id | [about] |
//! | `upemail` | the address is another one | list_id, new_id, new_email, old_email | [about] |
//! | `profile` | merge fields, language or email_type changed, and always with an `upemail` | as with `subscribe` | [about] "you will always receive a profile update at the same time" |
//!
//! `id` is the `unique_email_id`, ten digits as in the vendor's examples.  A change
//! of tags or of `vip` alone fires nothing (u); an archived member that is deleted
//! for good fires once more (u).  Groups, which the vendor shows as `INTERESTS`, do
//! not exist here.

use concord_core::Timestamp;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::mailchimp::audience::{Audience, Turn};
use crate::mailchimp::member::{Member, Status, seconds};
use crate::mailchimp::merge;

/// Names and values, in order.
type Fields = Vec<(String, String)>;

/// The events of one change, each with its form.
pub(super) fn of(now: Timestamp, list: &Audience, turn: &Turn) -> Vec<(&'static str, String)> {
    let before = turn.before.as_deref();
    let Some(after) = turn.after.as_deref() else {
        let gone = before.map(|member| ("unsubscribe", left(list, member, "delete")));
        return gone
            .map(|(e, fields)| (e, form(now, e, &fields)))
            .into_iter()
            .collect();
    };
    let was = before.map(|member| member.status);
    let is = after.status;
    let mut told: Vec<(&'static str, Fields)> = Vec::new();
    if was != Some(is) {
        match (was, is) {
            (_, Status::Subscribed) => told.push(("subscribe", whole(list, after))),
            (_, Status::Cleaned) => told.push(("cleaned", cleaned(list, after))),
            (Some(Status::Subscribed), Status::Unsubscribed) => {
                told.push(("unsubscribe", left(list, after, "unsub")));
            }
            (Some(_), Status::Archived) => {
                told.push(("unsubscribe", left(list, after, "delete")));
            }
            _ => {}
        }
    }
    if let Some(before) = before {
        let moved = before.email != after.email;
        if moved {
            told.push(("upemail", moved_to(list, before, after)));
        }
        let shown = |m: &Member| (m.merge.clone(), m.language.clone(), m.email_type.clone());
        if moved || shown(before) != shown(after) {
            told.push(("profile", whole(list, after)));
        }
    }
    let forms = told.into_iter();
    forms
        .map(|(e, fields)| (e, form(now, e, &fields)))
        .collect()
}

/// `type` and `fired_at`, and the fields as `data[name]`.
fn form(now: Timestamp, event: &str, fields: &Fields) -> String {
    let moment = jiff::Timestamp::from_second(seconds(now)).unwrap_or_default();
    let mut form = Serializer::new(String::new());
    form.append_pair("type", event);
    form.append_pair(
        "fired_at",
        &moment.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    );
    for (name, value) in fields {
        form.append_pair(&format!("data{name}"), value);
    }
    form.finish()
}

fn field(name: &str, value: &str) -> (String, String) {
    (format!("[{name}]"), value.to_owned())
}

fn unique_id(member: &Member) -> &str {
    &member.hash[..10]
}

fn whole(list: &Audience, member: &Member) -> Fields {
    let mut fields = vec![
        field("id", unique_id(member)),
        field("list_id", &list.id),
        field("email", &member.email),
        field("email_type", &member.email_type),
        field("ip_opt", &member.ip_opt),
        field("ip_signup", &member.ip_signup),
        field("web_id", &member.web_id.to_string()),
        field("merges][EMAIL", &member.email),
    ];
    for merge_field in &list.fields {
        let name = format!("merges][{}", merge_field.tag);
        match merge::shown(member.merge.get(&merge_field.tag)) {
            Value::Object(parts) => {
                let part = |(key, value)| field(&format!("{name}][{key}"), &text(value));
                fields.extend(parts.iter().map(part));
            }
            value => fields.push(field(&name, &text(value))),
        }
    }
    fields
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn left(list: &Audience, member: &Member, action: &str) -> Fields {
    let mut fields = vec![field("action", action), field("reason", "manual")];
    fields.extend(whole(list, member));
    fields
}

fn cleaned(list: &Audience, member: &Member) -> Fields {
    vec![
        field("list_id", &list.id),
        field("campaign_id", ""),
        field("reason", "hard"),
        field("email", &member.email),
    ]
}

fn moved_to(list: &Audience, before: &Member, after: &Member) -> Fields {
    vec![
        field("list_id", &list.id),
        field("new_id", unique_id(after)),
        field("new_email", &after.email),
        field("old_email", &before.email),
    ]
}
