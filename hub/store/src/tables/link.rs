//! Ties between remote records and entities.

use concord_core::ports::StoreError;
use concord_core::state::{Link, LinkKey, LinkState};
use concord_core::{
    Changeset, ConnectionId, EntityId, Kind, RemoteId, StreamName, TenantId, Timestamp,
};

use super::{
    ENTITY, ENTITY_TYPES, RECORD, RECORD_TYPES, last_of_each, once, push_entity, push_record,
    tenant_only,
};
use crate::document::{self, Word};
use crate::row::Reader;
use crate::statement::{Batch, Param, Params, Statement, Table, Type};

pub(crate) const LINKS: Table = Table {
    name: "links",
    key: &["connection", "stream", "remote_id"],
    rest: &[
        "kind",
        "entity",
        "state",
        "walk",
        "again_at",
        "missing_since",
        "version",
        "modified_at",
        "read_at",
        "written_at",
        "mapping",
        "first_contact",
        "refused",
        "raw",
        "sent",
        "unread",
    ],
};

/// A record and whose it is.
pub(crate) const RECORDS: Table = Table {
    name: "links",
    key: &["connection", "stream", "remote_id"],
    rest: &["kind", "entity"],
};

static UPSERT: Batch = Batch::insert(|| LINKS.upsert());
static REMOVE: Batch = Batch::compare(1, || LINKS.delete_among(RECORD, RECORD_TYPES));
static BY_ID: Batch = Batch::compare(3, || {
    LINKS.select_among(
        " AND connection = $2 AND stream = $3",
        "remote_id",
        &[Type::Text],
    )
});
static BY_ENTITY: Batch = Batch::compare(1, || LINKS.select_among("", ENTITY, ENTITY_TYPES));

pub(crate) fn write(
    tenant: TenantId,
    changes: &Changeset,
    out: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let tenant = tenant_only(tenant);
    // Removed first: a record that moved to a new id and back is still there.
    out.extend(REMOVE.statements(&tenant, &changes.links_removed, push_record)?);
    let links = last_of_each(&changes.links, |link| &link.key);
    out.extend(UPSERT.statements(&tenant, &links, |link, row| {
        push_record(&link.key, row)?;
        push_entity(&link.entity, row)?;
        row.text(link.state.word());
        row.int(link.walk);
        row.int(link.again_at.map(|time| time.0));
        row.int(link.missing_since.map(|time| time.0));
        row.optional_text(link.version.clone());
        row.int(link.modified_at.map(|time| time.0));
        row.int(link.read_at.0);
        row.int(link.written_at.map(|time| time.0));
        row.text(link.mapping.as_str());
        row.text(document::write(&link.first_contact)?);
        row.text(document::write(&link.refused)?);
        row.text(document::write(&link.raw)?);
        row.text(document::write(&link.sent)?);
        // Nearly every link has none.
        row.optional_text(match link.unread.is_empty() {
            true => None,
            false => Some(document::write(&link.unread)?),
        });
        Ok(())
    })?);
    Ok(())
}

pub(crate) fn read(row: &mut Reader) -> Result<Link, StoreError> {
    let key = row.record()?;
    let entity = row.entity()?;
    Ok(Link {
        key,
        entity,
        state: row.word()?,
        walk: row.int()?,
        again_at: row.optional_time()?,
        missing_since: row.optional_time()?,
        version: row.optional_text()?,
        modified_at: row.optional_time()?,
        read_at: row.time()?,
        written_at: row.optional_time()?,
        mapping: row.text()?,
        first_contact: row.document()?,
        refused: row.document()?,
        raw: row.document()?,
        sent: row.document()?,
        unread: row.optional_document()?.unwrap_or_default(),
    })
}

pub(crate) fn read_record(row: &mut Reader) -> Result<(LinkKey, EntityId), StoreError> {
    Ok((row.record()?, row.entity()?))
}

pub(crate) fn by_id(
    tenant: TenantId,
    connection: ConnectionId,
    stream: &StreamName,
    ids: &[RemoteId],
) -> Result<Vec<Statement>, StoreError> {
    let before = of_stream(tenant, connection, stream);
    BY_ID.statements(&before, &once(ids), |id, row| {
        row.text(id.as_str());
        Ok(())
    })
}

pub(crate) fn of_entities(
    tenant: TenantId,
    entities: &[EntityId],
) -> Result<Vec<Statement>, StoreError> {
    super::of_entities(&BY_ENTITY, tenant, entities)
}

/// Links of a stream after a remote id, in order.  Those that a walk did not
/// list are found by reading the stream's keys in order too: the walk of every
/// link changes with every walk, so an index on it would double that work for
/// the sake of one read at its end.
pub(crate) fn scan(
    tenant: TenantId,
    connection: ConnectionId,
    stream: &StreamName,
    unseen_in: Option<i64>,
    after: Option<&RemoteId>,
    limit: u32,
) -> Statement {
    scan_of(&LINKS, tenant, connection, stream, unseen_in, after, limit)
}

/// The same without what only few of those who ask want to see.
pub(crate) fn scan_records(
    tenant: TenantId,
    connection: ConnectionId,
    stream: &StreamName,
    after: Option<&RemoteId>,
    limit: u32,
) -> Statement {
    scan_of(&RECORDS, tenant, connection, stream, None, after, limit)
}

fn scan_of(
    table: &Table,
    tenant: TenantId,
    connection: ConnectionId,
    stream: &StreamName,
    unseen_in: Option<i64>,
    after: Option<&RemoteId>,
    limit: u32,
) -> Statement {
    let mut text = format!("{} AND connection = $2 AND stream = $3", table.select());
    let mut params = of_stream(tenant, connection, stream);
    if let Some(walk) = unseen_in {
        params.int(walk);
        text.push_str(&format!(
            " AND walk < ${} AND state IN ('live', 'hidden')",
            params.len()
        ));
    }
    if let Some(after) = after {
        params.text(after.as_str());
        text.push_str(&format!(" AND remote_id > ${}", params.len()));
    }
    params.int(i64::from(limit));
    text.push_str(&format!(" ORDER BY remote_id LIMIT ${}", params.len()));
    Statement::new(text, params)
}

/// The records of unmatched entities.  Both databases begin with those, of which
/// there is an index: the words CROSS JOIN say so to SQLite, and PostgreSQL is led
/// from row to row as by [`Table::select_among`].
pub(crate) fn unmatched(tenant: TenantId, kind: &Kind, limit: u32) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(kind.as_str());
    params.int(i64::from(limit));
    Statement::on_each(
        "SELECT l.connection, l.stream, l.remote_id, l.kind, l.entity \
         FROM entities AS e CROSS JOIN links AS l \
         WHERE e.tenant_id = $1 AND e.kind = $2 AND e.state = 'unmatched' \
         AND l.tenant_id = e.tenant_id AND l.kind = e.kind AND l.entity = e.number LIMIT $3",
        "SELECT l.connection, l.stream, l.remote_id, l.kind, l.entity FROM (SELECT number \
         FROM entities WHERE tenant_id = $1 AND kind = $2 AND state = 'unmatched' OFFSET 0) AS e \
         CROSS JOIN LATERAL (SELECT connection, stream, remote_id, kind, entity \
         FROM links WHERE tenant_id = $1 AND kind = $2 AND entity = e.number OFFSET 0) AS l \
         LIMIT $3",
        params,
    )
}

/// There is no index on the state: a person asks this, now and then.
pub(crate) fn in_state(tenant: TenantId, state: LinkState) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(state.word());
    Statement::new(
        format!("{} AND state = $2 ORDER BY {RECORD}", LINKS.select()),
        params,
    )
}

pub(crate) fn due(
    tenant: TenantId,
    connection: ConnectionId,
    stream: &StreamName,
    now: Timestamp,
    limit: u32,
) -> Statement {
    let mut params = of_stream(tenant, connection, stream);
    params.int(now.0);
    params.int(i64::from(limit));
    Statement::new(
        format!(
            "{} AND connection = $2 AND stream = $3 AND again_at IS NOT NULL \
             AND again_at <= $4 ORDER BY again_at, remote_id LIMIT $5",
            LINKS.select()
        ),
        params,
    )
}

pub(crate) fn next_due(tenant: TenantId, connection: ConnectionId) -> Statement {
    let mut params = tenant_only(tenant);
    params.int(connection.0);
    Statement::new(
        "SELECT MIN(again_at) FROM links \
         WHERE tenant_id = $1 AND connection = $2 AND again_at IS NOT NULL",
        params,
    )
}

fn of_stream(tenant: TenantId, connection: ConnectionId, stream: &StreamName) -> Vec<Param> {
    let mut params = tenant_only(tenant);
    params.int(connection.0);
    params.text(stream.as_str());
    params
}
