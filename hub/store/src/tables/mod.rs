//! One file per table or pair of tables: its columns, how a value becomes a row
//! and a row a value, and the statements that are asked of it.

pub(crate) mod allowance;
pub(crate) mod conflict;
pub(crate) mod delivery;
pub(crate) mod entity;
pub(crate) mod event;
pub(crate) mod intent;
pub(crate) mod lease;
pub(crate) mod link;
#[cfg(test)]
mod plans;
pub(crate) mod review;
pub(crate) mod secret;
pub(crate) mod setup;
pub(crate) mod waiting;

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;

use concord_core::ports::StoreError;
use concord_core::state::LinkKey;
use concord_core::{Changeset, EntityId, TenantId};

use crate::statement::{Batch, Param, Params, Statement, Table, Type};

/// The statements of a changeset, in the order in which they run.  What is
/// removed goes before what is added, table by table.
pub(crate) fn write(tenant: TenantId, changes: &Changeset) -> Result<Vec<Statement>, StoreError> {
    let mut statements = Vec::new();
    entity::write(tenant, changes, &mut statements)?;
    link::write(tenant, changes, &mut statements)?;
    intent::write(tenant, changes, &mut statements)?;
    conflict::write(tenant, changes, &mut statements)?;
    review::write(tenant, changes, &mut statements)?;
    event::write(tenant, changes, &mut statements)?;
    waiting::write(tenant, changes, &mut statements)?;
    setup::write(tenant, changes, &mut statements)?;
    Ok(statements)
}

/// An answer of one number.
pub(crate) const NUMBER: Table = Table {
    name: "answer",
    key: &[],
    rest: &["number"],
};

/// All rows of a table in the order of their keys.
pub(crate) fn all(table: &Table, tenant: TenantId, limit: u32) -> Statement {
    let mut params = tenant_only(tenant);
    params.int(i64::from(limit));
    Statement::new(
        format!(
            "{} ORDER BY {} LIMIT $2",
            table.select(),
            table.key.join(", ")
        ),
        params,
    )
}

/// The columns by which a remote record is found, and their types.
const RECORD: &str = "connection, stream, remote_id";
const RECORD_TYPES: &[Type] = &[Type::Int, Type::Text, Type::Text];

/// The parameters of a statement that begins with the tenant alone.
fn tenant_only(tenant: TenantId) -> Vec<Param> {
    vec![Param::Int(Some(tenant.0))]
}

fn push_record(link: &LinkKey, row: &mut Vec<Param>) -> Result<(), StoreError> {
    row.int(link.connection.0);
    row.name(link.stream.shared());
    row.name(link.remote_id.shared());
    Ok(())
}

/// The columns by which an entity is found from another table, and their types.
const ENTITY: &str = "kind, entity";
const ENTITY_TYPES: &[Type] = &[Type::Text, Type::Int];

fn push_entity(id: &EntityId, row: &mut Vec<Param>) -> Result<(), StoreError> {
    row.name(id.kind.shared());
    row.int(id.number);
    Ok(())
}

/// Rows of these entities, by a batch whose row is an entity.
fn of_entities(
    batch: &'static Batch,
    tenant: TenantId,
    entities: &[EntityId],
) -> Result<Vec<Statement>, StoreError> {
    batch.statements(&tenant_only(tenant), &once(entities), |id, row| {
        push_entity(id, row)
    })
}

/// Each value once.  A page may name a record twice, and an answer that spans
/// several statements must not give it twice.
fn once<T: Ord>(values: &[T]) -> Vec<&T> {
    values.iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The last row of each key, in order.  PostgreSQL refuses a statement that
/// writes one row twice, and the last word is what the caller means.
fn last_of_each<'a, T, K: Hash + Eq>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut kept: Vec<&T> = rows
        .iter()
        .rev()
        .filter(|row| seen.insert(key(row)))
        .collect();
    kept.reverse();
    kept
}
