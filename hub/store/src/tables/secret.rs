//! Sealed secrets, each changed by compare-and-set on its revision.

use concord_core::ports::StoreError;
use concord_core::secret::SealedSecret;
use concord_core::{ConnectionId, TenantId};

use super::tenant_only;
use crate::row::Reader;
use crate::statement::{Param, Params, Statement, Table};

pub(crate) const SECRETS: Table = Table {
    name: "secrets",
    key: &["connection", "name"],
    rest: &["key_id", "sealed", "changed_at", "revision"],
};

pub(crate) fn all(tenant: TenantId) -> Statement {
    let text = format!("{} ORDER BY connection, name", SECRETS.select());
    Statement::new(text, tenant_only(tenant))
}

/// Answers with the revision where it was written.  The first one only makes the
/// row: a secret that was dropped meanwhile does not come back.
pub(crate) fn keep(tenant: TenantId, secret: &SealedSecret) -> Statement {
    let mut params = named(tenant, secret.connection, &secret.name);
    params.text(secret.key.as_str());
    params.text(secret.sealed.as_str());
    params.int(secret.changed_at.0);
    params.int(secret.revision);
    let text = if secret.revision == 1 {
        "INSERT INTO secrets (tenant_id, connection, name, key_id, sealed, changed_at, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (tenant_id, connection, name) DO NOTHING RETURNING revision"
    } else {
        "UPDATE secrets SET key_id = $4, sealed = $5, changed_at = $6, revision = $7 \
         WHERE tenant_id = $1 AND connection = $2 AND name = $3 AND revision = $7 - 1 \
         RETURNING revision"
    };
    Statement::new(text, params)
}

/// Answers with the last revision of what was there.
pub(crate) fn remove(tenant: TenantId, connection: ConnectionId, name: &str) -> Statement {
    Statement::new(
        "DELETE FROM secrets WHERE tenant_id = $1 AND connection = $2 AND name = $3 \
         RETURNING revision",
        named(tenant, connection, name),
    )
}

pub(crate) fn read(row: &mut Reader) -> Result<SealedSecret, StoreError> {
    Ok(SealedSecret {
        connection: ConnectionId(row.int()?),
        name: row.text()?,
        key: row.text()?,
        sealed: row.text()?,
        changed_at: row.time()?,
        revision: row.int()?,
    })
}

fn named(tenant: TenantId, connection: ConnectionId, name: &str) -> Vec<Param> {
    let mut params = tenant_only(tenant);
    params.int(connection.0);
    params.text(name);
    params
}
