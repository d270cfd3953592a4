//! Records of which a person says which entity they are.

use concord_core::ports::StoreError;
use concord_core::state::{LinkKey, Review};
use concord_core::{Changeset, TenantId};

use super::{RECORD, RECORD_TYPES, last_of_each, once, push_record, tenant_only};
use crate::document;
use crate::row::Reader;
use crate::statement::{Batch, Params, Parts, Row, Statement, Table, Type};

pub(crate) const REVIEWS: Table = Table {
    name: "reviews",
    key: &["connection", "stream", "remote_id"],
    rest: &[
        "id",
        "kind",
        "candidates",
        "reason",
        "canonical",
        "asked_at",
        "verdict",
    ],
};

// One review per record.  An open one keeps its number, which a person may
// have on the screen; a decided one gives way to the new question.
static ASK: Batch = Batch::insert(|| {
    REVIEWS.insert(
        " ON CONFLICT (tenant_id, connection, stream, remote_id) DO UPDATE SET \
         id = CASE WHEN reviews.verdict IS NULL THEN reviews.id ELSE excluded.id END, \
         kind = excluded.kind, candidates = excluded.candidates, reason = excluded.reason, \
         canonical = excluded.canonical, asked_at = excluded.asked_at, verdict = excluded.verdict",
    )
});
static DECIDE: Batch = Batch::compare(1, || Parts {
    head: "WITH decided (id, verdict) AS (VALUES ".to_owned(),
    row: Row::Typed(&[Type::Int, Type::Text]),
    tail: ") UPDATE reviews SET verdict = decided.verdict \
           FROM decided WHERE reviews.tenant_id = $1 AND reviews.id = decided.id"
        .to_owned(),
    on_server: None,
});
static OF_RECORDS: Batch = Batch::compare(1, || REVIEWS.select_among("", RECORD, RECORD_TYPES));

pub(crate) fn write(
    tenant: TenantId,
    changes: &Changeset,
    out: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let tenant = tenant_only(tenant);
    let asked = last_of_each(&changes.reviews, |review| &review.link);
    out.extend(ASK.statements(&tenant, &asked, |review, row| {
        push_record(&review.link, row)?;
        row.int(review.id);
        row.name(review.kind.shared());
        row.text(document::write(&review.candidates)?);
        row.text(review.reason.as_str());
        row.text(document::write(&review.values)?);
        row.int(review.at.0);
        row.optional_text(document::write_optional(review.verdict.as_ref())?);
        Ok(())
    })?);
    let decided = last_of_each(&changes.reviews_decided, |review| review.id);
    out.extend(DECIDE.statements(&tenant, &decided, |review, row| {
        row.int(review.id);
        row.optional_text(document::write_optional(review.verdict.as_ref())?);
        Ok(())
    })?);
    Ok(())
}

pub(crate) fn read(row: &mut Reader) -> Result<Review, StoreError> {
    let link = row.record()?;
    Ok(Review {
        link,
        id: row.int()?,
        kind: row.text()?.into(),
        candidates: row.document()?,
        reason: row.text()?,
        values: row.document()?,
        at: row.time()?,
        verdict: row.optional_document()?,
    })
}

pub(crate) fn select(tenant: TenantId, open_only: bool, limit: u32) -> Statement {
    let open = if open_only {
        " AND verdict IS NULL"
    } else {
        ""
    };
    let mut params = tenant_only(tenant);
    params.int(i64::from(limit));
    Statement::new(
        format!("{}{open} ORDER BY id LIMIT $2", REVIEWS.select()),
        params,
    )
}

pub(crate) fn of_records(
    tenant: TenantId,
    links: &[LinkKey],
) -> Result<Vec<Statement>, StoreError> {
    OF_RECORDS.statements(&tenant_only(tenant), &once(links), |link, row| {
        push_record(link, row)
    })
}
