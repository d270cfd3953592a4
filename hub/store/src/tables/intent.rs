//! Planned writes.

use concord_core::ports::{IntentFilter, StoreError};
use concord_core::state::Intent;
use concord_core::{Changeset, ConnectionId, EntityId, IntentId, RunId, TenantId};

use super::{ENTITY, ENTITY_TYPES, last_of_each, push_entity, tenant_only};
use crate::document::{self, Word};
use crate::row::Reader;
use crate::statement::{Batch, Params, Statement, Table, Type};

pub(crate) const INTENTS: Table = Table {
    name: "intents",
    key: &["id"],
    rest: &[
        "run",
        "connection",
        "stream",
        "kind",
        "entity",
        "remote_id",
        "action",
        "state",
        "is_open",
        "planned",
        "before",
        "payload",
        "seen",
        "base_version",
        "answer_version",
        "created_at",
        "sent_at",
        "deadline",
        "not_before",
        "attempts",
        "reason",
    ],
};

static UPSERT: Batch = Batch::insert(|| INTENTS.upsert());
static REMOVE: Batch = Batch::compare(1, || INTENTS.delete_among("id", &[Type::Int]));
// The conditions are literals, so that the partial indexes are found.
static OPEN_OF: Batch = Batch::compare(1, || {
    INTENTS.select_among(" AND is_open = 1", ENTITY, ENTITY_TYPES)
});
static REFUSED_OF: Batch = Batch::compare(1, || {
    let refused = " AND state = 'failed' AND action = 'create'";
    INTENTS.select_among(refused, ENTITY, ENTITY_TYPES)
});

pub(crate) fn write(
    tenant: TenantId,
    changes: &Changeset,
    out: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let gone = &changes.intents_removed;
    out.extend(REMOVE.statements(&tenant_only(tenant), gone, |id, row| {
        row.int(id.0);
        Ok(())
    })?);
    let intents = last_of_each(&changes.intents, |intent| intent.id);
    out.extend(
        UPSERT.statements(&tenant_only(tenant), &intents, |intent, row| {
            row.int(intent.id.0);
            row.int(intent.run.0);
            row.int(intent.connection.0);
            row.name(intent.stream.shared());
            push_entity(&intent.entity, row)?;
            row.optional_text(intent.remote_id.as_ref().map(|id| id.to_string()));
            row.text(intent.action.word());
            row.text(intent.state.word());
            row.truth(intent.state.is_open());
            row.text(document::write(&intent.values)?);
            row.text(document::write(&intent.before)?);
            row.text(document::write(&intent.payload)?);
            row.text(document::write(&intent.seen)?);
            row.optional_text(intent.base_version.clone());
            row.optional_text(intent.answer_version.clone());
            row.int(intent.created_at.0);
            row.int(intent.sent_at.map(|time| time.0));
            row.int(intent.deadline.map(|time| time.0));
            row.int(intent.not_before.map(|time| time.0));
            row.int(i64::from(intent.attempts));
            row.text(intent.reason.as_str());
            Ok(())
        })?,
    );
    Ok(())
}

pub(crate) fn read(row: &mut Reader) -> Result<Intent, StoreError> {
    let id = IntentId(row.int()?);
    let run = RunId(row.int()?);
    let connection = ConnectionId(row.int()?);
    let stream = row.text()?.into();
    let entity = row.entity()?;
    let remote_id = row.optional_text()?.map(Into::into);
    let action = row.word()?;
    let state = row.word()?;
    row.skip();
    Ok(Intent {
        id,
        run,
        connection,
        stream,
        entity,
        remote_id,
        action,
        state,
        values: row.document()?,
        before: row.document()?,
        payload: row.document()?,
        seen: row.document()?,
        base_version: row.optional_text()?,
        answer_version: row.optional_text()?,
        created_at: row.time()?,
        sent_at: row.optional_time()?,
        deadline: row.optional_time()?,
        not_before: row.optional_time()?,
        attempts: row.small()?,
        reason: row.text()?,
    })
}

pub(crate) fn open_of(
    tenant: TenantId,
    entities: &[EntityId],
) -> Result<Vec<Statement>, StoreError> {
    super::of_entities(&OPEN_OF, tenant, entities)
}

pub(crate) fn refused_of(
    tenant: TenantId,
    entities: &[EntityId],
) -> Result<Vec<Statement>, StoreError> {
    super::of_entities(&REFUSED_OF, tenant, entities)
}

pub(crate) fn select(tenant: TenantId, filter: &IntentFilter) -> Statement {
    let mut text = INTENTS.select();
    let mut params = tenant_only(tenant);
    if filter.open_only {
        // A literal, so that the partial index is found.
        text.push_str(" AND is_open = 1");
    }
    if filter.left_only {
        text.push_str(" AND sent_at IS NOT NULL");
    }
    if let Some(state) = filter.state {
        text.push_str(&format!(" AND state = '{}'", state.word()));
    }
    if let Some(connection) = filter.connection {
        params.int(connection.0);
        text.push_str(&format!(" AND connection = ${}", params.len()));
    }
    if let Some(stream) = &filter.stream {
        params.text(stream.as_str());
        text.push_str(&format!(" AND stream = ${}", params.len()));
    }
    if let Some(entity) = &filter.entity {
        params.text(entity.kind.as_str());
        params.int(entity.number);
        text.push_str(&format!(
            " AND kind = ${} AND entity = ${}",
            params.len() - 1,
            params.len()
        ));
    }
    if let Some(run) = filter.run {
        params.int(run.0);
        text.push_str(&format!(" AND run = ${}", params.len()));
    }
    if let Some(after) = filter.after {
        params.int(after.0);
        text.push_str(&format!(" AND id > ${}", params.len()));
    }
    text.push_str(" ORDER BY id");
    if filter.limit > 0 {
        params.int(i64::from(filter.limit));
        text.push_str(&format!(" LIMIT ${}", params.len()));
    }
    Statement::new(text, params)
}
