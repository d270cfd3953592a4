//! Pages of members.
//!
//! Mailchimp pages by offset, over a list that moves while it is read: a member
//! who changes leaves a place, and everybody behind moves up by one, past the
//! reader.  So pages are sorted by the last change, where whoever changes goes
//! to the end and is met again, and each page begins with the last member of
//! the page before.  Where another stands there, somebody left, and the walk
//! goes on from that member's time.

use concord_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::Api;
use crate::members::{self, FIELDS};

/// Mailchimp gives at most 1,000 members a page.
const MAX_COUNT: u64 = 1_000;

const SECOND: i64 = 1_000_000;

/// How far each run reaches back before the start of the last one, in seconds:
/// for the whole seconds of `last_changed` and for clocks that differ.
const OVERLAP: i64 = 60;

/// How far a walk that lost its place reaches back before it: `since` says
/// "after", and whether that second belongs to it is not documented.
const STEP_BACK: i64 = 2;

/// The place in the stream.  Times are seconds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "at", deny_unknown_fields)]
enum Place {
    /// Between two runs.
    Rest { since: i64 },
    /// Among the members; `from` is where the archived ones begin.
    Members {
        full: bool,
        started: i64,
        from: i64,
        walk: Walk,
    },
    /// Among the archived members, whom the plain list leaves out.
    Archived {
        full: bool,
        started: i64,
        walk: Walk,
    },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Walk {
    since: Option<i64>,
    offset: u64,
    /// Who stood at `offset - 1`.
    last: Option<Seen>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    id: String,
    changed: i64,
}

impl Walk {
    fn from(since: Option<i64>) -> Self {
        Self {
            since,
            offset: 0,
            last: None,
        }
    }
}

pub fn pull(api: &Api<'_>, selection: &Selection, cursor: Option<&str>) -> Result<Page, Fault> {
    let now = api.now().div_euclid(SECOND);
    match (selection.mode, cursor::read::<Place>(cursor)?) {
        (PullMode::Changes, Some(Place::Rest { since })) => {
            members(api, selection, false, now, since, Walk::from(Some(since)))
        }
        (PullMode::Full, Some(Place::Rest { .. })) | (_, None) => {
            members(api, selection, true, now, now - OVERLAP, Walk::from(None))
        }
        // A full walk does not go on with what another kind of walk began.
        (
            PullMode::Full,
            Some(Place::Members { full: false, .. } | Place::Archived { full: false, .. }),
        ) => members(api, selection, true, now, now - OVERLAP, Walk::from(None)),
        (
            _,
            Some(Place::Members {
                full,
                started,
                from,
                walk,
            }),
        ) => members(api, selection, full, started, from, walk),
        (
            _,
            Some(Place::Archived {
                full,
                started,
                walk,
            }),
        ) => archived(api, selection, full, started, walk),
    }
}

fn members(
    api: &Api<'_>,
    selection: &Selection,
    full: bool,
    started: i64,
    from: i64,
    walk: Walk,
) -> Result<Page, Fault> {
    let (changes, rest) = step(api, selection, None, walk)?;
    let next = match rest {
        Some(walk) => Place::Members {
            full,
            started,
            from,
            walk,
        },
        None => Place::Archived {
            full,
            started,
            walk: Walk::from(Some(from)),
        },
    };
    Ok(Page {
        changes,
        next: Some(cursor::write(&next)?),
        more: true,
        complete: false,
    })
}

fn archived(
    api: &Api<'_>,
    selection: &Selection,
    full: bool,
    started: i64,
    walk: Walk,
) -> Result<Page, Fault> {
    let (changes, rest) = step(api, selection, Some("archived"), walk)?;
    let more = rest.is_some();
    let next = match rest {
        Some(walk) => Place::Archived {
            full,
            started,
            walk,
        },
        None => Place::Rest {
            since: started - OVERLAP,
        },
    };
    Ok(Page {
        changes,
        next: Some(cursor::write(&next)?),
        more,
        complete: full && !more,
    })
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    members: Vec<&'a RawValue>,
    total_items: u64,
}

/// One request, and where to go on; `None` at the end.
fn step(
    api: &Api<'_>,
    selection: &Selection,
    status: Option<&str>,
    walk: Walk,
) -> Result<(Vec<Change>, Option<Walk>), Fault> {
    // The page begins with the last member of the one before.
    let skip = u64::from(walk.last.is_some());
    let count = (u64::from(selection.page_size.max(1)) + skip).min(MAX_COUNT);
    let offset = walk.offset - skip;
    let response = api.get(
        &api.list_path("/members"),
        &query(status, walk.since, offset, count),
    )?;
    let answer: Answer<'_> = response.json()?;
    let read: Vec<_> = answer
        .members
        .iter()
        .map(|piece| members::read(piece))
        .collect();
    if let Some(last) = &walk.last {
        let first = read.first().map(|member| match member {
            Ok(member) => Some(member.id.as_str()),
            Err(malformed) => malformed.id.as_deref(),
        });
        if first.flatten() != Some(&last.id) {
            return Ok((Vec::new(), Some(Walk::from(Some(last.changed - STEP_BACK)))));
        }
    }

    let reached = offset + read.len() as u64;
    // A last member that cannot be read marks no place; the next page is then
    // taken unchecked.
    let last = read.last().and_then(|member| {
        let member = member.as_ref().ok()?;
        Some(Seen {
            id: member.id.clone(),
            changed: member.changed_at()?.div_euclid(SECOND),
        })
    });
    let ended = reached >= answer.total_items || read.len() as u64 <= skip;
    let changes: Vec<Change> = read
        .into_iter()
        .skip(usize::from(skip > 0))
        .map(|member| match member {
            Ok(member) => member.change(),
            Err(malformed) => Change::Malformed(malformed),
        })
        .collect();
    let rest = (!ended).then_some(Walk {
        since: walk.since,
        offset: reached,
        last,
    });
    Ok((changes, rest))
}

fn query(
    status: Option<&str>,
    since: Option<i64>,
    offset: u64,
    count: u64,
) -> Vec<(&'static str, String)> {
    let mut fields: Vec<String> = FIELDS.iter().map(|f| format!("members.{f}")).collect();
    fields.push("total_items".into());
    let mut query = vec![
        ("count", count.to_string()),
        ("offset", offset.to_string()),
        ("sort_field", "last_changed".to_owned()),
        ("sort_dir", "ASC".to_owned()),
        ("fields", fields.join(",")),
    ];
    query.extend(status.map(|status| ("status", status.to_owned())));
    query.extend(since.map(|since| ("since_last_changed", iso_8601(since))));
    query
}

/// As in Mailchimp's own examples, with an offset instead of Z.
fn iso_8601(seconds: i64) -> String {
    time::format(seconds * SECOND).replace('Z', "+00:00")
}
