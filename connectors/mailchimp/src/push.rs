//! Writes, member by member.
//!
//! A member is written in up to three steps: the look at what is there, the
//! member itself, and its tags, which have an endpoint of their own.

use concord_sdk::prelude::*;
use serde_json::json;

use crate::api::Api;
use crate::members::{self, CONSENT_AT, Member, Tag};
use crate::read::{self, member_path};
use crate::status;

pub fn push(api: &Api<'_>, ops: &[Op]) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(ops.len());
    for op in ops {
        let result = match &op.action {
            Action::Create => create(api, op),
            Action::Update(id) => update(api, id, op),
            Action::Delete(id) => archive(api, id),
        };
        match result {
            Ok(applied) => outcomes.push(Outcome::Applied(applied)),
            Err(fault) if stops(&fault) => {
                // Every further op would meet the same.
                outcomes.resize(ops.len(), Outcome::Failed(fault));
                break;
            }
            Err(fault) => outcomes.push(Outcome::Failed(fault)),
        }
    }
    outcomes
}

fn stops(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::RateLimited(_) | Fault::AuthRevoked(_) | Fault::AuthExpired(_) | Fault::Forbidden(_)
    )
}

/// Looks first, because Mailchimp's own ways to create do more than that: one
/// brings an archived member back, the other overwrites whoever is there.
fn create(api: &Api<'_>, op: &Op) -> Result<Applied, Fault> {
    let mut fields = op.fields()?;
    let address = match fields.get("email_address").and_then(Value::as_str) {
        Some(address) if !address.trim().is_empty() => address.trim().to_owned(),
        _ => return Err(Fault::invalid("email_address", "a member needs an address")),
    };
    let status = status::of_new(fields.remove("status").as_ref())?;
    let id = members::id_of(&address);
    if let Some(there) = read::member(api, &id)? {
        return Err(Fault::invalid(
            "email_address",
            format!(
                "{address} is a member already ({}); Mailchimp keeps one for each address",
                there.status
            ),
        ));
    }
    let tags = wanted_tags(&mut fields)?;
    let mut body = body(fields)?;
    // Without `status` an address that came in since keeps the status it has.
    body.insert("status_if_new".into(), json!(status));
    let response = api.write("PUT", &member_path(api, &id), &body)?;
    let member = written(&response)?;
    finish(api, member, tags)
}

fn update(api: &Api<'_>, id: &str, op: &Op) -> Result<Applied, Fault> {
    let mut fields = op.fields()?;
    let wanted = fields.remove("status");
    let tags = wanted_tags(&mut fields)?;
    let mut body = body(fields)?;
    if let Some(wanted) = wanted.as_ref().and_then(Value::as_str) {
        let current = existing(api, id)?;
        match status::of_existing(wanted, &current.status)? {
            Some(status) => {
                body.insert("status".into(), json!(status));
            }
            // The opt-in that is recorded there stays.
            None => {
                body.remove("timestamp_opt");
            }
        }
    }
    let member = if body.is_empty() {
        existing(api, id)?
    } else if members::is_id(id) {
        written(&api.write("PATCH", &member_path(api, id), &body)?)?
    } else {
        return Err(no_member(id));
    };
    finish(api, member, tags)
}

/// Deleting over the API archives.  A member for good is deleted by a person.
fn archive(api: &Api<'_>, id: &str) -> Result<Applied, Fault> {
    if !members::is_id(id) {
        return Err(no_member(id));
    }
    match api.delete(&member_path(api, id)) {
        Ok(_) => {}
        // Mailchimp refuses to archive twice.
        Err(refused @ Fault::Invalid(_)) => {
            if !existing(api, id)?.archived() {
                return Err(refused);
            }
        }
        Err(fault) => return Err(fault),
    }
    Ok(Applied {
        id: id.to_owned(),
        version: None,
        stored: None,
    })
}

fn existing(api: &Api<'_>, id: &str) -> Result<Member, Fault> {
    read::member(api, id)?.ok_or_else(|| no_member(id))
}

fn no_member(id: &str) -> Fault {
    Fault::NotFound(format!("the audience has no member {id}"))
}

/// Sets the tags that differ and gives the member as it is stored in the end.
fn finish(api: &Api<'_>, member: Member, tags: Option<Vec<String>>) -> Result<Applied, Fault> {
    let changes = tags.map_or_else(Vec::new, |wanted| tag_changes(&member.tags, &wanted));
    let member = if changes.is_empty() {
        member
    } else {
        set_tags(api, &member.id, &changes).map_err(half_written)?
    };
    let record = member.record()?;
    Ok(Applied {
        id: record.id.clone(),
        version: None,
        stored: Some(record),
    })
}

fn set_tags(api: &Api<'_>, id: &str, changes: &[Value]) -> Result<Member, Fault> {
    let path = format!("{}/tags", member_path(api, id));
    api.write("POST", &path, &json!({ "tags": changes }))?;
    existing(api, id)
}

/// The member itself is written when this fails, so nothing that says "nothing
/// was done" may be handed on.
fn half_written(fault: Fault) -> Fault {
    match fault {
        Fault::Invalid(faults) => Fault::Invalid(
            faults
                .into_iter()
                .map(|fault| FieldFault {
                    field: "tags".into(),
                    message: fault.message,
                })
                .collect(),
        ),
        other => Fault::UnknownOutcome(format!(
            "the member is written, its tags perhaps not: {other:?}"
        )),
    }
}

/// What to switch on and off, compared as Mailchimp does, without case.
fn tag_changes(current: &[Tag], wanted: &[String]) -> Vec<Value> {
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let added = wanted
        .iter()
        .filter(|name| !current.iter().any(|tag| same(&tag.name, name)))
        .map(|name| json!({"name": name, "status": "active"}));
    let removed = current
        .iter()
        .filter(|tag| !wanted.iter().any(|name| same(&tag.name, name)))
        .map(|tag| json!({"name": tag.name, "status": "inactive"}));
    added.chain(removed).collect()
}

/// Takes `tags` out of the fields: names, or objects with a name.
fn wanted_tags(fields: &mut Fields) -> Result<Option<Vec<String>>, Fault> {
    let Some(value) = fields.remove("tags") else {
        return Ok(None);
    };
    let list = match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        _ => return Err(Fault::invalid("tags", "tags are a list of names")),
    };
    list.iter()
        .map(|tag| tag.as_str().or_else(|| tag["name"].as_str()))
        .map(|name| name.map(str::to_owned))
        .collect::<Option<Vec<_>>>()
        .map(Some)
        .ok_or_else(|| Fault::invalid("tags", "each tag needs a name"))
}

/// The fields as Mailchimp takes them; `status` and `tags` are out already.
fn body(fields: Fields) -> Result<Fields, Fault> {
    let mut body = Fields::new();
    let mut merge_fields = Fields::new();
    for (name, value) in fields {
        match name.as_str() {
            "email_address" => {
                if value
                    .as_str()
                    .is_none_or(|address| address.trim().is_empty())
                {
                    return Err(Fault::invalid(
                        name,
                        "a member cannot be without an address",
                    ));
                }
                body.insert(name, value);
            }
            "vip" => {
                body.insert(name, value);
            }
            "language" => {
                body.insert(name, text(value));
            }
            CONSENT_AT if value.is_null() => {}
            CONSENT_AT => {
                body.insert("timestamp_opt".into(), value);
            }
            _ if members::is_merge_tag(&name) => {
                merge_fields.insert(name, text(value));
            }
            _ => return Err(Fault::invalid(name, "this field cannot be written")),
        }
    }
    if !merge_fields.is_empty() {
        body.insert("merge_fields".into(), Value::Object(merge_fields));
    }
    Ok(body)
}

/// "" empties a merge field; an address is emptied as a whole.
fn text(value: Value) -> Value {
    match value {
        Value::Null => json!(""),
        Value::Object(members) if members.values().all(is_empty) => json!(""),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, text(value)));
            Value::Object(members.collect())
        }
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// An answer to a write that cannot be read leaves open what was written.
fn written(response: &Response) -> Result<Member, Fault> {
    serde_json::from_slice(&response.body)
        .map_err(|e| Fault::UnknownOutcome(format!("Mailchimp's answer to a write: {e}")))
}
