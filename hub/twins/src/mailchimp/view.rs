//! What the list endpoints see: members in the order of joining and in the
//! order of their last change, so that a page of a large audience is cheap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::member::{Member, Seconds, Status};

/// Two orders over one set of members.
#[derive(Debug, Default)]
struct Index {
    joined: BTreeSet<u64>,
    changed: BTreeSet<(Seconds, u64)>,
}

impl Index {
    fn add(&mut self, member: &Member) {
        self.joined.insert(member.web_id);
        self.changed.insert((member.last_changed, member.web_id));
    }

    fn drop(&mut self, member: &Member) {
        self.joined.remove(&member.web_id);
        self.changed.remove(&(member.last_changed, member.web_id));
    }
}

/// One change on its way to the list endpoints.
#[derive(Debug)]
pub enum Change {
    Put(Arc<Member>),
    Gone(u64),
}

#[derive(Debug, Default)]
pub struct View {
    members: BTreeMap<u64, Arc<Member>>,
    /// Everybody but the archived, who are listed only when asked for.
    current: Index,
    by_status: BTreeMap<Status, Index>,
}

/// Which members a list request is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub status: Option<Status>,
    /// Changed after this second, and not in it.
    pub since_changed: Option<Seconds>,
    pub before_changed: Option<Seconds>,
    pub since_opt: Option<Seconds>,
    pub before_opt: Option<Seconds>,
    pub order: Order,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Unsaid,
    LastChanged,
    TimestampOpt,
    TimestampSignup,
}

impl View {
    pub fn apply(&mut self, change: Change) {
        let (web_id, next) = match change {
            Change::Put(member) => (member.web_id, Some(member)),
            Change::Gone(web_id) => (web_id, None),
        };
        if let Some(old) = self.members.remove(&web_id) {
            self.current.drop(&old);
            self.by_status.entry(old.status).or_default().drop(&old);
        }
        if let Some(new) = next {
            if new.status != Status::Archived {
                self.current.add(&new);
            }
            self.by_status.entry(new.status).or_default().add(&new);
            self.members.insert(web_id, new);
        }
    }

    pub fn count(&self, status: Status) -> usize {
        self.by_status
            .get(&status)
            .map_or(0, |index| index.joined.len())
    }

    /// One page, and how many members the filter lets through in all.
    pub fn page(&self, filter: &Filter, offset: usize, count: usize) -> (Vec<Arc<Member>>, usize) {
        let empty = Index::default();
        let index = match filter.status {
            None => &self.current,
            Some(status) => self.by_status.get(&status).unwrap_or(&empty),
        };
        let by_consent = filter.since_opt.is_some() || filter.before_opt.is_some();
        let bounded = filter.since_changed.is_some() || filter.before_changed.is_some();
        match filter.order {
            Order::Unsaid if !bounded && !by_consent => {
                let total = index.joined.len();
                let ids = index.joined.iter().copied();
                (self.slice(ids, filter.descending, offset, count), total)
            }
            Order::Unsaid | Order::LastChanged if !by_consent => {
                let range = changed_between(index, filter);
                let total = if bounded {
                    range.clone().count()
                } else {
                    index.changed.len()
                };
                (
                    self.slice(range.map(|(_, id)| *id), filter.descending, offset, count),
                    total,
                )
            }
            _ => {
                let mut found: Vec<&Arc<Member>> = changed_between(index, filter)
                    .filter_map(|(_, id)| self.members.get(id))
                    .filter(|m| filter.since_opt.is_none_or(|s| m.timestamp_opt > Some(s)))
                    .filter(|m| {
                        filter
                            .before_opt
                            .is_none_or(|s| m.timestamp_opt.is_some_and(|t| t < s))
                    })
                    .collect();
                match filter.order {
                    Order::TimestampSignup => found.sort_by_key(|m| (m.timestamp_signup, m.web_id)),
                    Order::TimestampOpt => found.sort_by_key(|m| (m.timestamp_opt, m.web_id)),
                    Order::Unsaid | Order::LastChanged => {}
                }
                if filter.descending {
                    found.reverse();
                }
                let total = found.len();
                (
                    found
                        .into_iter()
                        .skip(offset)
                        .take(count)
                        .cloned()
                        .collect(),
                    total,
                )
            }
        }
    }

    fn slice(
        &self,
        ids: impl DoubleEndedIterator<Item = u64>,
        descending: bool,
        offset: usize,
        count: usize,
    ) -> Vec<Arc<Member>> {
        let members = |id: u64| self.members.get(&id).cloned();
        if descending {
            ids.rev()
                .skip(offset)
                .take(count)
                .filter_map(members)
                .collect()
        } else {
            ids.skip(offset).take(count).filter_map(members).collect()
        }
    }
}

/// "Changed after" and "changed before" leave out the named second itself.
fn changed_between<'a>(
    index: &'a Index,
    filter: &Filter,
) -> impl DoubleEndedIterator<Item = &'a (Seconds, u64)> + Clone + use<'a> {
    let from = filter
        .since_changed
        .map_or((Seconds::MIN, 0), |s| (s.saturating_add(1), 0));
    let to = filter
        .before_changed
        .map_or((Seconds::MAX, u64::MAX), |s| (s, 0));
    // A range that ends before it starts would panic.
    index.changed.range(from..to.max(from))
}
