//! Is what a person does at the system seen?

use concord_core::{Absence, Change, RemoteId};

use crate::report::{Checked, Stop, ensure, fail, undeclared};
use crate::suite::{Suite, differing};

/// The numbers where both are numbers, the texts otherwise.
fn newer(new: &str, old: &str) -> bool {
    match (new.parse::<f64>(), old.parse::<f64>()) {
        (Ok(new), Ok(old)) => new > old,
        _ => new > old,
    }
}

/// A person edits a record of their own; returns it with the text now held.
async fn one_edit(suite: &Suite<'_>, id: &RemoteId, word: &str) -> Checked {
    let fields = suite.text(&suite.fresh(word))?;
    suite.bed.edit(id, &fields).await?;
    Ok(suite.bed.settle().await?)
}

pub(super) async fn created(suite: &Suite<'_>) -> Checked {
    let cursor = suite.caught_up().await?;
    let sample = suite.sample()?;
    let id = suite.bed.create(&sample).await?;
    match suite.changes(cursor.as_deref()).await?.of(&id) {
        Some(Change::Upsert(record)) if !record.partial => {
            let other = differing(&sample, &record.fields);
            ensure(other.is_empty(), || other.join("; "))
        }
        // A hint is enough: the hub fetches the record.
        Some(Change::Upsert(_)) => suite.fetch_live(&id).await.map(|_| ()),
        other => fail(format!("the next changes say {other:?} of a new record")),
    }
}

pub(super) async fn edited(suite: &Suite<'_>) -> Checked {
    let id = suite.made().await?;
    let cursor = suite.caught_up().await?;
    let fields = suite.text(&suite.fresh("edited"))?;
    suite.bed.edit(&id, &fields).await?;
    let walk = suite.changes(cursor.as_deref()).await?;
    let Some(Change::Upsert(record)) = walk.of(&id) else {
        return fail(format!(
            "the next changes say {:?} of an edit",
            walk.of(&id)
        ));
    };
    let seen = if record.partial {
        suite.fetch_live(&id).await?
    } else {
        record.clone()
    };
    let other = differing(&fields, &seen.fields);
    ensure(other.is_empty(), || other.join("; "))
}

pub(super) async fn exact_modified(suite: &Suite<'_>) -> Checked {
    if !suite.declared.exact_modified {
        return undeclared("exact-modified");
    }
    let id = suite.made().await?;
    let before = suite.fetch_live(&id).await?.modified_at;
    one_edit(suite, &id, "modified").await?;
    let after = suite.fetch_live(&id).await?.modified_at;
    ensure(before.is_some() && after > before, || {
        format!("modified-at was {before:?} before an edit and is {after:?} after it")
    })
}

pub(super) async fn versions(suite: &Suite<'_>) -> Checked {
    let declared = &suite.declared;
    if !declared.etags && !declared.ordered_versions {
        return undeclared("etags or ordered-versions");
    }
    let id = suite.made().await?;
    let before = suite.fetch_live(&id).await?.version;
    let same = suite.fetch_live(&id).await?.version;
    one_edit(suite, &id, "version").await?;
    let after = suite.fetch_live(&id).await?.version;
    let (Some(before), Some(same), Some(after)) = (before, same, after) else {
        return fail("a record has no version, though the manifest declares versions");
    };
    ensure(before == same, || {
        format!("two reads of one state give '{before}' and '{same}'")
    })?;
    ensure(before != after, || {
        format!("an edit leaves the version at '{before}'")
    })?;
    ensure(!declared.ordered_versions || newer(&after, &before), || {
        format!("an edit moves the version from '{before}' back to '{after}'")
    })
}

pub(super) async fn unicode(suite: &Suite<'_>) -> Checked {
    let id = suite.made().await?;
    let fields = suite.text(UNICODE)?;
    suite.bed.edit(&id, &fields).await?;
    suite.bed.settle().await?;
    let other = differing(&fields, &suite.fetch_live(&id).await?.fields);
    ensure(other.is_empty(), || other.join("; "))
}

/// Letters outside of Latin-1, a combining accent, right-to-left, quotes,
/// markup, and what separates fields in vCards and CSV.
pub(super) const UNICODE: &str = "Zoë \u{141}ukasz 李小龍 e\u{301} עברית \"q\" <b>&amp; a;b,c\\d";

pub(super) async fn deleted(suite: &Suite<'_>) -> Checked {
    let id = suite.made().await?;
    let cursor = suite.caught_up().await?;
    suite.bed.delete(&id).await?;
    let walk = suite.changes(cursor.as_deref()).await?;
    if suite.declared.delete_feed {
        match walk.of(&id) {
            Some(Change::Gone {
                absence: Absence::Hidden,
                ..
            }) => {
                return fail("the delete feed calls a deleted record hidden");
            }
            Some(Change::Gone { .. }) => {}
            other => return fail(format!("the delete feed says {other:?}")),
        }
    }
    ensure(!suite.full().await?.ids().contains(&id), || {
        "a full walk still lists a deleted record".into()
    })?;
    let Change::Gone { absence, .. } = suite.fetch(&id).await? else {
        return fail("a direct read still gives a deleted record");
    };
    // A plain "not found" is 'hidden': whether it means gone stands in the
    // manifest, and the hub concludes it, after a second look.  To call a record
    // gone takes a word of the system.
    let known = absence != Absence::Hidden;
    let declared = &suite.declared;
    ensure(
        !known || declared.delete_feed || declared.soft_delete || declared.not_found_means_gone,
        || format!("nothing declares how deletes are known, but the absence is {absence:?}"),
    )
}

pub(super) async fn merged(suite: &Suite<'_>) -> Checked {
    if !suite.declared.merged_into {
        return undeclared("merged-into");
    }
    let kept = suite.made().await?;
    let lost = suite.made().await?;
    let left = suite.bed.merge(&kept, &lost).await?;
    suite.bed.settle().await?;
    match suite.fetch(&lost).await? {
        Change::Gone {
            absence: Absence::MergedInto(into),
            ..
        } if into == left => Ok(()),
        other => Err(Stop::Failed(format!("a merged record gives {other:?}"))),
    }
}
