//! Records that could not be absorbed, and references that wait for a record.

use concord_core::ports::StoreError;
use concord_core::state::{Quarantined, Waiting};
use concord_core::{Changeset, ConnectionId, RemoteId, StreamName, TenantId};

use super::{RECORD, RECORD_TYPES, last_of_each, once, push_record, tenant_only};
use crate::document;
use crate::row::Reader;
use crate::statement::{Batch, Params, Statement, Table, Type};

pub(crate) const QUARANTINED: Table = Table {
    name: "quarantined",
    key: &["connection", "stream", "remote_id", "digest"],
    rest: &["reason", "raw", "seen_at"],
};

pub(crate) const WAITING: Table = Table {
    name: "waiting",
    key: &[
        "connection",
        "stream",
        "remote_id",
        "field",
        "wants_stream",
        "wants_id",
    ],
    rest: &[],
};

static QUARANTINE: Batch = Batch::insert(|| QUARANTINED.upsert());
static WELL_AGAIN: Batch = Batch::compare(1, || QUARANTINED.delete_among(RECORD, RECORD_TYPES));
static WAIT: Batch = Batch::insert(|| WAITING.insert_new());
static STOP_WAITING: Batch = Batch::compare(1, || WAITING.delete_among(RECORD, RECORD_TYPES));
static WAIT_FOR: Batch = Batch::compare(3, || {
    WAITING.select_among(
        " AND connection = $2 AND wants_stream = $3",
        "wants_id",
        &[Type::Text],
    )
});

pub(crate) fn write(
    tenant: TenantId,
    changes: &Changeset,
    out: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let tenant = tenant_only(tenant);
    out.extend(WELL_AGAIN.statements(&tenant, &changes.quarantine_cleared, push_record)?);
    let quarantined = last_of_each(&changes.quarantined, |record| {
        (
            record.connection,
            &record.stream,
            &record.remote_id,
            nameless_digest(record),
        )
    });
    out.extend(QUARANTINE.statements(&tenant, &quarantined, |record, row| {
        row.int(record.connection.0);
        row.name(record.stream.shared());
        row.name(record.remote_id.shared());
        row.text(nameless_digest(record));
        row.text(record.reason.as_str());
        row.text(record.raw.as_str());
        row.int(record.at.0);
        Ok(())
    })?);
    out.extend(STOP_WAITING.statements(&tenant, &changes.waiting_cleared, push_record)?);
    out.extend(WAIT.statements(&tenant, &changes.waiting, |waiting, row| {
        push_record(&waiting.link, row)?;
        row.name(waiting.field.shared());
        row.name(waiting.wants_stream.shared());
        row.name(waiting.wants_id.shared());
        Ok(())
    })?);
    Ok(())
}

/// Two records without an id are two; two states of one record are one.
fn nameless_digest(record: &Quarantined) -> String {
    if record.remote_id.as_str().is_empty() {
        document::digest(&record.raw)
    } else {
        String::new()
    }
}

pub(crate) fn read_quarantined(row: &mut Reader) -> Result<Quarantined, StoreError> {
    let connection = ConnectionId(row.int()?);
    let stream = row.text()?.into();
    let remote_id = row.text()?.into();
    row.skip();
    Ok(Quarantined {
        connection,
        stream,
        remote_id,
        reason: row.text()?,
        raw: row.text()?,
        at: row.time()?,
    })
}

pub(crate) fn read_waiting(row: &mut Reader) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        link: row.record()?,
        field: row.text()?.into(),
        wants_stream: row.text()?.into(),
        wants_id: row.text()?.into(),
    })
}

pub(crate) fn waiting_for(
    tenant: TenantId,
    connection: ConnectionId,
    stream: &StreamName,
    ids: &[RemoteId],
) -> Result<Vec<Statement>, StoreError> {
    let mut before = tenant_only(tenant);
    before.int(connection.0);
    before.text(stream.as_str());
    WAIT_FOR.statements(&before, &once(ids), |id, row| {
        row.text(id.as_str());
        Ok(())
    })
}
