//! Does a walk list every record, once, whatever the size of its pages?

use concord_core::record::PullMode;
use concord_core::{Change, Fault, RemoteId};

use crate::report::{Checked, Stop, ensure, fail};
use crate::suite::{Suite, unexpected};

/// How many pages the walk with small pages is cut into.
const PAGES: usize = 7;

pub(super) async fn lists_everything(suite: &Suite<'_>) -> Checked {
    let before = suite.full().await?;
    ensure(before.complete, || {
        "the last page of a full walk does not say that it is complete".into()
    })?;
    ensure(before.ids().len() == before.live().count(), || {
        "a full walk lists a record twice".into()
    })?;
    // Without a bed that makes records this is all that can be seen.
    let mut made = Vec::new();
    for _ in 0..3 {
        match suite.made().await {
            Ok(id) => made.push(id),
            Err(Stop::NotExercised(_)) => return Ok(()),
            Err(failed) => return Err(failed),
        }
    }
    let after = suite.full().await?;
    let ids = after.ids();
    for id in before.ids().into_iter().chain(&made) {
        ensure(ids.contains(id), || {
            format!("a full walk does not list '{id}'")
        })?;
    }
    Ok(())
}

pub(super) async fn small_pages(suite: &Suite<'_>) -> Checked {
    let whole = suite.full().await?;
    let size = whole.live().count() / PAGES;
    let size = u32::try_from(size).unwrap_or(u32::MAX).max(1);
    let pieces = suite.walk(PullMode::Full, size, None).await?;
    ensure(pieces.complete, || {
        format!("a walk in pages of {size} does not say that it is complete")
    })?;
    ensure(pieces.live().count() == pieces.ids().len(), || {
        format!("pages of {size} overlap")
    })?;
    ensure(pieces.ids() == whole.ids(), || {
        format!(
            "pages of {size} list {} records, larger ones {}",
            pieces.ids().len(),
            whole.ids().len()
        )
    })
}

/// The hub may lose a page after it was read, and asks for it again.
pub(super) async fn repeats(suite: &Suite<'_>) -> Checked {
    let first = page(suite, None).await?;
    if !first.more {
        return Err(Stop::NotExercised(
            "the stream has less than two pages of one record".into(),
        ));
    }
    let ids = |changes: &[Change]| -> Vec<Option<RemoteId>> {
        changes.iter().map(|change| change.id().cloned()).collect()
    };
    let cursor = first.next.as_deref();
    let once = page(suite, cursor).await?;
    let twice = page(suite, cursor).await?;
    ensure(ids(&once.changes) == ids(&twice.changes), || {
        "the same cursor gives two different pages".into()
    })
}

async fn page(suite: &Suite<'_>, cursor: Option<&str>) -> Checked<concord_core::Page> {
    suite
        .page(PullMode::Full, 1, cursor)
        .await
        .map_err(|fault| unexpected("pull", &fault))
}

/// What another connector or an older version wrote is not guessed at.
pub(super) async fn foreign_cursor(suite: &Suite<'_>) -> Checked {
    for cursor in ["{\"of\":\"another connector\"}", "not a cursor"] {
        match suite.page(PullMode::Changes, 10, Some(cursor)).await {
            Err(Fault::CursorExpired(_)) => {}
            Err(fault) => return fail(format!("'{cursor}' gives another fault: {fault}")),
            Ok(_) => return fail(format!("'{cursor}' was accepted")),
        }
    }
    Ok(())
}
