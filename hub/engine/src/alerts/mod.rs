//! Tells people of what a hub cannot get over without them: once when it begins,
//! once a day while it lasts, once when it is over.

mod hook;
mod ledger;

use std::collections::BTreeSet;

use concord_core::Timestamp;
use concord_core::alert::{Alert, AlertKind, Messenger};
use concord_core::ports::{Store, StoreError};

pub use self::hook::Hook;
pub use self::ledger::{Ledger, Trouble};
use crate::documents;
use crate::hub::Hub;
use crate::run::{Report, Request};

const DOCUMENT: &str = "alerts";

/// The troubles that are known, those that were told of and those that are too
/// young for that.
pub async fn known(store: &dyn Store) -> Result<Ledger, StoreError> {
    Ok(documents::read(store, DOCUMENT).await?.unwrap_or_default())
}

/// What a run found, and what it did not look at.
#[derive(Debug, Default)]
pub struct Found {
    troubles: Vec<Trouble>,
    /// Of these it is not known whether they are over.
    left: BTreeSet<(AlertKind, String)>,
}

pub fn troubles(hub: &Hub, request: &Request, report: &Report) -> Found {
    let mut left = BTreeSet::new();
    let names = || hub.connections.iter().map(|one| &one.row.name);
    let is_written = names().any(|name| request.writes(name));
    for name in names() {
        if !request.reads(name) {
            left.insert((AlertKind::Failing, name.clone()));
        }
        if !request.writes(name) {
            left.insert((AlertKind::FailingWrites, name.clone()));
        }
        // The guards look at all that is owed, whoever is written to.
        if !is_written {
            left.insert((AlertKind::WaitsForApproval, name.clone()));
        }
    }
    let troubles = all_of(hub, request, report);
    Found { troubles, left }
}

fn all_of(hub: &Hub, request: &Request, report: &Report) -> Vec<Trouble> {
    let held = hub.connections.iter().filter_map(|connection| {
        Some(Trouble {
            kind: AlertKind::Held,
            connection: connection.row.name.clone(),
            says: connection.row.held.clone()?,
            next: "do what it says; the connection goes on with the next sync".into(),
        })
    });
    let guarded = report.guarded.iter().map(|guarded| Trouble {
        kind: AlertKind::WaitsForApproval,
        connection: guarded.connection.clone(),
        says: guarded.tripped.join("; "),
        next: "`concord plan` shows what would be written, `concord sync --approve` writes it"
            .into(),
    });
    let mut found: Vec<Trouble> = held.chain(guarded).collect();
    for (place, stream) in &report.streams {
        let Some(why) = &stream.stopped else { continue };
        let (connection, name) = place.split_once('/').unwrap_or((place, ""));
        // Whoever does not run at all is told of once, and a connection whose
        // streams all stop as well.
        if found.iter().any(|trouble| trouble.connection == connection) {
            continue;
        }
        found.push(Trouble {
            kind: match request.reads(connection) {
                true => AlertKind::Failing,
                false => AlertKind::FailingWrites,
            },
            connection: connection.to_owned(),
            says: format!("{name}: {why}"),
            next: format!("`concord connection check {connection}` says more"),
        });
    }
    found
}

/// Tells whoever is to be told after a run.  What could not be told is told after
/// the next one.
pub async fn tell(
    store: &dyn Store,
    found: Found,
    now: Timestamp,
    messengers: &[Box<dyn Messenger>],
) -> Result<(), StoreError> {
    let before = known(store).await?;
    let mut ledger = before.clone();
    let due = ledger.settle(found, now);
    if !due.is_empty() && send(&due, messengers).await {
        ledger.told(&due, now);
    }
    if ledger != before {
        documents::write(store, DOCUMENT, &ledger).await?;
    }
    Ok(())
}

/// Whether at least one messenger got it through: whoever is told twice because
/// another one failed would soon not listen any more.
async fn send(alerts: &[Alert], messengers: &[Box<dyn Messenger>]) -> bool {
    let mut arrived = false;
    for messenger in messengers {
        match messenger.send(alerts).await {
            Ok(()) => arrived = true,
            Err(error) => tracing::error!("no alert by {}: {error}", messenger.name()),
        }
    }
    arrived
}
