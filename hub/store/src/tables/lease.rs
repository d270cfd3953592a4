//! The right to write, and numbers that are handed out in blocks.

use concord_core::ports::{LeaseHolder, Sequence, StoreError};
use concord_core::{ConnectionId, TenantId, Timestamp};

use super::tenant_only;
use crate::row::Reader;
use crate::statement::{Param, Params, Statement, Table};

/// What a lease is for.
pub(crate) enum What {
    /// To write to this tenant's records.
    Writer,
    /// To ask and write to a connection's system.
    Connection(ConnectionId),
}

/// The columns of an answer about the lease.
pub(crate) const HOLDER: Table = Table {
    name: "leases",
    key: &[],
    rest: &["owner", "lease_until"],
};

/// A compare-and-set on one row.  A new holder gets a new fence; the same owner
/// keeps its own.  No row comes back while another holds it.
pub(crate) fn take(
    tenant: TenantId,
    what: &What,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Statement {
    let mut params = named(tenant, what);
    params.text(owner);
    params.int(until.0);
    params.int(now.0);
    Statement::new(
        "INSERT INTO leases (tenant_id, name, owner, fence, lease_until) \
         VALUES ($1, $2, $3, 1, $4) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET \
         fence = leases.fence + CASE WHEN leases.owner = excluded.owner THEN 0 ELSE 1 END, \
         owner = excluded.owner, lease_until = excluded.lease_until \
         WHERE leases.owner IS NULL OR leases.owner = excluded.owner OR leases.lease_until < $5 \
         RETURNING fence",
        params,
    )
}

pub(crate) fn release(tenant: TenantId, owner: &str) -> Statement {
    let mut params = named(tenant, &What::Writer);
    params.text(owner);
    Statement::new(
        "UPDATE leases SET owner = NULL, lease_until = NULL \
         WHERE tenant_id = $1 AND name = $2 AND owner = $3",
        params,
    )
}

pub(crate) fn holder(tenant: TenantId) -> Statement {
    Statement::new(
        "SELECT owner, lease_until FROM leases \
         WHERE tenant_id = $1 AND name = $2 AND owner IS NOT NULL",
        named(tenant, &What::Writer),
    )
}

/// Answers with a row while the lease with this fence is still the last one.
pub(crate) fn still_held(tenant: TenantId, fence: i64, owner: &str) -> Statement {
    let mut params = named(tenant, &What::Writer);
    params.int(fence);
    params.text(owner);
    Statement::new(
        "SELECT fence FROM leases \
         WHERE tenant_id = $1 AND name = $2 AND fence = $3 AND owner = $4",
        params,
    )
}

pub(crate) fn read_holder(row: &mut Reader) -> Result<LeaseHolder, StoreError> {
    Ok(LeaseHolder {
        owner: row.text()?,
        until: row.time()?,
    })
}

/// Extends a lease of this fence; answers with a row where it is still the last.
pub(crate) fn keep(tenant: TenantId, what: &What, fence: i64, until: Timestamp) -> Statement {
    let mut params = named(tenant, what);
    params.int(fence);
    params.int(until.0);
    Statement::new(
        "UPDATE leases SET lease_until = $4 \
         WHERE tenant_id = $1 AND name = $2 AND fence = $3 AND owner IS NOT NULL RETURNING fence",
        params,
    )
}

/// Ends a lease of this fence.
pub(crate) fn end(tenant: TenantId, what: &What, fence: i64) -> Statement {
    let mut params = named(tenant, what);
    params.int(fence);
    Statement::new(
        "UPDATE leases SET owner = NULL, lease_until = NULL \
         WHERE tenant_id = $1 AND name = $2 AND fence = $3",
        params,
    )
}

fn named(tenant: TenantId, what: &What) -> Vec<Param> {
    let mut params = tenant_only(tenant);
    params.text(match what {
        What::Writer => "writer".to_owned(),
        What::Connection(id) => format!("connection/{}", id.0),
    });
    params
}

/// Who holds a connection now.
pub(crate) fn claimed(tenant: TenantId, now: Timestamp) -> Statement {
    let mut params = tenant_only(tenant);
    params.int(now.0);
    Statement::new(
        "SELECT owner, lease_until FROM leases WHERE tenant_id = $1 \
         AND name LIKE 'connection/%' AND owner IS NOT NULL AND lease_until >= $2",
        params,
    )
}

/// Gives the right to write to nobody for ever, whoever has it now.
pub(crate) fn hand_over(tenant: TenantId, owner: &str) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(owner);
    params.int(i64::MAX);
    Statement::new(
        "INSERT INTO leases (tenant_id, name, owner, fence, lease_until) \
         VALUES ($1, 'writer', $2, 1, $3) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET fence = leases.fence + 1, \
         owner = excluded.owner, lease_until = excluded.lease_until",
        params,
    )
}

/// Answers with the first number after the block.
pub(crate) fn reserve(tenant: TenantId, sequence: &Sequence, count: u32) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(match sequence {
        Sequence::Entity(kind) => format!("entity/{kind}"),
        Sequence::Intent => "intent".to_owned(),
        Sequence::Conflict => "conflict".to_owned(),
        Sequence::Review => "review".to_owned(),
        Sequence::Event => "event".to_owned(),
        Sequence::Run => "run".to_owned(),
        Sequence::Connection => "connection".to_owned(),
    });
    params.int(i64::from(count));
    // The first block begins at 1, so that 0 is never anybody's number.
    Statement::new(
        "INSERT INTO sequences (tenant_id, name, next) VALUES ($1, $2, 1 + $3) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET next = sequences.next + $3 \
         RETURNING next",
        params,
    )
}
