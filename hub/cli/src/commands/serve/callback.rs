//! Browsers that come back from a vendor's page to the hub that serves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, bail};
use concord_core::ConnectionId;
use concord_core::ports::Store as _;
use concord_core::secret::KeptSecret as _;
use concord_engine::oauth::{Begun, PENDING, Pending, SignIn, Stage};
use concord_server::callback::Arrival;
use concord_store::SqlStore;
use tokio::sync::mpsc::Receiver;

use crate::commands::connection::signed::{self, Signed};
use crate::invocation::Invocation;

/// What a browser is told that belongs to no sign-in, whoever sends it.
const UNKNOWN: &str = "this sign-in is over, or is not known here: begin another with \
                       `concord connection login`";

/// Meets one after the other, for as long as somebody polls it.
pub(super) async fn meet(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    mut arrivals: Receiver<Arrival>,
) -> Infallible {
    while let Some(arrival) = arrivals.recv().await {
        let found = match find(cli, store, &arrival.query).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                tracing::warn!("a browser came back that belongs to no sign-in");
                arrival.refuse(UNKNOWN);
                continue;
            }
            Err(error) => {
                tracing::error!("a browser came back that could not be met: {error:#}");
                arrival.refuse("the hub cannot look for this sign-in: its log says why");
                continue;
            }
        };
        let name = found.name.clone();
        match finish(cli, store, found, &arrival.query).await {
            Ok(()) => {
                tracing::info!("'{name}' is signed in");
                arrival.accept(format!("'{name}' is signed in. This page can be closed."));
            }
            Err(error) => {
                tracing::warn!("'{name}' is not signed in: {error:#}");
                arrival.refuse(format!("'{name}' is not signed in: {error:#}"));
            }
        }
    }
    std::future::pending().await
}

/// The sign-in that a browser belongs to.
struct Found {
    name: String,
    pending: Pending,
    revision: i64,
    begun: Begun,
}

async fn find(
    cli: &Invocation,
    store: &SqlStore,
    query: &BTreeMap<String, String>,
) -> Result<Option<Found>> {
    let vault = cli.vault(store).await?;
    for row in vault.rows().iter().filter(|row| row.name == PENDING) {
        let Some(pending) = Pending::parse(&vault.open_row(row)?) else {
            continue;
        };
        if pending.is_for(query)
            && let Some(begun) = pending.begun(cli.clock.now())
            && let Some(name) = name_of(store, row.connection).await?
        {
            return Ok(Some(Found {
                name,
                pending,
                revision: row.revision,
                begun,
            }));
        }
    }
    Ok(None)
}

async fn name_of(store: &SqlStore, connection: ConnectionId) -> Result<Option<String>> {
    let rows = store.connections().await?;
    let row = rows.into_iter().find(|row| row.id == connection);
    Ok(row.filter(|row| !row.removed).map(|row| row.name))
}

/// Takes the code, which is good for once, and writes down what came of it for the
/// command that waits.
async fn finish(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    found: Found,
    query: &BTreeMap<String, String>,
) -> Result<()> {
    let signed = signed::look(cli, store, &found.name).await?;
    let kept = signed.pending(cli, store);
    let taken = found.pending.at(Stage::Taken).text();
    if !kept.replace(found.revision, &taken).await? {
        bail!(UNKNOWN);
    }
    let result = signed_in(cli, store, &signed, found.begun, query).await;
    let stage = match &result {
        Ok(()) => Stage::Through,
        Err(error) => Stage::Failed {
            why: format!("{error:#}"),
        },
    };
    let text = found.pending.at(stage).text();
    // Where the command is gone, nobody reads it.
    let noted = kept.replace(found.revision + 1, &text).await;
    if let Err(error) = noted {
        tracing::warn!("the command that waits is not told: {error}");
    }
    result
}

async fn signed_in(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    signed: &Signed,
    begun: Begun,
    query: &BTreeMap<String, String>,
) -> Result<()> {
    let sign_in = SignIn::new(signed.app()?, signed.transport()?, Arc::clone(&cli.clock))?;
    let grant = sign_in.finish(begun, query).await?;
    signed.keep(cli, store, grant).await?;
    Ok(())
}
