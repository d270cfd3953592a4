//! The endpoints of an audience's merge fields.

use serde_json::{Value, json};

use super::audience::Audience;
use super::merge::{self, FieldType, MergeField};
use super::problem::{FieldError, Problem};
use super::{input, listing};
use crate::http::{Request, Response};

/// GET lists/{id}/merge-fields.
pub fn page(list: &Audience, request: &Request) -> Result<Response, Problem> {
    let mut errors = Vec::new();
    let (count, offset) = listing::window(request, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let page = list.fields.iter().skip(offset).take(count);
    let fields: Vec<Value> = page.map(|field| merge::render(field, &list.id)).collect();
    let total = list.fields.len();
    let body = json!({"merge_fields": fields, "list_id": list.id, "total_items": total});
    Ok(Response::json(
        200,
        &listing::selection(request).apply(body),
    ))
}

/// POST lists/{id}/merge-fields.
pub fn add(list: &mut Audience, body: &[u8]) -> Result<Response, Problem> {
    let given = input::object(body)?;
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let blank = |name: &str| {
        Problem::invalid(vec![FieldError::new(
            name,
            "This value should not be blank.",
        )])
    };
    if text("name").is_empty() {
        return Err(blank("name"));
    }
    let kind = FieldType::parse(text("type")).ok_or_else(|| blank("type"))?;
    // The vendor numbers the tags that nobody named.
    let tag = match text("tag") {
        "" => format!("MMERGE{}", list.fields.len() + 1),
        tag => tag.to_uppercase(),
    };
    if list.fields.iter().any(|field| field.tag == tag) {
        let message = format!("A Merge Field with the tag \"{tag}\" already exists for this list.");
        return Err(Problem::invalid(vec![FieldError::new("tag", message)]));
    }
    let choices = given
        .get("options")
        .and_then(|o| o.get("choices"))
        .and_then(Value::as_array);
    let choices = choices
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned);
    let field = MergeField {
        merge_id: 0,
        tag,
        name: text("name").to_owned(),
        kind,
        required: given
            .get("required")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        choices: choices.collect(),
    };
    let list_id = list.id.clone();
    Ok(Response::json(
        200,
        &merge::render(list.add_field(field), &list_id),
    ))
}
