//! Finds a connector that walks in circles.
//!
//! Calls are stateless for the guest, so only the host can see that a cursor
//! does not advance.  A walk is followed from page to page as long as each call
//! continues the one before; anything else (a repeated page after a failed
//! commit, another window) starts a new one.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use concord_core::{Change, Page, StreamName};

use crate::Limits;

/// The walks of one connection, one per stream.
#[derive(Default)]
pub(crate) struct Walks(Mutex<HashMap<StreamName, Walk>>);

struct Walk {
    /// Where the next call goes on.
    next: String,
    /// Every cursor that this walk has given, by hash.
    given: HashSet<u64>,
    /// The records of its last page that held any, by hash.
    page: Option<u64>,
    /// Empty pages in a row.
    empty: u32,
}

impl Walks {
    /// What is wrong with a page that follows `cursor`, if anything is.
    pub(crate) fn problem(
        &self,
        stream: &StreamName,
        cursor: Option<&str>,
        page: &Page,
        limits: &Limits,
    ) -> Option<String> {
        if page.changes.len() > limits.page_changes {
            return Some(format!(
                "gave a page of {} changes, more than {}",
                page.changes.len(),
                limits.page_changes
            ));
        }
        // Walks are only ever replaced whole, so a poisoned lock holds no
        // half-made one.
        let mut walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let walk = walks
            .remove(stream)
            .filter(|w| Some(w.next.as_str()) == cursor);
        if !page.more {
            return None;
        }
        let Some(next) = &page.next else {
            return Some("promised more without saying where to go on".into());
        };
        if Some(next.as_str()) == cursor {
            return Some("promised more, but its cursor did not advance".into());
        }
        let mut walk = walk.unwrap_or_else(|| Walk {
            next: String::new(),
            given: HashSet::from_iter(cursor.map(hash)),
            page: None,
            empty: 0,
        });
        if !walk.given.insert(hash(next)) {
            return Some("promised more, but came back to a cursor of the same walk".into());
        }
        if page.changes.is_empty() {
            walk.empty += 1;
            if walk.empty > limits.empty_pages {
                return Some(format!(
                    "promised more through {} empty pages in a row",
                    walk.empty
                ));
            }
        } else {
            let records = Some(records_hash(page));
            if walk.page == records {
                return Some("gave the same page twice in a row".into());
            }
            walk.page = records;
            walk.empty = 0;
        }
        walk.next.clone_from(next);
        walks.insert(stream.clone(), walk);
        None
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Which records a page holds and in which state, not their whole content:
/// this is on the way of every record.
fn records_hash(page: &Page) -> u64 {
    let mut hasher = DefaultHasher::new();
    for change in &page.changes {
        change.id().hash(&mut hasher);
        if let Change::Upsert(record) = change {
            record.version.hash(&mut hasher);
            record.modified_at.hash(&mut hasher);
            record.fields.len().hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_core::{Absence, RemoteId};

    fn page(ids: &[&str], next: Option<&str>, more: bool) -> Page {
        Page {
            changes: ids
                .iter()
                .map(|id| Change::Gone {
                    id: RemoteId::new(id),
                    absence: Absence::Tombstone,
                    at: None,
                })
                .collect(),
            next: next.map(str::to_owned),
            more,
            complete: false,
        }
    }

    /// Calls in order, each with its cursor; the last may be refused.
    fn check(calls: &[(Option<&str>, Page)], expected: Option<&str>) {
        let walks = Walks::default();
        let limits = Limits {
            page_changes: 2,
            empty_pages: 2,
            ..Limits::default()
        };
        let (last, before) = calls.split_last().unwrap();
        let stream = StreamName::new("contacts");
        for (cursor, page) in before {
            assert_eq!(walks.problem(&stream, *cursor, page, &limits), None);
        }
        let found = walks.problem(&stream, last.0, &last.1, &limits);
        match expected {
            None => assert_eq!(found, None),
            Some(part) => assert!(found.as_ref().unwrap().contains(part), "{found:?}"),
        }
    }

    #[test]
    fn honest_walks_pass() {
        check(&[(None, page(&["1"], None, false))], None);
        check(
            &[
                (None, page(&["1"], Some("a"), true)),
                (Some("a"), page(&["2"], Some("b"), false)),
                (Some("b"), page(&["2"], Some("b"), false)),
                (Some("b"), page(&["2"], Some("b"), false)),
            ],
            None,
        );
    }

    #[test]
    fn a_page_read_again_after_a_failed_commit_is_no_circle() {
        check(
            &[
                (None, page(&["1"], Some("a"), true)),
                (Some("a"), page(&["2"], Some("b"), true)),
                (Some("a"), page(&["2"], Some("b"), true)),
                (Some("b"), page(&["3"], Some("c"), true)),
            ],
            None,
        );
    }

    #[test]
    fn circles_are_found() {
        check(&[(None, page(&["1"], None, true))], Some("where to go on"));
        check(
            &[(Some("a"), page(&["1"], Some("a"), true))],
            Some("did not advance"),
        );
        check(
            &[
                (None, page(&["1"], Some("a"), true)),
                (Some("a"), page(&["2"], Some("b"), true)),
                (Some("b"), page(&["3"], Some("a"), true)),
            ],
            Some("came back"),
        );
        check(
            &[
                (None, page(&["1"], Some("a"), true)),
                (Some("a"), page(&["1"], Some("b"), true)),
            ],
            Some("the same page twice"),
        );
        check(
            &[
                (None, page(&[], Some("a"), true)),
                (Some("a"), page(&[], Some("b"), true)),
                (Some("b"), page(&[], Some("c"), true)),
            ],
            Some("3 empty pages"),
        );
    }

    #[test]
    fn a_page_has_a_most() {
        check(
            &[(None, page(&["1", "2", "3"], None, false))],
            Some("3 changes"),
        );
    }
}
