//! What happened to an entity, and through whom.

use concord_core::ports::StoreError;
use concord_core::state::Event;
use concord_core::{Changeset, EntityId, RunId, TenantId};

use super::{push_entity, tenant_only};
use crate::document;
use crate::row::Reader;
use crate::statement::{Batch, Params, Statement, Table, Type};

pub(crate) const EVENTS: Table = Table {
    name: "events",
    key: &["kind", "entity", "id"],
    rest: &["happened_at", "run", "origin", "what", "changes", "link"],
};

// History is only added to: a number that is there already is an error.
static ADD: Batch = Batch::insert(|| EVENTS.insert(""));
static REMOVE: Batch = Batch::compare(1, || {
    EVENTS.delete_among("kind, entity, id", &[Type::Text, Type::Int, Type::Int])
});

pub(crate) fn write(
    tenant: TenantId,
    changes: &Changeset,
    out: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let gone = &changes.events_removed;
    out.extend(
        REMOVE.statements(&tenant_only(tenant), gone, |(entity, id), row| {
            push_entity(entity, row)?;
            row.int(*id);
            Ok(())
        })?,
    );
    out.extend(
        ADD.statements(&tenant_only(tenant), &changes.events, |event, row| {
            push_entity(&event.entity, row)?;
            row.int(event.id);
            row.int(event.at.0);
            row.int(event.run.0);
            row.text(document::write(&event.origin)?);
            row.text(event.what.as_str());
            row.text(document::write(&event.changes)?);
            row.optional_text(document::write_optional(event.link.as_ref())?);
            Ok(())
        })?,
    );
    Ok(())
}

pub(crate) fn read(row: &mut Reader) -> Result<Event, StoreError> {
    Ok(Event {
        entity: row.entity()?,
        id: row.int()?,
        at: row.time()?,
        run: RunId(row.int()?),
        origin: row.document()?,
        what: row.text()?,
        changes: row.document()?,
        link: row.optional_document()?,
    })
}

pub(crate) fn of_entity(tenant: TenantId, entity: &EntityId) -> Statement {
    let mut params = tenant_only(tenant);
    params.text(entity.kind.as_str());
    params.int(entity.number);
    Statement::new(
        format!(
            "{} AND kind = $2 AND entity = $3 ORDER BY id",
            EVENTS.select()
        ),
        params,
    )
}

/// In order of the key, behind this one.
pub(crate) fn scan(tenant: TenantId, after: Option<(&EntityId, i64)>, limit: u32) -> Statement {
    let mut params = tenant_only(tenant);
    let mut text = EVENTS.select();
    if let Some((entity, id)) = after {
        params.text(entity.kind.as_str());
        params.int(entity.number);
        params.int(id);
        text.push_str(" AND (kind, entity, id) > ($2, $3, $4)");
    }
    params.int(i64::from(limit));
    text.push_str(&format!(
        " ORDER BY kind, entity, id LIMIT ${}",
        params.len()
    ));
    Statement::new(text, params)
}
