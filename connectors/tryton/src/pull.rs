//! Reading pages: by id, and for changes only those whose dates are new.

use concord_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::invoice;
use crate::party::{self, Party};
use crate::rpc::Rpc;
use crate::value::moment;

/// A row carries the time when its transaction began and is seen when it ends:
/// the next walk looks back this far.  What took longer is found by a full walk.
const OVERLAP: i64 = 60 * 1_000_000;
const PAGE_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Parties,
    Invoices,
}

impl Stream {
    pub fn named(name: &str) -> Result<Self, Fault> {
        match name {
            party::STREAM => Ok(Stream::Parties),
            invoice::STREAM => Ok(Stream::Invoices),
            other => Err(Fault::unknown_stream(other)),
        }
    }

    fn model(self) -> &'static str {
        match self {
            Stream::Parties => party::MODEL,
            Stream::Invoices => invoice::MODEL,
        }
    }

    fn read_fields(self, asked: &[String]) -> Vec<String> {
        match self {
            Stream::Parties => party::read_fields(asked),
            Stream::Invoices => invoice::read_fields(asked),
        }
    }

    fn scope(self) -> Option<Value> {
        match self {
            Stream::Parties => None,
            Stream::Invoices => Some(invoice::domain()),
        }
    }

    /// `write_date` is null until the first change, so creation counts as well;
    /// and a change of an address does not touch its party.
    fn changed_since(self, from: i64) -> Value {
        let of: &[&str] = match self {
            Stream::Parties => &["", "addresses.", "contact_mechanisms."],
            Stream::Invoices => &[""],
        };
        let mut clauses = vec![json!("OR")];
        for prefix in of {
            for date in ["write_date", "create_date"] {
                clauses.push(json!([format!("{prefix}{date}"), ">=", moment(from)]));
            }
        }
        Value::Array(clauses)
    }

    fn change(self, row: Fields, asked: &[String]) -> Change {
        match self {
            Stream::Invoices => invoice::record(&row, asked).into(),
            Stream::Parties => {
                let raw = Value::Object(row.clone());
                match Party::new(row) {
                    Some(party) => party.change(asked),
                    None => Change::Malformed(Malformed::new(
                        None,
                        "the party has no id",
                        &raw.to_string(),
                    )),
                }
            }
        }
    }
}

/// Microseconds are the server's clock, never the hub's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// What changed from this moment on has not been read.
    From(i64),
    Walking {
        /// None on a walk through everything.
        from: Option<i64>,
        /// Where the next walk begins.
        then: i64,
        /// The last id that was read.
        after: i64,
    },
}

pub fn pull(
    host: &dyn Host,
    stream: Stream,
    selection: &Selection,
    cursor: Option<&str>,
) -> Result<Page, Fault> {
    let (from, then, after) = match (selection.mode, cursor::read::<Place>(cursor)?) {
        (
            PullMode::Full,
            Some(Place::Walking {
                from: None,
                then,
                after,
            }),
        ) => (None, Some(then), after),
        (PullMode::Full, _) | (PullMode::Changes, None) => (None, None, 0),
        (PullMode::Changes, Some(Place::From(from))) => (Some(from), None, 0),
        (PullMode::Changes, Some(Place::Walking { from, then, after })) => {
            (from, Some(then), after)
        }
    };
    let rpc = Rpc::open(host)?;
    let mut domain = vec![json!(["id", ">", after])];
    domain.extend(stream.scope());
    domain.extend(from.map(|from| stream.changed_since(from)));

    let size = (selection.page_size.max(1) as usize).min(PAGE_MAX);
    let fields = stream.read_fields(&selection.fields);
    // One more than asked for shows whether there is more.
    let (mut rows, at) = rpc.search(stream.model(), Value::Array(domain), size + 1, &fields)?;
    let then = then.unwrap_or(at - OVERLAP);
    let more = rows.len() > size;
    rows.truncate(size);
    let last = rows
        .last()
        .and_then(|row| row.get("id"))
        .and_then(Value::as_i64);
    let place = match (more, last) {
        (true, Some(after)) => Place::Walking { from, then, after },
        (true, None) => return Err(Fault::bug("the last row of the page has no id")),
        (false, _) => Place::From(then),
    };
    Ok(Page {
        changes: rows
            .into_iter()
            .map(|row| stream.change(row, &selection.fields))
            .collect(),
        next: Some(cursor::write(&place)?),
        more,
        complete: from.is_none() && !more,
    })
}

pub fn fetch(
    host: &dyn Host,
    stream: Stream,
    ids: &[String],
    asked: &[String],
) -> Result<Vec<Change>, Fault> {
    let rpc = Rpc::open(host)?;
    let numbers: Vec<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let mut domain = vec![json!(["id", "in", numbers])];
    domain.extend(stream.scope());
    let fields = stream.read_fields(asked);
    let (rows, _) = rpc.search(
        stream.model(),
        Value::Array(domain),
        numbers.len().max(1),
        &fields,
    )?;
    let mut changes: Vec<Change> = Vec::with_capacity(ids.len());
    let mut seen = Vec::with_capacity(rows.len());
    for row in rows {
        seen.extend(
            row.get("id")
                .and_then(Value::as_i64)
                .map(|id| id.to_string()),
        );
        changes.push(stream.change(row, asked));
    }
    // A rule may hide a record from this user: what is not found may well exist.
    let missing = ids.iter().filter(|id| !seen.contains(id));
    changes.extend(missing.map(|id| Change::gone(id, Absence::Hidden, None)));
    Ok(changes)
}
