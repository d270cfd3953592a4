//! Writing.  Every write is conditional: a create on there being nothing, an
//! update and a delete on the version that was read.

use std::collections::BTreeMap;

use concord_sdk::prelude::*;
use sha2::{Digest, Sha256};

use crate::book::Book;
use crate::card::{Card, Version};
use crate::dav::Resource;
use crate::edit::apply;
use crate::line::{Line, escape};
use crate::pull::{parse, record};

pub fn push(host: &dyn Host, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
    let book = Book::open(host)?;
    let targets: Vec<String> = ops
        .iter()
        .filter_map(|op| op.target().map(str::to_owned))
        .collect();
    let mut current = BTreeMap::new();
    if !targets.is_empty() {
        for found in book.cards(&targets)? {
            current.insert(found.id, found.answer);
        }
    }
    let one = |op: &Op| -> Result<Applied, Fault> {
        let Some(id) = op.target() else {
            return create(&book, op);
        };
        let resource = match current.get(id) {
            Some(Ok(resource)) if resource.status.is_none() => resource,
            Some(Err((reason, _))) => return Err(unreadable(reason)),
            _ => {
                return Err(Fault::NotFound(format!(
                    "there is no card '{id}' in the address book"
                )));
            }
        };
        match &op.action {
            Action::Delete(_) => delete(&book, id, op, resource),
            _ => update(&book, id, op, resource),
        }
    };
    Ok(ops.iter().map(|op| one(op).into()).collect())
}

fn unreadable(reason: &str) -> Fault {
    Fault::invalid(
        "",
        format!("the card on the server cannot be edited: {reason}"),
    )
}

fn etag(resource: &Resource) -> Result<&str, Fault> {
    let missing = || Fault::bug(format!("the server gives no ETag for '{}'", resource.href));
    resource.etag.as_deref().ok_or_else(missing)
}

/// The card as it is now, for the hub to look at before it plans anew.
fn conflict(id: &str, resource: &Resource) -> Fault {
    let card = parse(resource).ok();
    let record = card.and_then(|card| record(id, resource, &card, &[]).ok());
    Fault::VersionConflict(record)
}

fn moved_on(book: &Book<'_>, id: &str) -> Fault {
    match book.card(id) {
        Ok(Some(resource)) => conflict(id, &resource),
        Ok(None) => Fault::NotFound(format!("card '{id}' is not there any more")),
        Err(_) => Fault::VersionConflict(None),
    }
}

fn is_outdated(op: &Op, etag: &str) -> bool {
    op.base_version.as_deref().is_some_and(|base| base != etag)
}

fn update(book: &Book<'_>, id: &str, op: &Op, resource: &Resource) -> Result<Applied, Fault> {
    let etag = etag(resource)?;
    if is_outdated(op, etag) {
        return Err(conflict(id, resource));
    }
    let mut card = parse(resource).map_err(|e| unreadable(&e.0))?;
    let before = card.text();
    apply(&mut card, &op.fields()?).map_err(Fault::Invalid)?;
    if card.text() == before {
        return Ok(Applied {
            id: id.to_owned(),
            version: Some(etag.to_owned()),
            stored: None,
        });
    }
    match book.put(id, ("if-match", etag), card.text()) {
        Ok(response) => Ok(written(book, id, &card, &response)),
        Err(Fault::VersionConflict(_)) => Err(moved_on(book, id)),
        Err(fault) => Err(fault),
    }
}

fn delete(book: &Book<'_>, id: &str, op: &Op, resource: &Resource) -> Result<Applied, Fault> {
    let etag = etag(resource)?;
    if is_outdated(op, etag) {
        return Err(conflict(id, resource));
    }
    match book.delete(id, etag) {
        Ok(()) => Ok(Applied {
            id: id.to_owned(),
            version: None,
            stored: None,
        }),
        Err(Fault::VersionConflict(_)) => Err(moved_on(book, id)),
        Err(fault) => Err(fault),
    }
}

/// The name of the card follows from the intent, so that the same create sent
/// again meets its own card.
fn create(book: &Book<'_>, op: &Op) -> Result<Applied, Fault> {
    let fields = op.fields()?;
    let key = key(&op.intent, &fields);
    let id = format!("{key}.vcf");
    let mut card = Card {
        // RFC 6352 §5.1: the version that every server takes.
        version: Version::V3,
        lines: vec![Line::new("UID", &escape(&key))],
    };
    let mut fields = fields;
    // RFC 2426 §3.1.2 wants an N in every card.
    fields.entry("n").or_insert(Value::Null);
    apply(&mut card, &fields).map_err(Fault::Invalid)?;
    let refused = match book.put(&id, ("if-none-match", "*"), card.text()) {
        Ok(response) => return Ok(written(book, &id, &card, &response)),
        Err(fault @ (Fault::VersionConflict(_) | Fault::Invalid(_))) => fault,
        Err(fault) => return Err(fault),
    };
    // Either this create has been carried out before, or the card is wrong.
    let place = match book.card(&id)? {
        Some(_) => Some(id),
        // A client may have moved it to another name.
        None => book.query("UID", &key)?.into_iter().next(),
    };
    match place {
        Some(id) => Ok(read_back(book, &id, &card)),
        None => Err(refused),
    }
}

/// An intent's number may come again in another installation, its number with
/// the same content only for the same person.
fn key(intent: &str, fields: &Fields) -> String {
    let mut hash = Sha256::new();
    hash.update(b"concord create\0");
    hash.update(intent.as_bytes());
    hash.update([0]);
    hash.update(Value::Object(fields.clone()).to_string().as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // RFC 9562 §5.8: a UUID of the writer's own making.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

/// RFC 6352 §6.3.2.3: a server that stores another card than was sent gives no
/// strong ETag.
fn written(book: &Book<'_>, id: &str, card: &Card, response: &Response) -> Applied {
    match response.header("etag") {
        Some(etag) if !etag.starts_with("W/") => Applied {
            id: id.to_owned(),
            version: Some(etag.to_owned()),
            stored: None,
        },
        _ => read_back(book, id, card),
    }
}

/// The version of a write whose answer named none.  A card that differs from
/// the one that was written may be a person's by now, so its version is not
/// called that of the write; the hub then finds out.
fn read_back(book: &Book<'_>, id: &str, card: &Card) -> Applied {
    let nothing_known = Applied {
        id: id.to_owned(),
        version: None,
        stored: None,
    };
    let Ok(Some(resource)) = book.card(id) else {
        return nothing_known;
    };
    match parse(&resource) {
        Ok(stored) if stored.fields() == card.fields() => Applied {
            version: resource.etag.clone(),
            stored: record(id, &resource, &stored, &[]).ok(),
            ..nothing_known
        },
        _ => nothing_known,
    }
}
