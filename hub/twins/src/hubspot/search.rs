//! `POST /crm/objects/2026-03/{type}/search`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::{Kind, MODIFIED, OBJECT_ID, Slot};
use super::filter::{Filter, Operand, RawFilter, Test, read};
use super::index::Index;
use super::ranked::{Key, Ranked};
use super::record::{Columns, Record, View};
use super::refusal::Refusal;
use super::store::Objects;
use crate::Response;

/// The limits of the search guide (2026-03).
const LONGEST_BODY: usize = 3_000;
const MOST_RESULTS: usize = 10_000;
const LARGEST_PAGE: usize = 200;
const USUAL_PAGE: usize = 10;
const MOST_GROUPS: usize = 5;
const MOST_FILTERS_IN_GROUP: usize = 6;
const MOST_FILTERS: usize = 18;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    filter_groups: Vec<Group>,
    /// Filters outside a group are one group of their own.
    #[serde(default)]
    filters: Vec<RawFilter>,
    #[serde(default)]
    sorts: Vec<RawSort>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    query: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Group {
    filters: Vec<RawFilter>,
}

/// `{"propertyName": …, "direction": …}`, or the name alone, with a minus sign
/// in front for the other direction, which is what the vendor's clients send.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawSort {
    Name(String),
    #[serde(rename_all = "camelCase")]
    Rule {
        property_name: String,
        #[serde(default)]
        direction: Option<String>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Sort {
    slot: Slot,
    kind: Kind,
    falling: bool,
}

struct Query {
    groups: Vec<Vec<Filter>>,
    sort: Sort,
    after: usize,
    limit: usize,
    words: Vec<String>,
}

/// Runs a search on what the index has seen so far.
pub(crate) fn search(objects: &Objects, body: &[u8]) -> Result<Response, Refusal> {
    // The guide counts characters of the body.
    let characters = String::from_utf8_lossy(body).chars().count();
    if characters > LONGEST_BODY {
        return Err(Refusal::validation(format!(
            "The request is {characters} characters long; a search takes {LONGEST_BODY}"
        )));
    }
    let body: Body = serde_json::from_slice(body)
        .map_err(|problem| Refusal::validation(format!("Invalid input JSON: {problem}")))?;
    let wanted: Vec<String> = body.properties.clone();
    let query = Query::parse(body, objects)?;
    if query.after + query.limit > MOST_RESULTS {
        return Err(Refusal::validation(format!(
            "A search lists at most {MOST_RESULTS} results: after {} and limit {} go beyond",
            query.after, query.limit
        )));
    }
    let (total, page) = query.run(objects);
    let columns = if wanted.is_empty() {
        Columns::new(&objects.catalogue, objects.kind.shown().iter().copied())
    } else {
        Columns::new(&objects.catalogue, wanted.iter().map(String::as_str))
    };
    #[derive(Serialize)]
    struct Answer<'a> {
        total: usize,
        results: Vec<View<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        paging: Option<Value>,
    }
    let next = query.after + page.len();
    let paging =
        (next < total && !page.is_empty()).then(|| json!({"next": {"after": next.to_string()}}));
    let results = page.iter().map(|r| View::plain(r, &columns)).collect();
    Ok(Response::json(
        200,
        &Answer {
            total,
            results,
            paging,
        },
    ))
}

impl Query {
    fn parse(body: Body, objects: &Objects) -> Result<Self, Refusal> {
        let mut raw: Vec<Vec<RawFilter>> =
            body.filter_groups.into_iter().map(|g| g.filters).collect();
        if !body.filters.is_empty() {
            raw.push(body.filters);
        }
        let filters: usize = raw.iter().map(Vec::len).sum();
        let crowded = raw.iter().any(|g| g.len() > MOST_FILTERS_IN_GROUP);
        if raw.len() > MOST_GROUPS || crowded || filters > MOST_FILTERS {
            return Err(Refusal::validation(format!(
                "A search takes {MOST_GROUPS} filter groups with {MOST_FILTERS_IN_GROUP} filters \
                 in each, {MOST_FILTERS} in total"
            )));
        }
        let mut groups = Vec::with_capacity(raw.len());
        for group in raw {
            let filters = group
                .into_iter()
                .map(|filter| Filter::parse(filter, &objects.catalogue));
            groups.push(filters.collect::<Result<Vec<_>, _>>()?);
        }
        let limit = body.limit.unwrap_or(USUAL_PAGE);
        if limit > LARGEST_PAGE {
            return Err(Refusal::validation(format!(
                "The limit {limit} is above {LARGEST_PAGE}, the most that a page of a search holds"
            )));
        }
        Ok(Self {
            groups,
            sort: Sort::parse(body.sorts, objects)?,
            after: offset(&body.after)?,
            limit,
            words: words(body.query.as_deref()),
        })
    }

    /// The total, and the records of the page.
    fn run<'a>(&self, objects: &'a Objects) -> (usize, Vec<&'a Arc<Record>>) {
        let index = &objects.index;
        if self.words.is_empty()
            && let Some((order, spans)) = self.spans(index)
        {
            return self.page_of(index, order, &spans);
        }
        let mut found = self.candidates(index);
        found.retain(|record| self.accepts(objects, record));
        found.sort_by(|a, b| self.sort.compare(a, b));
        let total = found.len();
        let page = found.into_iter().skip(self.after).take(self.limit);
        (total, page.collect())
    }

    fn accepts(&self, objects: &Objects, record: &Record) -> bool {
        let fits = |group: &Vec<Filter>| group.iter().all(|filter| filter.accepts(record));
        (self.groups.is_empty() || self.groups.iter().any(fits)) && self.has_words(objects, record)
    }

    fn has_words(&self, objects: &Objects, record: &Record) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let names = objects.kind.searchable().iter();
        let slots = names.filter_map(|name| objects.catalogue.slot(name));
        let texts: Vec<String> = slots
            .filter_map(|slot| record.stored(slot).map(str::to_lowercase))
            .collect();
        let stands = |word: &String| texts.iter().any(|text| text.contains(word.as_str()));
        self.words.iter().all(stands)
    }

    /// Where every group asks for e-mail addresses, only their records; else all.
    fn candidates<'a>(&self, index: &'a Index) -> Vec<&'a Arc<Record>> {
        let mut found: Vec<&Arc<Record>> = Vec::new();
        for group in &self.groups {
            let wanted = group.iter().find_map(|filter| match &filter.test {
                _ if !index.is_email(filter.slot) => None,
                Test::Is(one) => Some(std::slice::from_ref(one)),
                Test::In(list) => Some(list.as_slice()),
                _ => None,
            });
            let Some(addresses) = wanted else {
                return index.all().collect();
            };
            for address in addresses {
                if let Operand::Text(address) = address {
                    found.extend(index.with_email(address));
                }
            }
        }
        if self.groups.is_empty() {
            return index.all().collect();
        }
        found.sort_by_key(|record| record.id);
        found.dedup_by_key(|record| record.id);
        found
    }

    /// The results as stretches of one of the two kept orders, where the filters
    /// and the sort allow it.  This is what a client that follows changes asks
    /// for, again and again, so it must not cost a walk over all records.
    fn spans<'a>(&self, index: &'a Index) -> Option<(&'a Ranked, Vec<(Key, Key)>)> {
        let order = match self.sort.slot {
            MODIFIED => &index.by_modified,
            OBJECT_ID => &index.by_id,
            _ => return None,
        };
        if self.groups.is_empty() {
            return Some((order, vec![(FIRST, LAST)]));
        }
        let mut spans = Vec::new();
        for group in &self.groups {
            let span = match self.sort.slot {
                MODIFIED => span_by_modified(group)?,
                _ => span_by_id(group)?,
            };
            if span.0 < span.1 {
                spans.push(span);
            }
        }
        spans.sort_unstable();
        let mut apart: Vec<(Key, Key)> = Vec::new();
        for span in spans {
            match apart.last_mut() {
                Some(last) if span.0 <= last.1 => last.1 = last.1.max(span.1),
                _ => apart.push(span),
            }
        }
        Some((order, apart))
    }

    fn page_of<'a>(
        &self,
        index: &'a Index,
        order: &Ranked,
        spans: &[(Key, Key)],
    ) -> (usize, Vec<&'a Arc<Record>>) {
        let ranks: Vec<(usize, usize)> = spans
            .iter()
            .map(|(from, to)| (order.rank(*from), order.rank(*to)))
            .collect();
        let total = ranks.iter().map(|(from, to)| to - from).sum();
        let mut page = Vec::with_capacity(self.limit);
        let mut skip = self.after;
        let stretches: Box<dyn Iterator<Item = &(usize, usize)>> = if self.sort.falling {
            Box::new(ranks.iter().rev())
        } else {
            Box::new(ranks.iter())
        };
        for &(from, to) in stretches {
            let here = (to - from)
                .saturating_sub(skip)
                .min(self.limit - page.len());
            if self.sort.falling {
                let end = to - skip.min(to - from);
                let keys: Vec<Key> = order.starting_at(end - here).take(here).collect();
                page.extend(keys.iter().rev().filter_map(|key| index.get(key.1)));
            } else {
                let start = from + skip.min(to - from);
                let keys = order.starting_at(start).take(here);
                page.extend(keys.filter_map(|key| index.get(key.1)));
            }
            skip = skip.saturating_sub(to - from);
        }
        (total, page)
    }
}

const FIRST: Key = (i64::MIN, 0);
const LAST: Key = (i64::MAX, u64::MAX);

/// The stretch of (modified, id) that a group accepts, from the first key up to,
/// and without, the second; none where it is not one stretch.
fn span_by_modified(group: &[Filter]) -> Option<(Key, Key)> {
    let (moments, ids): (Vec<&Filter>, Vec<&Filter>) =
        group.iter().partition(|filter| filter.slot == MODIFIED);
    let (from, to) = bounds(&moments)?;
    if ids.is_empty() {
        return Some(((from, 0), (to, 0)));
    }
    // Ids lie in one stretch only within a single moment.
    if ids.iter().any(|filter| filter.slot != OBJECT_ID) || to.checked_sub(from) != Some(1) {
        return None;
    }
    let (low, high) = bounds(&ids)?;
    let id = |bound: i64| u64::try_from(bound).unwrap_or(0);
    Some(((from, id(low)), (from, id(high))))
}

fn span_by_id(group: &[Filter]) -> Option<(Key, Key)> {
    let filters: Vec<&Filter> = group.iter().collect();
    if filters.iter().any(|filter| filter.slot != OBJECT_ID) {
        return None;
    }
    let (low, high) = bounds(&filters)?;
    let id = |bound: i64| u64::try_from(bound).unwrap_or(0);
    Some(((0, id(low)), (0, id(high))))
}

/// The whole numbers from the first up to, and without, the second that all of
/// these filters accept.
fn bounds(filters: &[&Filter]) -> Option<(i64, i64)> {
    let (mut from, mut to) = (i64::MIN, i64::MAX);
    for filter in filters {
        let (low, high) = match &filter.test {
            Test::Is(value) => (whole(value)?, whole(value)?.checked_add(1)?),
            Test::More(value) => (whole(value)?.checked_add(1)?, i64::MAX),
            Test::AtLeast(value) => (whole(value)?, i64::MAX),
            Test::Less(value) => (i64::MIN, whole(value)?),
            Test::AtMost(value) => (i64::MIN, whole(value)?.checked_add(1)?),
            Test::Between(low, high) => (whole(low)?, whole(high)?.checked_add(1)?),
            // These two are counted for every record.
            Test::Filled => (i64::MIN, i64::MAX),
            Test::Empty => (0, 0),
            _ => return None,
        };
        from = from.max(low);
        to = to.min(high);
    }
    Some((from, to.max(from)))
}

/// A number without a fraction, within what a float holds exactly.
fn whole(value: &Operand) -> Option<i64> {
    match value {
        Operand::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => Some(*n as i64),
        _ => None,
    }
}

impl Sort {
    /// "Only one sorting rule can be applied to any search": the first.  Without
    /// one, in order of the ids.
    fn parse(sorts: Vec<RawSort>, objects: &Objects) -> Result<Self, Refusal> {
        let (name, falling) = match sorts.into_iter().next() {
            None => ("hs_object_id".to_owned(), false),
            Some(RawSort::Name(name)) => match name.strip_prefix('-') {
                Some(name) => (name.to_owned(), true),
                None => (name, false),
            },
            Some(RawSort::Rule {
                property_name,
                direction,
            }) => (property_name, direction.as_deref() == Some("DESCENDING")),
        };
        let slot = objects.catalogue.slot(&name).ok_or_else(|| {
            Refusal::validation(format!("There is no property {name} to sort by"))
        })?;
        Ok(Self {
            slot,
            kind: objects.catalogue.property(slot).kind,
            falling,
        })
    }

    /// Records without the value come last in both directions; equal ones in
    /// order of their ids, of which HubSpot says nothing.
    fn compare(&self, a: &Record, b: &Record) -> Ordering {
        let key = |record: &Record| -> Option<Operand> {
            let text: Cow<'_, str> = record.get(self.slot)?;
            read(&text, self.kind, true)
        };
        let order = match (key(a), key(b)) {
            (Some(a), Some(b)) => {
                let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
                if self.falling { order.reverse() } else { order }
            }
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        let ids = if self.falling {
            b.id.cmp(&a.id)
        } else {
            a.id.cmp(&b.id)
        };
        order.then(ids)
    }
}

/// "You must format the value in the after parameter as an integer."
fn offset(after: &Value) -> Result<usize, Refusal> {
    let number = match after {
        Value::Null => Some(0),
        Value::String(text) if text.is_empty() => Some(0),
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|n| usize::try_from(n).ok()),
        _ => None,
    };
    number.ok_or_else(|| Refusal::validation(format!("after is {after}, not an integer")))
}

fn words(query: Option<&str>) -> Vec<String> {
    let query = query.unwrap_or_default();
    query.split_whitespace().map(str::to_lowercase).collect()
}
