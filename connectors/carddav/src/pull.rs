//! Reading pages.  The server gives a whole delta at once, so the cursor keeps
//! what has been listed and not yet read, up to a bound; beyond it the same
//! delta is asked for again and skipped up to where the reading stood.

use concord_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::book::{Book, Delta, Found};
use crate::card::{Card, NotACard};
use crate::dav::Resource;

/// Ids kept in a cursor.
const LISTED_MAX: usize = 2000;
/// Cards in a page, whatever is asked for: photos make cards large.
const PAGE_MAX: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// Everything up to this token has been read.
    Read(String),
    Walking(Walk),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Walk {
    /// It began without a token and lists everything.
    whole: bool,
    /// The token whose delta is being read.
    since: Option<String>,
    /// The token that the delta leads to.
    then: String,
    /// Listed and not yet read; true for those that are gone.
    listed: Vec<(String, bool)>,
    /// The last id of `listed` where the delta goes on beyond it.
    beyond: Option<String>,
    /// The server cut the delta: `then` gives the rest.
    truncated: bool,
}

impl Walk {
    fn start(book: &Book<'_>, since: Option<String>, whole: bool) -> Result<Walk, Fault> {
        let delta = book.delta(since.as_deref())?;
        let mut walk = Walk {
            whole,
            since,
            then: delta.token.clone(),
            listed: Vec::new(),
            beyond: None,
            truncated: delta.truncated,
        };
        walk.take(delta, None);
        Ok(walk)
    }

    fn take(&mut self, delta: Delta, after: Option<&str>) {
        let mut entries = delta.entries;
        entries.retain(|(id, _)| after.is_none_or(|after| id.as_str() > after));
        let cut = entries.len() > LISTED_MAX;
        entries.truncate(LISTED_MAX);
        self.beyond = entries.last().filter(|_| cut).map(|(id, _)| id.clone());
        self.listed = entries;
    }

    /// Lists on until there is something to read or the walk is over.
    fn refill(&mut self, book: &Book<'_>) -> Result<(), Fault> {
        while self.listed.is_empty() {
            if let Some(after) = self.beyond.take() {
                // `then` stays that of the first listing: what changes meanwhile
                // comes with the next delta.
                let delta = book.delta(self.since.as_deref())?;
                self.take(delta, Some(&after));
            } else if self.truncated {
                let whole = self.whole;
                *self = Walk::start(book, Some(self.then.clone()), whole)?;
            } else {
                break;
            }
        }
        Ok(())
    }
}

pub fn pull(host: &dyn Host, selection: &Selection, cursor: Option<&str>) -> Result<Page, Fault> {
    let book = Book::open(host)?;
    let mut walk = match (selection.mode, cursor::read::<Place>(cursor)?) {
        (PullMode::Full, Some(Place::Walking(walk))) if walk.whole => walk,
        (PullMode::Full, _) | (PullMode::Changes, None) => Walk::start(&book, None, true)?,
        (PullMode::Changes, Some(Place::Walking(walk))) => walk,
        (PullMode::Changes, Some(Place::Read(token))) => Walk::start(&book, Some(token), false)?,
    };
    walk.refill(&book)?;
    let size = (selection.page_size.max(1) as usize)
        .min(PAGE_MAX)
        .min(walk.listed.len());
    let entries: Vec<(String, bool)> = walk.listed.drain(..size).collect();
    walk.refill(&book)?;

    let (gone, here): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, gone)| *gone);
    let ids: Vec<String> = here.into_iter().map(|(id, _)| id).collect();
    let mut changes: Vec<Change> = gone
        .into_iter()
        .map(|(id, _)| Change::gone(id, Absence::Tombstone, None))
        .collect();
    changes.extend(read(&book, &ids, &selection.fields)?);

    let more = !walk.listed.is_empty();
    let complete = walk.whole && !more;
    let place = if more {
        Place::Walking(walk)
    } else {
        Place::Read(walk.then)
    };
    Ok(Page {
        changes,
        next: Some(cursor::write(&place)?),
        more,
        complete,
    })
}

/// One change for each id.
pub fn read(book: &Book<'_>, ids: &[String], fields: &[String]) -> Result<Vec<Change>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = book.cards(ids)?;
    ids.iter()
        .map(|id| match found.iter().position(|f| &f.id == id) {
            Some(at) => change(found.swap_remove(at), fields),
            // An answer that leaves a card out says nothing about it.
            None => Ok(Change::gone(id, Absence::Hidden, None)),
        })
        .collect()
}

fn change(found: Found, fields: &[String]) -> Result<Change, Fault> {
    let id = found.id;
    let resource = match found.answer {
        Ok(resource) => resource,
        Err((reason, raw)) => return Ok(Change::Malformed(Malformed::new(Some(id), reason, &raw))),
    };
    match resource.status {
        Some(status @ 500..) => {
            return Err(Fault::transient(format!(
                "the server answers {status} for card '{id}'"
            )));
        }
        // Whether 404 means gone is the manifest's to say.
        Some(_) => return Ok(Change::gone(id, Absence::Hidden, None)),
        None => {}
    }
    match parse(&resource) {
        Ok(card) if card.is_individual() => Ok(record(&id, &resource, &card, fields).into()),
        Ok(_) => Ok(Change::gone(id, Absence::Hidden, None)),
        Err(NotACard(reason)) => {
            let raw = resource.address_data.unwrap_or_default();
            Ok(Change::Malformed(Malformed::new(Some(id), reason, &raw)))
        }
    }
}

pub fn parse(resource: &Resource) -> Result<Card, NotACard> {
    Card::parse(resource.address_data.as_deref().unwrap_or_default())
}

/// `fields` empty asks for all of them.
pub fn record(
    id: &str,
    resource: &Resource,
    card: &Card,
    fields: &[String],
) -> Result<RemoteRecord, Malformed> {
    let mut values = card.fields();
    if !fields.is_empty() {
        values.retain(|name, _| fields.contains(name));
    }
    let record = RemoteRecord::new(id, &values)?;
    Ok(record
        .versioned(resource.etag.clone())
        .modified(resource.modified_at))
}
