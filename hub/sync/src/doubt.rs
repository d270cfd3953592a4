//! What became of a write whose outcome is not known (design.md §5, "Doubt").
//!
//! The record is read, and every field of the intent is judged by what is
//! found.  A value that is neither ours nor the one from before is either a
//! person's or our own, rewritten by the system: sending once more tells.

use std::mem;

use concord_core::record::RemoteRecord;
use concord_core::schema::{FieldKind, Shape};
use concord_core::state::{Entity, Intent, IntentAction, IntentState, Link};
use concord_core::{Fields, Value};

use crate::absorb::{Absorbed, absorb_fields, keep_raw, keep_unread, seen};
use crate::confirm::{Next, close, lenses, share, touched};
use crate::decide::Interval;
use crate::emit;
use crate::field::Field;
use crate::lens::{Lens, LensFault};
use crate::members::{self, Delta};
use crate::normal;
use crate::observe::Read;
use crate::scene::{Held, Scene};
use crate::undo::keep_apart;

/// What a read says about one field that a write in doubt touches.
enum Found {
    /// The write arrived; the system holds this.
    Written,
    /// The system still holds what it held before.
    Untouched,
    /// It went to a field that the lens does not look at any more, and the one
    /// that it looks at now is empty.
    Elsewhere,
    /// What was seen before is still there, and nothing says that the second
    /// sending arrived.
    Unanswered,
    /// A person's, for certain.
    Persons,
    /// A set with members that are neither ours nor known.
    Grown(Value),
    /// Neither: whose it is is not known yet.
    Third(Value),
    /// It was sent once more, and another value came out: what was seen before
    /// was a person's.
    PersonBefore(Value),
    /// Somebody has changed it since it was sent once more, so that nobody can
    /// tell any longer whose the value was that was seen before.
    PersonAfter(Value),
    Unreadable(LensFault),
}

/// A read of a record that a write in doubt touches.
struct Look<'a> {
    intent: &'a Intent,
    record: &'a RemoteRecord,
    /// What the system held before, and what it would hold after.
    before: &'a Fields,
    predicted: &'a Fields,
    /// Through which it was sent.
    mapping: &'a str,
    entity: &'a Entity,
    held: &'a Held,
    scene: &'a Scene<'a>,
    by_version: bool,
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
    let mapping = link.mapping.clone();
    let touched = touched(intent, scene);
    // The other fields first, and the version with them.  When the link was
    // last read stays: its fields in doubt are from then.
    let mut out = absorb_fields(link, entity, record, read, &|l| touched(l), held, scene);
    seen(link, record);
    let look = Look {
        intent,
        record,
        before: &before,
        mapping: &mapping,
        predicted: &emit::compose(&intent.values, &before, entity, scene).predicted,
        entity,
        held,
        scene,
        by_version: intent.answer_version.is_some() && intent.answer_version == record.version,
    };
    let verdicts: Vec<(&Lens, Found)> = scene
        .mapping
        .lenses
        .iter()
        .filter(|lens| touched(lens))
        .map(|lens| (lens, look.judge(lens)))
        .collect();
    // A request that arrives at its deadline shows when reads have settled.
    let settle = scene.stream.settle_ms.fetch();
    let is_early = intent
        .deadline
        .is_some_and(|deadline| read.started < deadline.plus(settle));
    let waits = |found: &Found| {
        matches!(
            found,
            Found::Untouched | Found::Elsewhere | Found::Unanswered
        )
    };
    if is_early && verdicts.iter().any(|(_, found)| waits(found)) {
        intent.state = IntentState::InDoubt;
        return (out, Next::Wait);
    }
    // Fields that share a remote field with one in doubt stay with it: sent
    // without them, it would bring back their older value.
    let doubtful: Vec<&Lens> = verdicts
        .iter()
        .filter(|(_, found)| matches!(found, Found::Third(_) | Found::Unanswered))
        .map(|(lens, _)| *lens)
        .collect();
    let (open, settled): (Vec<_>, Vec<_>) = verdicts
        .into_iter()
        .partition(|(lens, _)| doubtful.iter().any(|other| share(other, lens)));
    let mut settling = Settling {
        intent,
        link,
        entity,
        record,
        read,
        held,
        scene,
    };
    settling.settle(settled, &mut out);
    out.debt = true;
    if open.is_empty() {
        link.read_at = read.started;
        link.again_at = None;
        keep_apart(intent, entity, link, scene);
        close(intent, IntentState::Done, "settled by reading the record");
        return (out, Next::Closed);
    }
    let edited = Interval {
        after: link.read_at,
        until: read.started,
    };
    let mut field = Field {
        link,
        entity,
        scene,
        edited,
        held: false,
        out: &mut out,
    };
    for (lens, found) in &open {
        let name = lens.field.as_str();
        if let (Found::Third(_), Some(seen)) = (found, intent.seen.get(name)) {
            let base = intent.before.get(name).cloned().unwrap_or_default();
            field.lost(lens, base, seen);
        }
    }
    send_again(intent, &open, record);
    (out, Next::Replay)
}

/// Whether a record still shows what was found of a write in doubt.
pub fn is_as_seen(
    intent: &Intent,
    record: &RemoteRecord,
    entity: &Entity,
    scene: &Scene<'_>,
) -> bool {
    lenses(intent, scene).all(|lens| {
        let Some(seen) = intent.seen.get(lens.field.as_str()) else {
            return true;
        };
        let now = lens.get(&record.fields, entity, scene.refs);
        now.is_ok_and(|now| normal::same(&lens.spec, &now, seen))
    })
}

/// What was found is kept until the second sending is answered, and with it
/// only what is still in doubt is sent.
fn send_again(intent: &mut Intent, open: &[(&Lens, Found)], record: &RemoteRecord) {
    let is_open = |name: &String| open.iter().any(|(lens, _)| lens.field.as_str() == name);
    intent.values = mem::take(&mut intent.values)
        .into_iter()
        .filter(|(name, _)| is_open(name))
        .collect();
    for (lens, found) in open {
        if let Found::Third(value) = found {
            intent.seen.insert(lens.field.to_string(), value.clone());
        }
    }
    intent.base_version.clone_from(&record.version);
    intent.answer_version = None;
    // A create in doubt has been found: from here on it is an update.
    if intent.action == IntentAction::Create {
        intent.action = IntentAction::Update;
    }
    close(
        intent,
        IntentState::New,
        "a third value was found: sent once more to see whose it is",
    );
}

impl Look<'_> {
    fn judge(&self, lens: &Lens) -> Found {
        let own = self.intent.values.get(lens.field.as_str());
        // An answered request has no deadline any more.
        let answered = self.by_version || self.intent.deadline.is_none();
        if !lens.reads() {
            return if answered {
                Found::Written
            } else {
                Found::Untouched
            };
        }
        let now = match self.get(lens, &self.record.fields) {
            Ok(now) => now,
            Err(_) if self.by_version => return Found::Written,
            Err(fault) => return Found::Unreadable(fault),
        };
        let same = |a: &Value, b: &Value| normal::same(&lens.spec, a, b);
        let expected = self.get(lens, self.predicted);
        let is_expected = expected.is_ok_and(|expected| same(&now, &expected));
        if let Some(seen) = self.intent.seen.get(lens.field.as_str()) {
            return match same(&now, seen) {
                true if answered => Found::Written,
                true => Found::Unanswered,
                false if self.has_moved_on() && !is_expected => Found::PersonAfter(seen.clone()),
                false if answered || is_expected => Found::PersonBefore(seen.clone()),
                false => Found::Third(now),
            };
        }
        let is_empty = normal::normalise(&lens.spec, &now).is_null();
        if !is_expected && is_empty && self.scene.lens_changed(self.mapping, lens) {
            return Found::Elsewhere;
        }
        if self.by_version || is_expected {
            return Found::Written;
        }
        let is_before = self
            .get(lens, self.before)
            .is_ok_and(|stored| same(&now, &stored));
        let Some(value) = own else {
            return match is_before {
                true => Found::Written,
                false if self.is_beside_third(lens) => Found::Third(now),
                false => Found::Persons,
            };
        };
        if is_before {
            return Found::Untouched;
        }
        if lens.spec.kind == FieldKind::Consent || self.held.holds(&lens.field) {
            return Found::Persons;
        }
        if lens.spec.shape == Shape::Set {
            return Found::Grown(now);
        }
        // A system that ignores that a field is emptied would answer the second
        // sending as it answered the first.
        if normal::normalise(&lens.spec, value).is_null() {
            return Found::Persons;
        }
        Found::Third(now)
    }

    /// The record is not in the version that our write made.
    fn has_moved_on(&self) -> bool {
        let versions = self
            .intent
            .answer_version
            .as_ref()
            .zip(self.record.version.as_ref());
        versions.is_some_and(|(ours, now)| ours != now)
    }

    fn get(&self, lens: &Lens, raw: &Fields) -> Result<Value, LensFault> {
        lens.get(raw, self.entity, self.scene.refs)
    }

    /// The half of a name whose other half came out differently may have been
    /// rewritten with it.
    fn is_beside_third(&self, lens: &Lens) -> bool {
        lenses(self.intent, self.scene)
            .filter(|own| share(own, lens))
            .any(|own| matches!(self.judge(own), Found::Third(_)))
    }
}

/// Writes down what was found.
struct Settling<'a, 's> {
    intent: &'a mut Intent,
    link: &'a mut Link,
    entity: &'a mut Entity,
    record: &'a RemoteRecord,
    read: Read,
    held: &'a Held,
    scene: &'a Scene<'s>,
}

impl Settling<'_, '_> {
    fn settle(&mut self, settled: Vec<(&Lens, Found)>, out: &mut Absorbed) {
        // Against what was stored before, so before that moves.
        let persons = |lens: &Lens| {
            settled.iter().any(|(other, found)| {
                other.field == lens.field
                    && match found {
                        Found::Persons | Found::PersonAfter(_) | Found::Elsewhere => true,
                        // A newer consent of the same status is weighed as well.
                        Found::Untouched => lens.spec.kind == FieldKind::Consent,
                        _ => false,
                    }
            })
        };
        let skip = |lens: &Lens| !persons(lens);
        // The field that the lens looks at now is met for the first time.
        for (lens, found) in &settled {
            if matches!(found, Found::Elsewhere) {
                self.link.sent.remove(lens.field.as_str());
            }
        }
        let mut read_at = self.link.read_at;
        let more = absorb_fields(
            self.link,
            self.entity,
            self.record,
            self.read,
            &skip,
            self.held,
            self.scene,
        );
        out.join(more);
        let until = self.intent.sent_at.unwrap_or(self.read.started);
        read_at = read_at.min(until);
        for (lens, found) in settled {
            let name = lens.field.as_str();
            let own = self.intent.values.get(name).cloned();
            let mut field = Field {
                link: self.link,
                entity: self.entity,
                scene: self.scene,
                edited: Interval {
                    after: read_at,
                    until,
                },
                held: self.held.holds(&lens.field),
                out,
            };
            match found {
                Found::Unreadable(fault) => {
                    field.out.note(field.link, lens, fault);
                    keep_unread(self.link, lens, self.record);
                    continue;
                }
                Found::PersonBefore(seen) => {
                    let base = self.intent.before.get(name).cloned().unwrap_or_default();
                    field.overwritten(lens, base, seen);
                    self.intent.seen.remove(name);
                }
                Found::PersonAfter(seen) => {
                    let base = self.intent.before.get(name).cloned().unwrap_or_default();
                    field.lost(lens, base, &seen);
                    self.intent.seen.remove(name);
                    keep_raw(self.link, lens, self.record);
                    continue;
                }
                Found::Grown(now) => {
                    field.edited.until = self.read.started;
                    grow(&mut field, lens, own.as_ref(), now);
                    keep_raw(self.link, lens, self.record);
                    continue;
                }
                Found::Persons | Found::Untouched | Found::Elsewhere => {
                    keep_raw(self.link, lens, self.record);
                    continue;
                }
                Found::Written | Found::Third(_) | Found::Unanswered => {}
            }
            self.intent.seen.remove(name);
            if lens.spec.kind == FieldKind::Consent
                && let Ok(now) = lens.get(&self.record.fields, field.entity, self.scene.refs)
            {
                field.consent_answered(lens, now);
            }
            keep_raw(self.link, lens, self.record);
            if let Some(value) = own {
                self.link.sent.insert(name.to_owned(), value);
                self.link.refused.remove(name);
            }
        }
    }
}

/// Members that are neither ours nor known were added by a person; what is
/// missing may be our own write half done, and is sent again.
fn grow(field: &mut Field<'_, '_>, lens: &Lens, own: Option<&Value>, now: Value) {
    let spec = &lens.spec;
    let stored = lens
        .get(&field.link.raw, field.entity, field.scene.refs)
        .unwrap_or(Value::Null);
    let ours = members::delta(spec, &Value::Null, own.unwrap_or(&Value::Null));
    let known = members::apply(spec, &stored, &ours);
    let added = Delta {
        removed: Vec::new(),
        ..members::delta(spec, &known, &now)
    };
    let canonical = field.entity.value(lens.field.as_str()).clone();
    let merged = members::apply(spec, &canonical, &added);
    if !normal::same(spec, &merged, &canonical) {
        field.take(lens, merged);
    }
    field.link.sent.insert(lens.field.to_string(), now);
}
