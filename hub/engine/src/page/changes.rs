//! What a list of changes says before any of them is taken in.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::RemoteId;
use concord_core::names::LONGEST_KEY;
use concord_core::record::{Absence, Change, RemoteRecord};

/// A record whose id the state cannot hold is the system's fault, and the other
/// records of its page are not kept waiting by it.
pub(super) fn usable(change: Change) -> Change {
    let is_too_long = change.id().is_some_and(RemoteId::is_too_long);
    match change {
        Change::Gone {
            id,
            absence: Absence::MergedInto(into),
            at,
        } if into.is_too_long() => Change::Gone {
            id,
            absence: Absence::Hidden,
            at,
        },
        Change::Upsert(record) if is_too_long => Change::Malformed {
            id: None,
            reason: too_long(&record.id),
            raw: record.id.to_string(),
        },
        Change::Malformed { reason, raw, .. } if is_too_long => Change::Malformed {
            id: None,
            reason,
            raw,
        },
        other => other,
    }
}

pub(crate) fn too_long(id: &RemoteId) -> String {
    let length = id.as_str().len();
    format!("its id has {length} bytes, and more than {LONGEST_KEY} cannot be kept")
}

pub(super) fn is_merge(change: &Change) -> bool {
    matches!(
        change,
        Change::Gone {
            absence: Absence::MergedInto(_),
            ..
        }
    )
}

/// The records that a direct read shows otherwise than a page did that was read
/// just before.
pub(crate) fn contested(listed: &[Change], fetched: &[Change]) -> BTreeSet<RemoteId> {
    let told: Vec<&RemoteRecord> = listed.iter().filter_map(whole).collect();
    let read = fetched.iter().filter_map(whole).filter(|read| {
        let mut copies = told.iter().filter(|copy| copy.id == read.id);
        copies.any(|copy| copy.fields != read.fields)
    });
    read.map(|record| record.id.clone()).collect()
}

fn whole(change: &Change) -> Option<&RemoteRecord> {
    match change {
        Change::Upsert(record) if !record.partial => Some(record),
        _ => None,
    }
}

/// Changes by id, so that a record that a page names twice is seen.
pub(crate) fn repeated(changes: &[Change]) -> Vec<RemoteId> {
    let mut seen: BTreeMap<&RemoteId, u32> = BTreeMap::new();
    for id in changes.iter().filter_map(Change::id) {
        *seen.entry(id).or_default() += 1;
    }
    seen.into_iter()
        .filter(|(_, times)| *times > 1)
        .map(|(id, _)| id.clone())
        .collect()
}
