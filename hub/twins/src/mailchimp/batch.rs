//! POST lists/{id}: up to 500 members in one request, each with its own
//! outcome in a 200 answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::member::{Member, Status, subscriber_hash};
use super::problem::{FieldError, Problem};
use super::shown::whole;
use super::write::Writer;

const MOST: usize = 500;

/// The answer's body.
pub fn subscribe(
    writer: &mut Writer<'_>,
    body: &Map<String, Value>,
    skip_duplicates: bool,
) -> Result<Value, Problem> {
    let members = match body.get("members") {
        Some(Value::Array(members)) if members.len() <= MOST => members,
        Some(Value::Array(_)) => {
            let message = format!("This collection should contain {MOST} elements or less.");
            return Err(Problem::invalid(vec![FieldError::new("members", message)]));
        }
        _ => {
            let message = "This value should not be blank.";
            return Err(Problem::invalid(vec![FieldError::new("members", message)]));
        }
    };
    let update_existing = body
        .get("update_existing")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let sync_tags = body
        .get("sync_tags")
        .and_then(Value::as_bool)
        .unwrap_or(false);

    let (mut created, mut updated, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for entry in members {
        let empty = Map::new();
        let fields = entry.as_object().unwrap_or(&empty);
        let email = fields
            .get("email_address")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let hash = subscriber_hash(email);
        if !seen.insert(hash.clone()) {
            if !skip_duplicates {
                errors.push(generic(email, "Duplicate items found in request", &[]));
            }
            continue;
        }
        // An archived member counts as new (it comes back by being created).
        let held = writer.list.find(&hash).cloned();
        let exists = held
            .as_ref()
            .is_some_and(|member| member.status != Status::Archived);
        if exists && !update_existing {
            errors.push(json!({
                "email_address": email,
                "error": format!(
                    "{email} is already a list member, do you want to update? \
                     please provide update_existing:true in the request body"
                ),
                "error_code": "ERROR_CONTACT_EXISTS",
                "field": "",
                "field_message": "",
            }));
            continue;
        }
        let outcome = if exists {
            writer.update(&hash, fields)
        } else {
            writer.create(fields)
        };
        match outcome {
            Ok(member) => {
                let member =
                    retag(writer, member.hash.clone(), fields, sync_tags).unwrap_or(member);
                let shown = whole(writer.list, &member);
                if exists {
                    updated.push(shown)
                } else {
                    created.push(shown)
                }
            }
            Err(problem) => errors.push(generic(email, &problem.detail, &problem.errors)),
        }
    }
    Ok(json!({
        "total_created": created.len(),
        "total_updated": updated.len(),
        "error_count": errors.len(),
        "new_members": created,
        "updated_members": updated,
        "errors": errors,
    }))
}

/// Tags of a batch are added; with `sync_tags` they replace what was there.
fn retag(
    writer: &mut Writer<'_>,
    hash: String,
    fields: &Map<String, Value>,
    sync_tags: bool,
) -> Option<Arc<Member>> {
    let given: Vec<&str> = fields
        .get("tags")?
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let held = writer.list.find(&hash)?.clone();
    let removed = held
        .tags
        .iter()
        .filter(|tag| sync_tags && !given.contains(&tag.as_str()));
    let changes: Vec<Value> = given
        .iter()
        .map(|name| json!({"name": name, "status": "active"}))
        .chain(removed.map(|name| json!({"name": name, "status": "inactive"})))
        .collect();
    let body = Map::from_iter([("tags".to_owned(), Value::Array(changes))]);
    writer.tag(&hash, &body).ok()?;
    writer.list.find(&hash).cloned()
}

fn generic(email: &str, error: &str, fields: &[FieldError]) -> Value {
    let first = fields.first();
    json!({
        "email_address": email,
        "error": error,
        "error_code": "ERROR_GENERIC",
        "field": first.map_or("", |f| f.field.as_str()),
        "field_message": first.map_or("", |f| f.message.as_str()),
    })
}
