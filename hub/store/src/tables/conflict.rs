//! Conflicts, and the holds that keep a field or an entity from being written.

use concord_core::ports::{ConflictFilter, StoreError};
use concord_core::state::{Conflict, Hold};
use concord_core::{Changeset, EntityId, FieldName, TenantId};

use super::{ENTITY, ENTITY_TYPES, last_of_each, push_entity, push_record, tenant_only};
use crate::document::{self, Word};
use crate::row::Reader;
use crate::statement::{Batch, Params, Parts, Row, Statement, Table, Type};

pub(crate) const CONFLICTS: Table = Table {
    name: "conflicts",
    key: &["id"],
    rest: &[
        "conflict_key",
        "kind",
        "entity",
        "field",
        "connection",
        "stream",
        "remote_id",
        "reason",
        "base",
        "canonical",
        "remote",
        "rule",
        "winner",
        "seen_at",
        "decision",
        "provenance",
    ],
};

pub(crate) const HOLDS: Table = Table {
    name: "holds",
    key: &["kind", "entity", "field"],
    rest: &["reason", "held_at"],
};

static RECORD_ONCE: Batch =
    Batch::insert(|| CONFLICTS.insert(" ON CONFLICT (tenant_id, conflict_key) DO NOTHING"));
static DECIDE: Batch = Batch::compare(1, || Parts {
    head: "WITH decided (id, winner, decision) AS (VALUES ".to_owned(),
    row: Row::Typed(&[Type::Int, Type::Text, Type::Text]),
    tail: ") UPDATE conflicts SET winner = decided.winner, decision = decided.decision \
           FROM decided WHERE conflicts.tenant_id = $1 AND conflicts.id = decided.id"
        .to_owned(),
    on_server: None,
});
static REMOVE: Batch = Batch::compare(1, || CONFLICTS.delete_among("id", &[Type::Int]));
static HOLD: Batch = Batch::insert(|| HOLDS.insert_new());
static CLEAR: Batch = Batch::compare(1, || {
    HOLDS.delete_among("kind, entity, field", &[Type::Text, Type::Int, Type::Text])
});
static HOLDS_OF: Batch = Batch::compare(1, || HOLDS.select_among("", ENTITY, ENTITY_TYPES));

pub(crate) fn write(
    tenant: TenantId,
    changes: &Changeset,
    out: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let tenant = tenant_only(tenant);
    let gone = &changes.conflicts_removed;
    out.extend(REMOVE.statements(&tenant, gone, |id, row| {
        row.int(*id);
        Ok(())
    })?);
    let conflicts: Vec<&Conflict> = changes.conflicts.iter().collect();
    out.extend(
        RECORD_ONCE.statements(&tenant, &conflicts, |conflict, row| {
            row.int(conflict.id);
            row.text(conflict_key(conflict)?);
            push_entity(&conflict.entity, row)?;
            row.name(conflict.field.shared());
            push_record(&conflict.link, row)?;
            row.text(conflict.kind.word());
            row.text(document::write(&conflict.base)?);
            row.text(document::write(&conflict.canonical)?);
            row.text(document::write(&conflict.remote)?);
            row.text(conflict.rule.as_str());
            row.text(conflict.winner.word());
            row.int(conflict.at.0);
            row.optional_text(document::write_optional(conflict.decision.as_ref())?);
            row.optional_text(document::write_optional(conflict.provenance.as_ref())?);
            Ok(())
        })?,
    );
    let decided = last_of_each(&changes.conflicts_decided, |conflict| conflict.id);
    out.extend(DECIDE.statements(&tenant, &decided, |conflict, row| {
        row.int(conflict.id);
        row.text(conflict.winner.word());
        row.optional_text(document::write_optional(conflict.decision.as_ref())?);
        Ok(())
    })?);
    out.extend(
        CLEAR.statements(&tenant, &changes.holds_cleared, |(entity, field), row| {
            push_entity(entity, row)?;
            row.text(field_text(field.as_ref()));
            Ok(())
        })?,
    );
    out.extend(HOLD.statements(&tenant, &changes.holds, |hold, row| {
        push_entity(&hold.entity, row)?;
        row.text(field_text(hold.field.as_ref()));
        row.text(hold.reason.as_str());
        row.int(hold.at.0);
        Ok(())
    })?);
    Ok(())
}

/// What makes two conflicts the same.  A digest, because the values have no
/// bound and an index entry has one.
fn conflict_key(conflict: &Conflict) -> Result<String, StoreError> {
    let text = document::write(&(
        &conflict.entity,
        &conflict.field,
        &conflict.link,
        &conflict.base,
        &conflict.canonical,
        &conflict.remote,
    ))?;
    Ok(document::digest(&text))
}

/// A hold without a field is kept under the empty name, because no column of a
/// primary key may be null.
fn field_text(field: Option<&FieldName>) -> &str {
    field.map_or("", FieldName::as_str)
}

pub(crate) fn read(row: &mut Reader) -> Result<Conflict, StoreError> {
    let id = row.int()?;
    row.skip();
    let entity = row.entity()?;
    let field = row.text()?.into();
    let link = row.record()?;
    Ok(Conflict {
        id,
        entity,
        field,
        link,
        kind: row.word()?,
        base: row.document()?,
        canonical: row.document()?,
        remote: row.document()?,
        rule: row.text()?,
        winner: row.word()?,
        at: row.time()?,
        decision: row.optional_document()?,
        provenance: row.optional_document()?,
    })
}

pub(crate) fn read_hold(row: &mut Reader) -> Result<Hold, StoreError> {
    let entity = row.entity()?;
    let field = row.text()?;
    Ok(Hold {
        entity,
        field: (!field.is_empty()).then(|| field.into()),
        reason: row.text()?,
        at: row.time()?,
    })
}

pub(crate) fn select(tenant: TenantId, filter: &ConflictFilter) -> Statement {
    let mut text = CONFLICTS.select();
    let mut params = tenant_only(tenant);
    if filter.held_only {
        text.push_str(" AND winner = 'held' AND decision IS NULL");
    }
    if let Some(entity) = &filter.entity {
        text.push_str(" AND kind = $2 AND entity = $3");
        params.text(entity.kind.as_str());
        params.int(entity.number);
    }
    if let Some(after) = filter.after {
        params.int(after);
        text.push_str(&format!(" AND id > ${}", params.len()));
    }
    text.push_str(" ORDER BY id");
    if filter.limit > 0 {
        params.int(i64::from(filter.limit));
        text.push_str(&format!(" LIMIT ${}", params.len()));
    }
    Statement::new(text, params)
}

pub(crate) fn holds_of(
    tenant: TenantId,
    entities: &[EntityId],
) -> Result<Vec<Statement>, StoreError> {
    super::of_entities(&HOLDS_OF, tenant, entities)
}
