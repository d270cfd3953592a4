//! What people do at the vendor's screen before a run is measured.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::run;
use crate::stage::twin::Twin;

/// The contacts of the first pages of the list.
pub(super) fn first(twin: &Twin, number: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    let mut after = String::new();
    while ids.len() < number {
        let (page, next) = list(twin, &format!("limit=100{after}"))?;
        ids.extend(page);
        match next {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    ids.truncate(number);
    Ok(ids)
}

/// Contacts from all over an account that knows so many people.
pub(super) fn scattered(twin: &Twin, number: usize, people: usize) -> Result<Vec<String>> {
    let start: usize = first(twin, 1)?
        .first()
        .context("the twin knows nobody")?
        .parse()?;
    let mut ids = Vec::new();
    for step in 0..number {
        // Ids rise, and a list goes on behind any of them.
        let after = start - 1 + step * people / number;
        let (page, _) = list(twin, &format!("limit=1&after={after}"))?;
        ids.extend(page);
    }
    ids.dedup();
    Ok(ids)
}

/// What the nth of them is given.
pub(super) type Edit = fn(usize) -> Value;

pub(super) const TITLE: Edit = |_| json!({ "jobtitle": "Head of Concord" });

/// By a number somebody is found, so its index changes too.
pub(super) const TITLE_AND_PHONE: Edit = |at| {
    let phone = format!("+1 212 {:03} {:04}", 200 + at / 10_000, at % 10_000);
    json!({ "jobtitle": "Head of Concord", "phone": phone })
};

/// Changes each; gives a moment before the first, in milliseconds.
pub(super) fn edit(twin: &Twin, ids: &[String], values: Edit) -> Result<i64> {
    run::say(&format!("people change {} contacts", ids.len()));
    let mut since = None;
    for (at, id) in ids.iter().enumerate() {
        let wish = json!({ "id": id, "properties": values(at) });
        let edited = twin.act("edit", &wish)?;
        if since.is_none() {
            since = edited["properties"]["lastmodifieddate"]
                .as_str()
                .map(str::to_owned);
        }
    }
    let since = since.context("the twin does not say when a contact was changed")?;
    let moment: jiff::Timestamp = since.parse()?;
    Ok(moment.as_millisecond())
}

/// A page of the list, and where the next one begins.
fn list(twin: &Twin, wish: &str) -> Result<(Vec<String>, Option<String>)> {
    let path = format!("/crm/objects/2026-03/contacts?{wish}&properties=jobtitle");
    let page = twin.get(&path)?;
    let results = page["results"].as_array().map_or(&[][..], Vec::as_slice);
    let ids = results
        .iter()
        .filter_map(|o| o["id"].as_str().map(str::to_owned))
        .collect();
    let next = page["paging"]["next"]["after"].as_str().map(str::to_owned);
    Ok((ids, next))
}
