//! Tells people of what a hub cannot get over without them: once when it begins,
//! once a day while it lasts, once when it is over.

mod hook;
mod ledger;

use concord_core::Timestamp;
use concord_core::alert::{Alert, AlertKind, Messenger};
use concord_core::ports::{Store, StoreError};

pub use self::hook::Hook;
pub use self::ledger::{Ledger, Trouble};
use crate::documents;
use crate::hub::Hub;
use crate::run::Report;

const DOCUMENT: &str = "alerts";

/// The troubles that are known, those that were told of and those that are too
/// young for that.
pub async fn known(store: &dyn Store) -> Result<Ledger, StoreError> {
    Ok(documents::read(store, DOCUMENT).await?.unwrap_or_default())
}

/// What a run of all connections found.
pub fn troubles(hub: &Hub, report: &Report) -> Vec<Trouble> {
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
            kind: AlertKind::Failing,
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
    found: Vec<Trouble>,
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
