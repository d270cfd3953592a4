//! What an admin set up and how far it ran: connections, streams, runs and
//! named documents.

use concord_core::ports::StoreError;
use concord_core::state::{ConnectionRow, RunRow, StreamState};
use concord_core::{Changeset, ConnectionId, RunId, TenantId};

use super::{last_of_each, tenant_only};
use crate::document;
use crate::row::Reader;
use crate::statement::{Batch, Params, Statement, Table, Type};

pub(crate) const STREAMS: Table = Table {
    name: "streams",
    key: &["connection", "stream"],
    rest: &[
        "cursor",
        "walk",
        "walking",
        "first_complete_at",
        "last_full_at",
    ],
};

pub(crate) const CONNECTIONS: Table = Table {
    name: "connections",
    key: &["id"],
    rest: &[
        "name",
        "connector",
        "config",
        "approved_at",
        "held",
        "removed",
    ],
};

pub(crate) const RUNS: Table = Table {
    name: "runs",
    key: &["id"],
    rest: &["started_at", "ended_at", "summary"],
};

pub(crate) const DOCUMENTS: Table = Table {
    name: "documents",
    key: &["name"],
    rest: &["body"],
};

static PUT_STREAMS: Batch = Batch::insert(|| STREAMS.upsert());
static PUT_CONNECTIONS: Batch = Batch::insert(|| CONNECTIONS.upsert());
static PUT_RUNS: Batch = Batch::insert(|| RUNS.upsert());
static PUT_DOCUMENTS: Batch = Batch::insert(|| DOCUMENTS.upsert());
static REMOVE_RUNS: Batch = Batch::compare(1, || RUNS.delete_among("id", &[Type::Int]));

pub(crate) fn write(
    tenant: TenantId,
    changes: &Changeset,
    out: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let tenant = tenant_only(tenant);
    let streams = last_of_each(&changes.streams, |state| (state.connection, &state.stream));
    out.extend(PUT_STREAMS.statements(&tenant, &streams, |state, row| {
        row.int(state.connection.0);
        row.name(state.stream.shared());
        row.optional_text(state.cursor.clone());
        row.int(state.walk);
        row.truth(state.walking);
        row.int(state.first_complete_at.map(|time| time.0));
        row.int(state.last_full_at.map(|time| time.0));
        Ok(())
    })?);
    let connections = last_of_each(&changes.connections, |connection| connection.id);
    out.extend(
        PUT_CONNECTIONS.statements(&tenant, &connections, |connection, row| {
            row.int(connection.id.0);
            row.text(connection.name.as_str());
            row.text(connection.connector.as_str());
            row.text(document::write(&connection.config)?);
            row.int(connection.approved_at.map(|time| time.0));
            row.optional_text(connection.held.clone());
            row.truth(connection.removed);
            Ok(())
        })?,
    );
    let gone = &changes.runs_removed;
    out.extend(REMOVE_RUNS.statements(&tenant, gone, |id, row| {
        row.int(id.0);
        Ok(())
    })?);
    let runs = last_of_each(&changes.runs, |run| run.id);
    out.extend(PUT_RUNS.statements(&tenant, &runs, |run, row| {
        row.int(run.id.0);
        row.int(run.started_at.0);
        row.int(run.ended_at.map(|time| time.0));
        row.text(document::write(&run.summary)?);
        Ok(())
    })?);
    Ok(())
}

pub(crate) fn read_stream(row: &mut Reader) -> Result<StreamState, StoreError> {
    Ok(StreamState {
        connection: ConnectionId(row.int()?),
        stream: row.text()?.into(),
        cursor: row.optional_text()?,
        walk: row.int()?,
        walking: row.truth()?,
        first_complete_at: row.optional_time()?,
        last_full_at: row.optional_time()?,
    })
}

pub(crate) fn read_connection(row: &mut Reader) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        id: ConnectionId(row.int()?),
        name: row.text()?,
        connector: row.text()?,
        config: row.document()?,
        approved_at: row.optional_time()?,
        held: row.optional_text()?,
        removed: row.truth()?,
    })
}

pub(crate) fn read_run(row: &mut Reader) -> Result<RunRow, StoreError> {
    Ok(RunRow {
        id: RunId(row.int()?),
        started_at: row.time()?,
        ended_at: row.optional_time()?,
        summary: row.document()?,
    })
}

pub(crate) fn read_document(row: &mut Reader) -> Result<String, StoreError> {
    row.skip();
    row.text()
}

pub(crate) fn connections(tenant: TenantId) -> Statement {
    Statement::new(
        format!("{} ORDER BY id", CONNECTIONS.select()),
        tenant_only(tenant),
    )
}

pub(crate) fn streams(tenant: TenantId, connection: ConnectionId) -> Statement {
    let mut params = tenant_only(tenant);
    params.int(connection.0);
    Statement::new(
        format!("{} AND connection = $2 ORDER BY stream", STREAMS.select()),
        params,
    )
}

/// The latest runs, the last one first.
pub(crate) fn runs(tenant: TenantId, limit: u32) -> Statement {
    let mut params = tenant_only(tenant);
    params.int(i64::from(limit));
    Statement::new(
        format!("{} ORDER BY id DESC LIMIT $2", RUNS.select()),
        params,
    )
}

/// In order of their numbers.
pub(crate) fn scan_runs(tenant: TenantId, after: RunId, limit: u32) -> Statement {
    let mut params = tenant_only(tenant);
    params.int(after.0);
    params.int(i64::from(limit));
    Statement::new(
        format!("{} AND id > $2 ORDER BY id LIMIT $3", RUNS.select()),
        params,
    )
}

pub(crate) fn document(tenant: TenantId, name: &str) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(name);
    Statement::new(format!("{} AND name = $2", DOCUMENTS.select()), params)
}

pub(crate) fn set_document(
    tenant: TenantId,
    name: &str,
    body: &str,
) -> Result<Vec<Statement>, StoreError> {
    PUT_DOCUMENTS.statements(
        &tenant_only(tenant),
        &[(name, body)],
        |(name, body), row| {
            row.text(*name);
            row.text(*body);
            Ok(())
        },
    )
}
