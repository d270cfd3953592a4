//! Pages: the full walk, what changed since, and what was archived.
//!
//! A full walk goes through the plain list, which has neither a result window
//! nor an index that lags.  What changed is asked of the search, in the order
//! of ids and always above the last id seen: search takes one sort only and
//! refuses to page beyond 10,000 results, and so no search ever gets there.
//! A record that changes behind that place is found by the next run, because
//! its new time lies after this run's start.  So nothing here is ever too large
//! for one walk, and no window is asked for.

use concord_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::objects::ObjectType;
use crate::records::{self, Object};

/// The list gives at most 100 records a page, the search 200.
const LIST_LIMIT: u32 = 100;
const SEARCH_LIMIT: u32 = 200;

/// How far each run reaches back before the start of the last one: the time
/// that the search index may lag, and some for clocks that differ.  What comes
/// twice is no change the second time.
const OVERLAP_MS: i64 = 120_000;

/// The place in a stream.  Times are milliseconds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "at", deny_unknown_fields)]
enum Place {
    /// In the list of live records, during a full walk.
    List { started: i64, after: Option<String> },
    /// In the list of archived records.  It can be neither filtered nor sorted
    /// by time, so it is read through; `since` drops what is already known and
    /// is absent in a full walk.
    Archived {
        since: Option<i64>,
        /// Where the next run's search begins.
        resume: i64,
        after: Option<String>,
    },
    /// Changed since `since`, with ids above `above`.  `started` is absent
    /// between two runs.
    Search {
        since: i64,
        started: Option<i64>,
        above: u64,
    },
}

pub fn pull(
    api: &Api<'_>,
    object: ObjectType,
    selection: &Selection,
    cursor: Option<&str>,
) -> Result<Page, Fault> {
    let now = api.now_ms();
    let place = cursor::read(cursor)?;
    let place = match (selection.mode, place) {
        (
            PullMode::Full,
            None | Some(Place::Search { .. } | Place::Archived { since: Some(_), .. }),
        )
        | (PullMode::Changes, None) => Place::List {
            started: now,
            after: None,
        },
        (_, Some(place)) => place,
    };
    match place {
        Place::List { started, after } => list(api, object, selection, started, after),
        Place::Archived {
            since,
            resume,
            after,
        } => archived(api, object, selection, since, resume, after),
        Place::Search {
            since,
            started,
            above,
        } => search(api, object, selection, since, started.unwrap_or(now), above),
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: &'a RawValue,
    #[serde(default)]
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Paging {
    next: Option<NextPage>,
}

#[derive(Deserialize)]
struct NextPage {
    after: String,
}

impl Answer<'_> {
    fn after(&mut self) -> Option<String> {
        self.paging.take().and_then(|p| p.next).map(|n| n.after)
    }
}

fn list(
    api: &Api<'_>,
    object: ObjectType,
    selection: &Selection,
    started: i64,
    after: Option<String>,
) -> Result<Page, Fault> {
    let mut query = list_query(selection, false);
    query.push((
        "properties",
        records::properties(&selection.fields).join(","),
    ));
    query.extend(after.map(|a| ("after", a)));
    let response = api.get(&object.path(), &query)?;
    let mut answer: Answer<'_> = response.json()?;
    let next = match answer.after() {
        Some(after) => Place::List {
            started,
            after: Some(after),
        },
        None => Place::Archived {
            since: None,
            resume: started - OVERLAP_MS,
            after: None,
        },
    };
    Ok(Page {
        changes: changes(answer.results)?,
        next: Some(cursor::write(&next)?),
        more: true,
        complete: false,
    })
}

fn archived(
    api: &Api<'_>,
    object: ObjectType,
    selection: &Selection,
    since: Option<i64>,
    resume: i64,
    after: Option<String>,
) -> Result<Page, Fault> {
    let mut query = list_query(selection, true);
    query.extend(after.map(|a| ("after", a)));
    let response = api.get(&object.path(), &query)?;
    let mut answer: Answer<'_> = response.json()?;
    let changes = records::objects(answer.results)?
        .into_iter()
        .filter_map(|object| match object {
            Ok(object) if is_known(&object, since) => None,
            Ok(object) => Some(object.gone_archived()),
            Err(malformed) => Some(Change::Malformed(malformed)),
        })
        .collect();
    let after = answer.after();
    let more = after.is_some();
    let next = match after {
        Some(after) => Place::Archived {
            since,
            resume,
            after: Some(after),
        },
        None => Place::Search {
            since: resume,
            started: None,
            above: 0,
        },
    };
    Ok(Page {
        changes,
        next: Some(cursor::write(&next)?),
        more,
        complete: !more && since.is_none(),
    })
}

/// Archived before the last run looked.  Without a time nothing is known.
fn is_known(object: &Object<'_>, since: Option<i64>) -> bool {
    let at = object.archived_at.as_deref().and_then(time::parse);
    matches!((at, since), (Some(at), Some(since)) if at.div_euclid(1_000) < since)
}

fn search(
    api: &Api<'_>,
    object: ObjectType,
    selection: &Selection,
    since: i64,
    started: i64,
    above: u64,
) -> Result<Page, Fault> {
    let response = api.search(
        object,
        &json!({
            "filterGroups": [{"filters": [
                {"propertyName": object.modified, "operator": "GTE", "value": since.to_string()},
                {"propertyName": "hs_object_id", "operator": "GT", "value": above.to_string()},
            ]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": records::properties(&selection.fields),
            "limit": selection.page_size.clamp(1, SEARCH_LIMIT),
        }),
    )?;
    let mut answer: Answer<'_> = response.json()?;
    let changes = changes(answer.results)?;
    let next = if answer.after().is_some() {
        Place::Search {
            since,
            started: Some(started),
            above: reached(&changes, above)?,
        }
    } else {
        Place::Archived {
            since: Some(since),
            resume: started - OVERLAP_MS,
            after: None,
        }
    };
    Ok(Page {
        changes,
        next: Some(cursor::write(&next)?),
        more: true,
        complete: false,
    })
}

/// The highest id that a page of search results shows.
fn reached(changes: &[Change], above: u64) -> Result<u64, Fault> {
    changes
        .iter()
        .filter_map(|change| match change {
            Change::Upsert(record) => Some(record.id.as_str()),
            Change::Malformed(malformed) => malformed.id.as_deref(),
            Change::Gone(_) => None,
        })
        .filter_map(|id| id.parse::<u64>().ok())
        .max()
        .filter(|highest| *highest > above)
        .ok_or_else(|| {
            Fault::Bug(format!(
                "HubSpot's search says that there is more above id {above} and shows nothing of it"
            ))
        })
}

fn list_query(selection: &Selection, archived: bool) -> Vec<(&'static str, String)> {
    let limit = selection.page_size.clamp(1, LIST_LIMIT);
    vec![
        ("limit", limit.to_string()),
        ("archived", archived.to_string()),
    ]
}

fn changes(results: &RawValue) -> Result<Vec<Change>, Fault> {
    let objects = records::objects(results)?;
    let mut changes = Vec::with_capacity(objects.len());
    for object in objects {
        match object {
            Ok(object) => {
                changes.push(object.change());
                changes.extend(object.absorbed());
            }
            Err(malformed) => changes.push(Change::Malformed(malformed)),
        }
    }
    Ok(changes)
}
