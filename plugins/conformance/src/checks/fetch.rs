//! Do direct reads say the same as pages?

use concord_core::record::PullMode;
use concord_core::{Change, RemoteId};

use crate::Unable;
use crate::report::{Checked, Stop, ensure, fail};
use crate::suite::{Suite, differing, unexpected};

/// How many records are compared.
const COMPARED: usize = 5;

/// Some records to read; made by a person where there are none.
async fn some(suite: &Suite<'_>) -> Checked<Vec<RemoteId>> {
    if suite.full().await?.live().next().is_none() {
        suite.made().await?;
    }
    Ok(suite
        .full()
        .await?
        .live()
        .take(COMPARED)
        .map(|record| record.id.clone())
        .collect())
}

pub(super) async fn agrees_with_pull(suite: &Suite<'_>) -> Checked {
    let ids = some(suite).await?;
    let walk = suite.walk(PullMode::Full, 100, None).await?;
    for id in &ids {
        let Some(pulled) = walk.live().find(|record| record.id == *id) else {
            return fail(format!("two full walks do not agree on '{id}'"));
        };
        // A partial payload is a hint: nothing is said of what it lacks.
        if pulled.partial {
            continue;
        }
        let fetched = suite.fetch_live(id).await?;
        ensure(!fetched.partial, || {
            format!("fetch of '{id}' gives a partial record")
        })?;
        let other = differing(&pulled.fields, &fetched.fields);
        ensure(other.is_empty(), || {
            format!("'{id}', pull against fetch: {}", other.join("; "))
        })?;
        ensure(pulled.version == fetched.version, || {
            format!(
                "'{id}' has version {:?} in a page and {:?} in a direct read",
                pulled.version, fetched.version
            )
        })?;
    }
    Ok(())
}

pub(super) async fn every_id(suite: &Suite<'_>) -> Checked {
    let mut ids = some(suite).await?;
    ids.truncate(usize::try_from(suite.declared.fetch_max).unwrap_or(usize::MAX));
    let changes = suite
        .bed
        .connector()
        .fetch(&suite.bed.stream(), &ids, &suite.fields)
        .await
        .map_err(|fault| unexpected("fetch", &fault))?;
    for id in &ids {
        let answers = changes.iter().filter(|c| c.id() == Some(id)).count();
        ensure(answers == 1, || {
            format!("'{id}' was asked for once and answered {answers} times")
        })?;
    }
    ensure(changes.len() == ids.len(), || {
        format!(
            "{} ids were asked for and {} answered",
            ids.len(),
            changes.len()
        )
    })
}

pub(super) async fn unknown_id(suite: &Suite<'_>) -> Checked {
    let Some(id) = suite.bed.unknown_id() else {
        return Err(Stop::from(Unable::Lacks("an id that no record ever had")));
    };
    match suite.fetch(&id).await? {
        Change::Gone { .. } => Ok(()),
        other => fail(format!("an id that no record ever had gives {other:?}")),
    }
}
