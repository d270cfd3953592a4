//! Canonical records, and the keys by which they are matched.

use concord_core::changeset::MatchKey;
use concord_core::ports::StoreError;
use concord_core::state::{Entity, EntityState};
use concord_core::{Changeset, EntityId, Kind, TenantId};

use super::{last_of_each, once, push_entity, tenant_only};
use crate::cells;
use crate::row::Reader;
use crate::statement::{Batch, Param, Params, Parts, Row, Statement, Table, Type};

pub(crate) const ENTITIES: Table = Table {
    name: "entities",
    key: &["kind", "number"],
    rest: &["merged_into", "state", "dirty", "cells"],
};

pub(crate) const KEYS: Table = Table {
    name: "match_keys",
    key: &["kind", "match_key", "entity"],
    rest: &[],
};

static UPSERT: Batch = Batch::insert(|| ENTITIES.upsert());
static BY_ID: Batch = Batch::compare(1, || {
    ENTITIES.select_among("", "kind, number", &[Type::Text, Type::Int])
});
static ADD_KEYS: Batch = Batch::insert(|| KEYS.insert_new());
static REMOVE_KEYS: Batch = Batch::compare(1, || {
    KEYS.delete_among(
        "kind, match_key, entity",
        &[Type::Text, Type::Text, Type::Int],
    )
});
static SETTLE: Batch = Batch::compare(1, || {
    ENTITIES.update_among("dirty = 0", "kind, number", &[Type::Text, Type::Int])
});
static BY_KEY: Batch = Batch::compare(3, by_key_parts);

pub(crate) fn write(
    tenant: TenantId,
    changes: &Changeset,
    out: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let tenant = tenant_only(tenant);
    let entities = last_of_each(&changes.entities, |entity| &entity.id);
    out.extend(UPSERT.statements(&tenant, &entities, |entity, row| {
        let (state, merged_into) = match entity.state {
            EntityState::Unmatched => ("unmatched", None),
            EntityState::Live => ("live", None),
            EntityState::MergedInto(number) => ("merged", Some(number)),
            EntityState::Deleted => ("deleted", None),
        };
        push_entity(&entity.id, row)?;
        row.int(merged_into);
        row.text(state);
        row.truth(entity.dirty);
        row.text(cells::write(&entity.cells)?);
        Ok(())
    })?);
    let settled = once(&changes.entities_settled);
    out.extend(SETTLE.statements(&tenant, &settled, |id, row| push_entity(id, row))?);
    let removed = REMOVE_KEYS.statements(&tenant, &changes.keys_removed, push_key)?;
    let added = ADD_KEYS.statements(&tenant, &changes.keys_added, push_key)?;
    out.extend(removed.into_iter().chain(added));
    Ok(())
}

fn push_key(key: &MatchKey, row: &mut Vec<Param>) -> Result<(), StoreError> {
    row.name(key.kind.shared());
    row.text(key.key.as_str());
    row.int(key.entity);
    Ok(())
}

pub(crate) fn read(row: &mut Reader) -> Result<Entity, StoreError> {
    let id = row.entity()?;
    let merged_into = row.optional_int()?;
    let state = row.text()?;
    let state = match (state.as_str(), merged_into) {
        ("unmatched", _) => EntityState::Unmatched,
        ("live", _) => EntityState::Live,
        ("merged", Some(number)) => EntityState::MergedInto(number),
        ("deleted", _) => EntityState::Deleted,
        _ => return Err(row.wrong(format!("'{state}' is not a state of an entity"))),
    };
    let dirty = row.truth()?;
    let cells = cells::read(row.document()?);
    Ok(Entity {
        id,
        state,
        cells,
        dirty,
    })
}

pub(crate) fn read_key(row: &mut Reader) -> Result<MatchKey, StoreError> {
    Ok(MatchKey {
        kind: row.text()?.into(),
        key: row.text()?,
        entity: row.int()?,
    })
}

pub(crate) fn by_id(tenant: TenantId, ids: &[EntityId]) -> Result<Vec<Statement>, StoreError> {
    super::of_entities(&BY_ID, tenant, ids)
}

/// A key that half the town holds costs no more to look up than a rare one: of
/// each key the first `$3` rows are read, and none behind them.
fn by_key_parts() -> Parts {
    let mine = "tenant_id = $1 AND kind = $2 AND match_key = wanted";
    let order = "ORDER BY kind, match_key, entity";
    let head =
        "SELECT kind, match_key, entity FROM (SELECT DISTINCT column1 AS wanted FROM (VALUES ";
    Parts {
        head: head.to_owned(),
        row: Row::Typed(&[Type::Text]),
        tail: format!(
            ")) AS given CROSS JOIN match_keys WHERE {mine} AND entity < coalesce((SELECT more.entity \
             FROM match_keys AS more WHERE more.tenant_id = $1 AND more.kind = $2 AND \
             more.match_key = wanted ORDER BY more.entity LIMIT 1 OFFSET $3), \
             9223372036854775807) {order}"
        ),
        on_server: Some((
            head.to_owned(),
            format!(
                ") AS given) AS given CROSS JOIN LATERAL (SELECT kind, match_key, entity FROM \
                 match_keys WHERE {mine} ORDER BY entity LIMIT $3) AS found {order}"
            ),
        )),
    }
}

pub(crate) fn by_key(
    tenant: TenantId,
    kind: &Kind,
    keys: &[String],
    most: u32,
) -> Result<Vec<Statement>, StoreError> {
    let mut before = tenant_only(tenant);
    before.text(kind.as_str());
    before.int(i64::from(most));
    BY_KEY.statements(&before, &once(keys), |key, row| {
        row.text(key.as_str());
        Ok(())
    })
}

/// Entities of a kind after a number, in order.
pub(crate) fn scan(
    tenant: TenantId,
    kind: &Kind,
    after: i64,
    limit: u32,
    which: Scan,
) -> Statement {
    // The conditions are literals, so that a partial index is found.
    let which = match which {
        Scan::Present => "state IN ('unmatched', 'live')",
        Scan::Dirty => "state = 'live' AND dirty = 1",
    };
    let mut params = tenant_only(tenant);
    params.text(kind.as_str());
    params.int(after);
    params.int(i64::from(limit));
    Statement::new(
        format!(
            "{} AND kind = $2 AND {which} AND number > $3 ORDER BY number LIMIT $4",
            ENTITIES.select()
        ),
        params,
    )
}

#[derive(Clone, Copy)]
pub(crate) enum Scan {
    Present,
    Dirty,
}

pub(crate) fn mark_dirty(tenant: TenantId, kind: &Kind) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(kind.as_str());
    Statement::new(
        "UPDATE entities SET dirty = 1 \
         WHERE tenant_id = $1 AND kind = $2 AND state IN ('unmatched', 'live') AND dirty = 0",
        params,
    )
}
