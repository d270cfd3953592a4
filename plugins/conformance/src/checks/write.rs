//! Do single writes do what they say, and nothing else?

use concord_core::manifest::CreateSafe;
use concord_core::record::Action;
use concord_core::{Change, Fault, Fields, RemoteId};

use super::change::UNICODE;
use crate::Unable;
use crate::report::{Checked, Stop, ensure, fail, undeclared};
use crate::suite::{Suite, differing, unexpected};

/// A record that the connector itself has created.
async fn created(suite: &Suite<'_>) -> Checked<(RemoteId, Fields)> {
    if !suite.declared.create {
        return undeclared("create");
    }
    let fields = suite.sample()?;
    let applied = suite
        .applied(suite.op(Action::Create, None, fields.clone()))
        .await?;
    suite.bed.settle().await?;
    Ok((applied.id, fields))
}

/// A record to write to: made by a person where the bed can.
async fn target(suite: &Suite<'_>) -> Checked<RemoteId> {
    match suite.made().await {
        Err(Stop::NotExercised(_)) => Ok(created(suite).await?.0),
        other => other,
    }
}

async fn holds(suite: &Suite<'_>, id: &RemoteId, wanted: &Fields) -> Checked {
    let Some(held) = suite.held(id).await? else {
        return fail(format!(
            "'{id}' was written, but the system has no such record"
        ));
    };
    let other = differing(wanted, &held);
    ensure(other.is_empty(), || other.join("; "))
}

pub(super) async fn creates(suite: &Suite<'_>) -> Checked {
    let (id, fields) = created(suite).await?;
    holds(suite, &id, &fields).await
}

/// The values by which a create that timed out is looked for.
async fn find(suite: &Suite<'_>, safe: &CreateSafe, fields: &Fields) -> Checked<Vec<RemoteId>> {
    let values = match safe {
        CreateSafe::UniqueField(name) => fields
            .iter()
            .filter(|(field, _)| *field == name)
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect(),
        CreateSafe::Key | CreateSafe::Lookup => fields.clone(),
    };
    suite
        .bed
        .connector()
        .find(&suite.bed.stream(), &values, &suite.fields)
        .await
        .map(|records| records.into_iter().map(|record| record.id).collect())
        .map_err(|fault| unexpected("find", &fault))
}

pub(super) async fn found(suite: &Suite<'_>) -> Checked {
    let safe = match &suite.declared.create_safe {
        Some(safe) if *safe != CreateSafe::Key => safe.clone(),
        _ => return undeclared("create-safe = unique-field or lookup"),
    };
    let absent = find(suite, &safe, &suite.sample()?).await?;
    ensure(absent.is_empty(), || {
        format!("values that nobody has find {absent:?}")
    })?;
    let (id, fields) = created(suite).await?;
    let found = find(suite, &safe, &fields).await?;
    ensure(found == [id.clone()], || {
        format!("'{id}' is there, but find gives {found:?}")
    })
}

pub(super) async fn creates_once(suite: &Suite<'_>) -> Checked {
    let Some(safe) = suite.declared.create_safe.clone() else {
        return undeclared("create-safe");
    };
    if safe == CreateSafe::Lookup {
        return undeclared("a create that the system itself keeps from happening twice");
    }
    let fields = suite.sample()?;
    let op = suite.op(Action::Create, None, fields.clone());
    let before = suite.full().await?.live().count();
    let first = suite.applied(op.clone()).await?.id;
    // With a key the very same intent comes again, as after a crash.  With a
    // unique field any second create of the same value must be refused.
    let again = match safe {
        CreateSafe::Key => op,
        _ => suite.op(Action::Create, None, fields),
    };
    let second = suite.push_one(again).await?;
    suite.bed.settle().await?;
    let more = suite.full().await?.live().count().saturating_sub(before);
    ensure(more == 1, || {
        format!("two pushes of one create made {more} records")
    })?;
    match (safe, second) {
        (CreateSafe::Key, Ok(applied)) if applied.id != first => fail(format!(
            "the same intent answers '{first}' at first and then '{}'",
            applied.id
        )),
        (CreateSafe::Key, Err(fault)) => Err(unexpected("the same intent again", &fault)),
        (CreateSafe::UniqueField(name), Ok(_)) => fail(format!(
            "a second create with the same '{name}' was not refused"
        )),
        _ => Ok(()),
    }
}

pub(super) async fn updates(suite: &Suite<'_>) -> Checked {
    if !suite.declared.update {
        return undeclared("update");
    }
    let id = target(suite).await?;
    let Some(mut wanted) = suite.held(&id).await? else {
        return fail(format!("'{id}' is not there"));
    };
    let version = suite.fetch_live(&id).await?.version;
    let fields = suite.text(&suite.fresh("updated"))?;
    wanted.extend(fields.clone());
    // Stamps of the system's own move with every write.
    wanted.retain(|name, _| suite.fields.contains(name));
    let applied = suite
        .applied(suite.op(Action::Update(id), version, fields))
        .await?;
    suite.bed.settle().await?;
    holds(suite, &applied.id, &wanted).await
}

pub(super) async fn unicode(suite: &Suite<'_>) -> Checked {
    if !suite.declared.update {
        return undeclared("update");
    }
    let id = target(suite).await?;
    let version = suite.fetch_live(&id).await?.version;
    let fields = suite.text(UNICODE)?;
    let applied = suite
        .applied(suite.op(Action::Update(id), version, fields.clone()))
        .await?;
    suite.bed.settle().await?;
    holds(suite, &applied.id, &fields).await
}

/// Where a record's id hangs on a field, the answer must name the new one.
pub(super) async fn moves(suite: &Suite<'_>) -> Checked {
    let Some(field) = suite.declared.id_moves_with.clone() else {
        return undeclared("id-moves-with");
    };
    let old = target(suite).await?;
    let mut fields = suite.sample()?;
    fields.retain(|name, _| *name == field);
    let op = suite.op(Action::Update(old.clone()), None, fields.clone());
    let new = suite.applied(op).await?.id;
    suite.bed.settle().await?;
    ensure(new != old, || {
        format!("'{field}' was changed, and the id is still '{old}'")
    })?;
    holds(suite, &new, &fields).await?;
    match suite.fetch(&old).await? {
        Change::Gone { .. } => Ok(()),
        other => fail(format!("the old id still gives {other:?}")),
    }
}

/// The hub takes what such an answer says for what is stored.
pub(super) async fn answer_is_record(suite: &Suite<'_>) -> Checked {
    if !suite.declared.answer_is_record || !suite.declared.update {
        return undeclared("answer-is-record for updates");
    }
    let id = target(suite).await?;
    let version = suite.fetch_live(&id).await?.version;
    let fields = suite.text(&suite.fresh("answered"))?;
    let applied = suite
        .applied(suite.op(Action::Update(id), version, fields.clone()))
        .await?;
    suite.bed.settle().await?;
    let Some(stored) = applied.stored else {
        return fail("the answer does not carry the stored record");
    };
    let fetched = suite.fetch_live(&applied.id).await?;
    let lacking = fields
        .keys()
        .find(|name| !stored.fields.contains_key(*name));
    ensure(lacking.is_none(), || {
        format!("the answer lacks the written field {lacking:?}")
    })?;
    let seen: Fields = stored
        .fields
        .into_iter()
        .filter(|(name, _)| suite.fields.contains(name))
        .collect();
    let other = differing(&seen, &fetched.fields);
    ensure(other.is_empty(), || {
        format!("answer against fetch: {}", other.join("; "))
    })?;
    ensure(applied.version == fetched.version, || {
        format!(
            "the answer says version {:?}, a read {:?}",
            applied.version, fetched.version
        )
    })
}

pub(super) async fn stale_version(suite: &Suite<'_>) -> Checked {
    if !suite.declared.etags || !suite.declared.update {
        return undeclared("etags for updates");
    }
    let id = target(suite).await?;
    let stale = suite.fetch_live(&id).await?.version;
    let person = suite.text(&suite.fresh("person"))?;
    suite.bed.edit(&id, &person).await?;
    let ours = suite.text(&suite.fresh("ours"))?;
    let op = suite.op(Action::Update(id.clone()), stale, ours);
    match suite.push_one(op).await? {
        Err(Fault::VersionConflict(_)) => {}
        Err(fault) => return fail(format!("a stale version gives another fault: {fault}")),
        Ok(_) => return fail("a write with a stale version was done"),
    }
    suite.bed.settle().await?;
    holds(suite, &id, &person).await
}

pub(super) async fn updates_nothing(suite: &Suite<'_>) -> Checked {
    if !suite.declared.update {
        return undeclared("update");
    }
    let Some(id) = suite.bed.unknown_id() else {
        return Err(Stop::from(Unable::Lacks("an id that no record ever had")));
    };
    let fields = suite.text(&suite.fresh("nobody"))?;
    match suite
        .push_one(suite.op(Action::Update(id), None, fields))
        .await?
    {
        // With a precondition the system may only say that it does not hold.
        Err(Fault::NotFound(_) | Fault::VersionConflict(None)) => Ok(()),
        Err(fault) => fail(format!("another fault than not-found: {fault}")),
        Ok(applied) => fail(format!("it was done, as '{}'", applied.id)),
    }
}

pub(super) async fn deletes(suite: &Suite<'_>) -> Checked {
    if !suite.declared.delete {
        return undeclared("delete");
    }
    let id = target(suite).await?;
    let version = suite.fetch_live(&id).await?.version;
    let op = |version| suite.op(Action::Delete(id.clone()), version, Fields::new());
    suite.applied(op(version)).await?;
    suite.bed.settle().await?;
    ensure(!suite.full().await?.ids().contains(&id), || {
        "a full walk still lists the record".into()
    })?;
    let Change::Gone { .. } = suite.fetch(&id).await? else {
        return fail("a direct read still gives the record");
    };
    // After a lost answer the hub may ask again.
    match suite.push_one(op(None)).await? {
        Ok(_) | Err(Fault::NotFound(_)) => Ok(()),
        Err(fault) => fail(format!("a second delete fails with {fault}")),
    }
}

pub(super) async fn undeclared_writes(suite: &Suite<'_>) -> Checked {
    let declared = &suite.declared;
    let (Some(id), fields) = (suite.bed.unknown_id(), Fields::new()) else {
        return Err(Stop::from(Unable::Lacks("an id that no record ever had")));
    };
    let undeclared: Vec<Action> = [
        (declared.create, Action::Create),
        (declared.update, Action::Update(id.clone())),
        (declared.delete, Action::Delete(id)),
    ]
    .into_iter()
    .filter_map(|(declared, action)| (!declared).then_some(action))
    .collect();
    if undeclared.is_empty() {
        return Err(Stop::NotExercised("every kind of write is declared".into()));
    }
    for action in undeclared {
        let op = suite.op(action.clone(), None, fields.clone());
        if suite.push_one(op).await?.is_ok() {
            return fail(format!("{action:?} is not declared, and was done"));
        }
    }
    Ok(())
}
