//! What an answer to a write means for the link (design.md §5, "Emit" and
//! "Doubt").
//!
//! An intent is done when it is known what the system stored.  Until then it is
//! in doubt: the record is read, and every field of the intent is judged by
//! what is found.

use concord_core::record::{Applied, RemoteRecord};
use concord_core::schema::Shape;
use concord_core::state::{
    Conflict, ConflictKind, Entity, Intent, IntentAction, IntentState, Link, LinkState, Winner,
};
use concord_core::{FieldName, Fields, Value};

use crate::absorb::{Absorbed, absorb};
use crate::decide::Interval;
use crate::lens::Lens;
use crate::observe::Read;
use crate::scene::{Held, Scene};
use crate::{emit, members, normal};

/// What has to happen with an intent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is over.
    Closed,
    /// Read the record; then `resolve`.
    ReadBack,
    /// Send the same values once more, under the version just read.
    Replay,
    /// Nothing happened yet, and the request may still arrive.
    Wait,
}

/// Takes the answer to an update or create.  `link` is new for a create.
pub fn applied(
    intent: &mut Intent,
    link: &mut Link,
    entity: &mut Entity,
    answer: &Applied,
    read: Read,
    held: &Held,
    scene: &Scene<'_>,
) -> (Absorbed, Next) {
    link.key.remote_id = answer.id.clone();
    link.written_at = Some(scene.now);
    intent.remote_id = Some(answer.id.clone());
    intent.answer_version.clone_from(&answer.version);
    let conditional = scene.stream.etags && intent.base_version.is_some();
    let created = intent.action == IntentAction::Create;
    match &answer.stored {
        Some(stored) if scene.stream.answer_is_record => {
            take_stored(intent, link, stored, scene);
            let touched = touched(intent, scene);
            let absorbed = if stored.partial {
                Absorbed::default()
            } else {
                absorb(
                    link,
                    entity,
                    stored,
                    read,
                    &|lens| touched(lens),
                    held,
                    scene,
                )
            };
            close(intent, IntentState::Done, "");
            (absorbed, Next::Closed)
        }
        _ if scene.stream.rewrites_declared => {
            let composed = emit::compose(&intent.values, &link.raw, entity, scene);
            link.raw = composed.predicted;
            agree(intent, link);
            if conditional || created {
                link.version.clone_from(&answer.version);
            }
            close(intent, IntentState::Done, "");
            (Absorbed::default(), Next::Closed)
        }
        _ => {
            intent.state = IntentState::InDoubt;
            "written, and what was stored is not known yet".clone_into(&mut intent.reason);
            (Absorbed::default(), Next::ReadBack)
        }
    }
}

/// The stored record is the answer: both bases of the intent's fields move.
fn take_stored(intent: &Intent, link: &mut Link, stored: &RemoteRecord, scene: &Scene<'_>) {
    for name in intent.values.keys() {
        let Some(lens) = scene.mapping.lens(name) else {
            continue;
        };
        for remote in lens.remote_fields() {
            if let Some(value) = stored.fields.get(remote) {
                link.raw.insert(remote.clone(), value.clone());
            }
        }
    }
    agree(intent, link);
    // A partial answer says nothing about the other fields, and with its
    // version the next conditional write would overwrite an edit of those.
    if !stored.partial {
        link.version.clone_from(&stored.version);
    }
}

fn agree(intent: &Intent, link: &mut Link) {
    for (name, value) in &intent.values {
        link.sent.insert(name.clone(), value.clone());
        link.refused.remove(name);
    }
}

fn close(intent: &mut Intent, state: IntentState, reason: &str) {
    intent.state = state;
    reason.clone_into(&mut intent.reason);
}

/// Whether a lens shares a remote field with one of the intent's.
fn touched<'a>(intent: &Intent, scene: &Scene<'a>) -> impl Fn(&Lens) -> bool + use<'a> {
    let lenses: Vec<&Lens> = intent
        .values
        .keys()
        .filter_map(|name| scene.mapping.lens(name))
        .collect();
    move |lens| {
        lenses.iter().any(|mine| {
            mine.field == lens.field
                || mine
                    .remote_fields()
                    .iter()
                    .any(|f| lens.remote_fields().contains(f))
        })
    }
}

/// Judges an intent in doubt by a read that is strong or comes after settle.
pub fn resolve(
    intent: &mut Intent,
    link: &mut Link,
    entity: &mut Entity,
    record: &RemoteRecord,
    read: Read,
    held: &Held,
    scene: &Scene<'_>,
) -> (Absorbed, Next) {
    let before = link.raw.clone();
    let touched = touched(intent, scene);
    let mut out = absorb(
        link,
        entity,
        record,
        read,
        &|lens| touched(lens),
        held,
        scene,
    );
    let by_version = intent.answer_version.is_some() && intent.answer_version == record.version;
    let expired = intent.deadline.is_none_or(|deadline| scene.now >= deadline);
    let mut verdicts = Vec::new();
    for (name, value) in &intent.values {
        let Some(lens) = scene.mapping.lens(name) else {
            continue;
        };
        let found = judge(
            lens, value, intent, &before, record, entity, by_version, scene,
        );
        verdicts.push((lens, value.clone(), found));
    }
    let waits = verdicts
        .iter()
        .any(|(_, _, found)| matches!(found, Found::Untouched));
    let replay = verdicts
        .iter()
        .any(|(_, _, found)| matches!(found, Found::Third(_)));
    if waits && !expired && !replay {
        intent.state = IntentState::InDoubt;
        return (out, Next::Wait);
    }
    if replay {
        // Somebody's value, or our own rewritten: sending once more tells.  What
        // was found is kept until then; a field that was settled stays settled.
        for (lens, _, found) in &verdicts {
            if let Found::Third(seen) = found {
                intent.seen.insert(lens.field.to_string(), seen.clone());
            }
        }
        intent.base_version.clone_from(&record.version);
        intent.answer_version = None;
        intent.state = IntentState::New;
        "a third value was found: sent once more to see whose it is".clone_into(&mut intent.reason);
        return (out, Next::Replay);
    }
    for (lens, value, found) in verdicts {
        settle(
            lens, value, found, link, entity, record, read, intent, held, scene, &mut out,
        );
    }
    for name in intent.values.keys() {
        if let Some(lens) = scene.mapping.lens(name) {
            copy_raw(lens, record, link);
        }
    }
    out.debt = true;
    close(intent, IntentState::Done, "settled by reading the record");
    (out, Next::Closed)
}

fn copy_raw(lens: &Lens, record: &RemoteRecord, link: &mut Link) {
    for remote in lens.remote_fields() {
        if let Some(value) = record.fields.get(remote) {
            link.raw.insert(remote.clone(), value.clone());
        }
    }
}

/// What a read says about one field of an intent in doubt.
enum Found {
    /// The write arrived; the system holds this.
    Written,
    /// The system still holds what it held before.
    Untouched,
    /// A person emptied or changed it meanwhile, for certain.
    Persons(Value),
    /// Neither: seen for the first time.
    Third(Value),
    /// It was sent once more, and another value came out: what was seen before
    /// was a person's.
    PersonBefore(Value),
}

#[allow(clippy::too_many_arguments)]
fn judge(
    lens: &Lens,
    value: &Value,
    intent: &Intent,
    before: &Fields,
    record: &RemoteRecord,
    entity: &Entity,
    by_version: bool,
    scene: &Scene<'_>,
) -> Found {
    let name = lens.field.as_str();
    let seen = intent.seen.get(name);
    if !lens.reads() {
        return if by_version {
            Found::Written
        } else {
            Found::Untouched
        };
    }
    let Ok(now) = lens.get(&record.fields, entity, scene.refs) else {
        return Found::Untouched;
    };
    let same = |a: &Value, b: &Value| normal::same(&lens.spec, a, b);
    if let Some(seen) = seen {
        // The replay has been answered.
        return if same(&now, seen) {
            Found::Written
        } else {
            Found::PersonBefore(seen.clone())
        };
    }
    if by_version || same(&now, &expected(lens, value, before, entity, scene)) {
        return Found::Written;
    }
    let stored = lens.get(before, entity, scene.refs).unwrap_or(Value::Null);
    if same(&now, &stored) {
        return Found::Untouched;
    }
    if normal::normalise(&lens.spec, value).is_null() || lens.spec.shape == Shape::Set {
        return Found::Persons(now);
    }
    Found::Third(now)
}

/// What the system would show if it had stored the value.
fn expected(lens: &Lens, value: &Value, raw: &Fields, entity: &Entity, scene: &Scene<'_>) -> Value {
    let mut predicted = raw.clone();
    if lens.put(value, &mut predicted, entity, scene.refs).is_err() {
        return value.clone();
    }
    lens.predict(&mut predicted);
    lens.get(&predicted, entity, scene.refs)
        .unwrap_or_else(|_| value.clone())
}

#[allow(clippy::too_many_arguments)]
fn settle(
    lens: &Lens,
    value: Value,
    found: Found,
    link: &mut Link,
    entity: &mut Entity,
    record: &RemoteRecord,
    read: Read,
    intent: &Intent,
    held: &Held,
    scene: &Scene<'_>,
    out: &mut Absorbed,
) {
    let name = lens.field.to_string();
    match found {
        Found::Written => {
            link.sent.insert(name, value);
        }
        Found::Untouched | Found::Third(_) => {}
        Found::Persons(now) if lens.spec.shape == Shape::Set => {
            // Additions that are neither ours nor known were a person's;
            // what is missing may be our own write half done.
            let stored = lens
                .get(&link.raw, entity, scene.refs)
                .unwrap_or(Value::Null);
            let known = members::apply(
                &lens.spec,
                &stored,
                &members::delta(&lens.spec, &stored, &value),
            );
            let both = members::apply(
                &lens.spec,
                &known,
                &members::Delta {
                    added: elements(&stored),
                    removed: Vec::new(),
                },
            );
            let mut added = members::delta(&lens.spec, &both, &now);
            added.removed.clear();
            let merged = members::apply(&lens.spec, entity.value(&name), &added);
            if !normal::same(&lens.spec, &merged, entity.value(&name)) {
                let edited = Interval {
                    after: link.read_at,
                    until: read.started,
                };
                take(entity, lens, merged, edited, scene, out);
            }
            link.sent.insert(name, now);
        }
        Found::Persons(now) => {
            let touched_here = |other: &Lens| other.field != lens.field;
            let mut view = record.clone();
            view.version.clone_from(&link.version);
            let more = absorb(link, entity, &view, read, &touched_here, held, scene);
            merge_into(out, more);
            link.sent.entry(name).or_insert(now);
        }
        Found::PersonBefore(seen) => {
            // The system holds our value now, and a person's was there before:
            // the field's rule decides, and the debt is seen by emit.
            let base = intent.before.get(&name).cloned().unwrap_or(Value::Null);
            link.sent.insert(name.clone(), value);
            let cell = entity.cells.get(&lens.field);
            let edited = Interval {
                after: link.read_at,
                until: read.started,
            };
            let origin = concord_core::state::Origin::Connection(scene.connection);
            let rule = scene.rules.of(&scene.mapping.kind, &lens.spec);
            let verdict = crate::decide::decide(scene.rules, rule, cell, &origin, edited);
            out.conflicts.push(Conflict {
                id: 0,
                kind: ConflictKind::Edit,
                entity: entity.id.clone(),
                field: lens.field.clone(),
                link: link.key.clone(),
                base,
                canonical: entity.value(&name).clone(),
                remote: seen.clone(),
                rule: format!("{}; found while a write was in doubt", verdict.rule),
                winner: verdict.winner,
                at: scene.now,
                decision: None,
            });
            if verdict.winner == Winner::Remote {
                take(entity, lens, seen, edited, scene, out);
            }
        }
    }
}

fn elements(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn take(
    entity: &mut Entity,
    lens: &Lens,
    value: Value,
    edited: Interval,
    scene: &Scene<'_>,
    out: &mut Absorbed,
) {
    let origin = concord_core::state::Origin::Connection(scene.connection);
    let put = crate::absorb::put_cell(entity, &lens.field, value.clone(), origin, edited, scene);
    out.changes.push((lens.field.clone(), put.old, value));
    out.debt = true;
}

fn merge_into(out: &mut Absorbed, more: Absorbed) {
    out.changes.extend(more.changes);
    out.conflicts.extend(more.conflicts);
    out.holds.extend(more.holds);
    out.waiting.extend(more.waiting);
    out.unfit.extend(more.unfit);
    out.debt |= more.debt;
}

/// The system refuses some fields: they are dropped and remembered, the rest is
/// planned anew.
pub fn refused(intent: &mut Intent, link: Option<&mut Link>, fields: &[FieldName], reason: &str) {
    if let Some(link) = link {
        for name in fields {
            if let Some(value) = intent.values.get(name.as_str()) {
                link.refused.insert(name.to_string(), value.clone());
            }
        }
    }
    close(intent, IntentState::Failed, reason);
}

/// A link for a record that a create of ours made.
pub fn new_link(intent: &Intent, answer: &Applied, scene: &Scene<'_>) -> Link {
    Link {
        key: concord_core::state::LinkKey {
            connection: intent.connection,
            stream: intent.stream.clone(),
            remote_id: answer.id.clone(),
        },
        entity: intent.entity.clone(),
        state: LinkState::Live,
        version: answer.version.clone(),
        modified_at: None,
        raw: Fields::new(),
        sent: Fields::new(),
        mapping: scene.mapping.hash.clone(),
        read_at: scene.now,
        written_at: Some(scene.now),
        walk: 0,
        again_at: None,
        missing_since: None,
        first_contact: Vec::new(),
        refused: Fields::new(),
    }
}
