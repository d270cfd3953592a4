//! Webhooks that wait until their records were read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_core::ports::StoreError;
use concord_core::webhook::{Backlog, Delivery};
use concord_core::{ConnectionId, TenantId};

use super::tenant_only;
use crate::row::Reader;
use crate::statement::{Batch, Params, Statement, Table, Type};

pub(crate) const DELIVERIES: Table = Table {
    name: "deliveries",
    key: &["connection", "digest"],
    rest: &["times", "arrived_at", "method", "url", "headers", "body"],
};

pub(crate) const BACKLOG: Table = Table {
    name: "deliveries",
    key: &["connection"],
    rest: &["waiting", "since"],
};

static KEEP: Batch = Batch::insert(|| {
    DELIVERIES.insert(
        " ON CONFLICT (tenant_id, connection, digest) \
         DO UPDATE SET times = deliveries.times + excluded.times",
    )
});

static DROP: Batch = Batch::compare(1, || {
    DELIVERIES.delete_among(
        "connection, digest, times",
        &[Type::Int, Type::Text, Type::Int],
    )
});

/// No delivery may be among them twice: PostgreSQL touches no row twice.
pub(crate) fn keep(
    tenant: TenantId,
    deliveries: &[Delivery],
) -> Result<Vec<Statement>, StoreError> {
    KEEP.statements(&tenant_only(tenant), deliveries, |delivery, row| {
        row.int(delivery.connection.0);
        row.text(delivery.digest.as_str());
        row.int(delivery.times);
        row.int(delivery.arrived_at.0);
        row.text(delivery.method.as_str());
        row.text(delivery.url.as_str());
        row.text(headers_text(delivery)?);
        row.text(body_text(&delivery.body));
        Ok(())
    })
}

pub(crate) fn drop(
    tenant: TenantId,
    deliveries: &[Delivery],
) -> Result<Vec<Statement>, StoreError> {
    DROP.statements(&tenant_only(tenant), deliveries, |delivery, row| {
        row.int(delivery.connection.0);
        row.text(delivery.digest.as_str());
        row.int(delivery.times);
        Ok(())
    })
}

pub(crate) fn some(tenant: TenantId, connection: ConnectionId, limit: u32) -> Statement {
    let mut params = tenant_only(tenant);
    params.int(connection.0);
    params.int(i64::from(limit));
    let text = format!(
        "{} AND connection = $2 ORDER BY digest LIMIT $3",
        DELIVERIES.select()
    );
    Statement::new(text, params)
}

pub(crate) fn backlog(tenant: TenantId) -> Statement {
    Statement::new(
        "SELECT connection, COUNT(*) AS waiting, MIN(arrived_at) AS since FROM deliveries \
         WHERE tenant_id = $1 GROUP BY connection ORDER BY connection",
        tenant_only(tenant),
    )
}

pub(crate) fn read(row: &mut Reader) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        connection: ConnectionId(row.int()?),
        digest: row.text()?,
        times: row.int()?,
        arrived_at: row.time()?,
        method: row.text()?,
        url: row.text()?,
        headers: row.document()?,
        body: body_of(&row.text()?).map_err(|problem| row.wrong(problem))?,
    })
}

pub(crate) fn read_backlog(row: &mut Reader) -> Result<Backlog, StoreError> {
    Ok(Backlog {
        connection: ConnectionId(row.int()?),
        waiting: row.int()?,
        since: row.time()?,
    })
}

fn headers_text(delivery: &Delivery) -> Result<String, StoreError> {
    serde_json::to_string(&delivery.headers).map_err(|error| StoreError::Failed(Box::new(error)))
}

/// Most bodies are text, which stays readable.
fn body_text(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) => format!("t{text}"),
        Err(_) => format!("b{}", STANDARD.encode(body)),
    }
}

fn body_of(text: &str) -> Result<Vec<u8>, String> {
    if let Some(text) = text.strip_prefix('t') {
        return Ok(text.as_bytes().to_vec());
    }
    let bytes = text
        .strip_prefix('b')
        .ok_or("it begins with neither t nor b")?;
    STANDARD.decode(bytes).map_err(|error| error.to_string())
}
