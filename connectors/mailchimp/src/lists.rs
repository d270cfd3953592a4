//! The account's audiences, read only.  There are few, so every run reads all.

use concord_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::Api;

const FIELDS: [&str; 6] = [
    "id",
    "name",
    "permission_reminder",
    "campaign_defaults",
    "date_created",
    "visibility",
];

/// Mailchimp gives at most 1,000 audiences a page.
const COUNT: u64 = 1_000;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    offset: u64,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    lists: Vec<&'a RawValue>,
    total_items: u64,
}

pub fn pull(api: &Api<'_>, cursor: Option<&str>) -> Result<Page, Fault> {
    let place: Place = cursor::read(cursor)?.unwrap_or_default();
    let mut fields: Vec<String> = FIELDS.iter().map(|f| format!("lists.{f}")).collect();
    fields.push("total_items".into());
    let response = api.get(
        "/lists",
        &[
            ("count", COUNT.to_string()),
            ("offset", place.offset.to_string()),
            ("sort_field", "date_created".to_owned()),
            ("sort_dir", "ASC".to_owned()),
            ("fields", fields.join(",")),
        ],
    )?;
    let answer: Answer<'_> = response.json()?;
    let reached = place.offset + answer.lists.len() as u64;
    let more = reached < answer.total_items && !answer.lists.is_empty();
    let next = more.then(|| cursor::write(&Place { offset: reached }));
    Ok(Page {
        changes: answer
            .lists
            .into_iter()
            .map(|list| record(list).into())
            .collect(),
        // At rest there is no place: the next run begins anew.
        next: next.transpose()?,
        more,
        complete: !more,
    })
}

pub fn fetch(api: &Api<'_>, ids: &[String]) -> Result<Vec<Change>, Fault> {
    ids.iter()
        .map(|id| {
            let path = format!("/lists/{}", http::encode(id));
            match api.get(&path, &[("fields", FIELDS.join(","))]) {
                Ok(response) => Ok(record(response.json()?).into()),
                Err(Fault::NotFound(_)) => Ok(Change::gone(id, Absence::Hidden, None)),
                Err(fault) => Err(fault),
            }
        })
        .collect()
}

/// The audiences that hold these values, of all there are.
pub fn find(api: &Api<'_>, values: &Fields) -> Result<Vec<RemoteRecord>, Fault> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = pull(api, cursor.as_deref())?;
        for change in page.changes {
            if let Change::Upsert(record) = change
                && serde_json::from_str::<Fields>(&record.fields)
                    .is_ok_and(|fields| values.iter().all(|(n, v)| fields.get(n) == Some(v)))
            {
                found.push(record);
            }
        }
        if !page.more {
            return Ok(found);
        }
        cursor = page.next;
    }
}

fn record(list: &RawValue) -> Result<RemoteRecord, Malformed> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: String,
    }
    match serde_json::from_str::<OnlyId>(list.get()) {
        Ok(only) => RemoteRecord::raw(only.id, list),
        Err(error) => Err(Malformed::new(None, error.to_string(), list.get())),
    }
}
