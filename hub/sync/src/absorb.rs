//! One believed observation, field by field, into the canonical record
//! (design.md §5, "Absorb").
//!
//! With r the remote value, c the canonical one, b = `sent` and σ = `stored`,
//! all compared under the field's normaliser:
//!
//! 1. r = σ: nothing changed at the system (a touch, or our own echo).
//! 2. r = put(c): both agree.
//! 3. c = b: only the system changed.
//! 4. otherwise a conflict, which is always recorded.
//!
//! `absorb` changes the link and the entity that it is given and says in
//! [`Absorbed`] what else has to be written down.  Here the fields are looked
//! at; [`crate::field`] decides each of them.

use concord_core::record::RemoteRecord;
use concord_core::state::{Conflict, Entity, Hold, Link, LinkState, Waiting};
use concord_core::{FieldName, Timestamp, Value};

use crate::decide::Interval;
use crate::field::{Field, Sight, Stored};
use crate::lens::{Lens, LensFault};
use crate::observe::Read;
use crate::scene::{Held, Scene};

/// What an observation did besides changing link and entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Absorbed {
    /// Canonical fields that changed: name, old value, new value.
    pub changes: Vec<(FieldName, Value, Value)>,
    /// Without ids; the engine numbers them.
    pub conflicts: Vec<Conflict>,
    pub holds: Vec<Hold>,
    pub waiting: Vec<Waiting>,
    /// Fields whose value cannot be understood, with the reason.
    pub unfit: Vec<(FieldName, String)>,
    /// The system and the canonical record differ now: emit has to look.
    pub debt: bool,
}

impl Absorbed {
    /// The value of this field was seen and could not be taken: it is unfit, or
    /// waits for the record that it refers to.
    fn is_blocked(&self, lens: &Lens) -> bool {
        self.unfit.iter().any(|(field, _)| *field == lens.field)
            || self.waiting.iter().any(|w| w.field == lens.field)
    }

    pub(crate) fn note(&mut self, link: &Link, lens: &Lens, fault: LensFault) {
        match fault {
            LensFault::Waits { id, .. } if id.is_too_long() => {
                let length = id.as_str().len();
                let what = format!("it refers to an id of {length} bytes, which none has");
                self.unfit.push((lens.field.clone(), what));
            }
            LensFault::Waits { stream, id, .. } => self.waiting.push(Waiting {
                link: link.key.clone(),
                field: lens.field.clone(),
                wants_stream: stream,
                wants_id: id,
            }),
            other => self.unfit.push((lens.field.clone(), other.to_string())),
        }
    }

    pub(crate) fn join(&mut self, more: Absorbed) {
        self.changes.extend(more.changes);
        self.conflicts.extend(more.conflicts);
        self.holds.extend(more.holds);
        self.waiting.extend(more.waiting);
        self.unfit.extend(more.unfit);
        self.debt |= more.debt;
    }
}

/// Absorbs what an observation says of the fields that `skip` does not name.
pub fn absorb(
    link: &mut Link,
    entity: &mut Entity,
    record: &RemoteRecord,
    read: Read,
    skip: &dyn Fn(&Lens) -> bool,
    held: &Held,
    scene: &Scene<'_>,
) -> Absorbed {
    let result = absorb_fields(link, entity, record, read, skip, held, scene);
    seen(link, record);
    link.read_at = read.started;
    link.again_at = None;
    result
}

/// The record is there, in this version.
pub(crate) fn seen(link: &mut Link, record: &RemoteRecord) {
    link.version.clone_from(&record.version);
    link.modified_at = record.modified_at;
    link.missing_since = None;
    link.state = LinkState::Live;
}

/// Absorbs fields, and leaves open whether with that the whole record was seen.
pub fn absorb_fields(
    link: &mut Link,
    entity: &mut Entity,
    record: &RemoteRecord,
    read: Read,
    skip: &dyn Fn(&Lens) -> bool,
    held: &Held,
    scene: &Scene<'_>,
) -> Absorbed {
    let mut result = Absorbed::default();
    let sights = look(link, entity, record, skip, scene, &mut result);
    let edited = edited(link, record, read, scene);
    let mut field = Field {
        edited,
        link,
        entity,
        scene,
        held: false,
        out: &mut result,
    };
    for sight in &sights {
        field.edited = edited;
        field.held = held.holds(&sight.lens.field);
        field.absorb(sight, record);
    }
    forget_old_bases(link, &sights, skip, scene);
    for lens in scene.mapping.lenses.iter().filter(|lens| !skip(lens)) {
        if result.is_blocked(lens) {
            keep_unread(link, lens, record);
        } else {
            keep_raw(link, lens, record);
        }
    }
    result.debt = result.debt || !result.changes.is_empty();
    result
}

/// When an edit that is seen now was made: after the last look, and not after
/// the system's own date of it.  A record that is older than the last look and
/// was not in it came late through some index: nothing bounds it from below.
fn edited(link: &Link, record: &RemoteRecord, read: Read, scene: &Scene<'_>) -> Interval {
    let until = record.modified_at.unwrap_or(read.started);
    let is_late = until.plus(scene.rules.skew_of(scene.connection)) < link.read_at;
    Interval {
        after: if is_late {
            Timestamp::ZERO
        } else {
            link.read_at.min(until)
        },
        until,
    }
}

/// A base that was made with another lens, of a field that could not be looked
/// at with the new one, is no base: the field is met for the first time when it
/// can be read.
fn forget_old_bases(
    link: &mut Link,
    sights: &[Sight<'_>],
    skip: &dyn Fn(&Lens) -> bool,
    scene: &Scene<'_>,
) {
    if link.mapping == scene.mapping.hash {
        return;
    }
    let mut is_done = true;
    for lens in scene.mapping.lenses.iter().filter(|lens| lens.reads()) {
        if !scene.lens_changed(&link.mapping, lens) {
            continue;
        }
        let was_seen = sights.iter().any(|sight| sight.lens.field == lens.field);
        if skip(lens) {
            // A write that is in doubt went through the lens of then.
            is_done = false;
        } else if !was_seen {
            link.sent.remove(lens.field.as_str());
        }
    }
    if is_done {
        link.mapping.clone_from(&scene.mapping.hash);
    }
}

pub(crate) fn keep_raw(link: &mut Link, lens: &Lens, record: &RemoteRecord) {
    for name in lens.remote_fields() {
        link.unread.remove(name);
        if let Some(value) = record.fields.get(name)
            && link.raw.get(name) != Some(value)
        {
            link.raw.insert(name.clone(), value.clone());
        }
    }
}

/// What was not taken has to look changed again at the next look, and stays as it
/// is at its system until then.
pub(crate) fn keep_unread(link: &mut Link, lens: &Lens, record: &RemoteRecord) {
    for name in lens.remote_fields() {
        if let Some(value) = record.fields.get(name) {
            link.unread.insert(name.clone(), value.clone());
        }
    }
}

/// Reads both sides of every field before any of them is changed, because a
/// lens may look at other canonical fields.
fn look<'a>(
    link: &Link,
    entity: &Entity,
    record: &RemoteRecord,
    skip: &dyn Fn(&Lens) -> bool,
    scene: &Scene<'a>,
    result: &mut Absorbed,
) -> Vec<Sight<'a>> {
    let mut sights = Vec::with_capacity(scene.mapping.lenses.len());
    for lens in &scene.mapping.lenses {
        if !lens.reads() || skip(lens) || !lens.is_present(&record.fields) {
            continue;
        }
        // Where nothing was read yet (a new lens, a record that we created) no
        // change can be told.
        let known = link.sent.contains_key(lens.field.as_str())
            && !link.first_contact.contains(&lens.field)
            && lens.is_present(&link.raw);
        let untouched = known
            && lens
                .remote_fields()
                .iter()
                .all(|f| link.raw.get(f) == record.fields.get(f));
        let relensed = untouched && scene.lens_changed(&link.mapping, lens);
        if untouched && !relensed {
            continue;
        }
        let remote = match lens.get(&record.fields, entity, scene.refs) {
            Ok(value) => value,
            Err(fault) => {
                result.note(link, lens, fault);
                continue;
            }
        };
        let stored = match known {
            false => Stored::Nothing,
            true if relensed => Stored::Relensed,
            true => match lens.get(&link.raw, entity, scene.refs) {
                Ok(value) => Stored::Value(value),
                Err(_) => Stored::Unreadable,
            },
        };
        sights.push(Sight {
            lens,
            remote,
            stored,
        });
    }
    sights
}
