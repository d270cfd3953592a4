//! What an answer to a write means for the link (design.md §5, "Emit").
//!
//! An intent is done when it is known what the system stored: by an answer that
//! is the stored record, or where all rewriting is declared.  Otherwise it is
//! in doubt, and [`resolve`] settles it.

use concord_core::record::{Applied, RemoteRecord};
use concord_core::schema::FieldKind;
use concord_core::state::{Entity, Intent, IntentAction, IntentState, Link, LinkKey, LinkState};
use concord_core::{FieldName, Fields, Timestamp, Value};

use crate::absorb::{Absorbed, absorb};
use crate::decide::Interval;
pub use crate::doubt::resolve;
use crate::emit;
use crate::field::Field;
use crate::lens::{Lens, is_empty};
use crate::normal;
use crate::observe::Read;
use crate::scene::{Held, Scene};
use crate::undo::keep_apart;

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
    // What was answered does not arrive any more.
    intent.deadline = None;
    let known_at = link.read_at;
    // Nobody else can have changed the record between this version and the last.
    let alone = intent.action == IntentAction::Create
        || scene.stream.etags && intent.base_version.is_some();
    let stored = answer
        .stored
        .as_ref()
        .filter(|stored| scene.stream.answer_is_record && covers(intent, link, stored, scene));
    let mut out = Absorbed::default();
    if let Some(stored) = stored {
        keep_answered(intent, link, stored, scene);
        agree(intent, link);
        if !stored.partial {
            let touched = touched(intent, scene);
            let skip = |lens: &Lens| touched(lens);
            out = absorb(link, entity, stored, read, &skip, held, scene);
        } else if alone {
            link.version.clone_from(&stored.version);
        }
    } else if scene.stream.rewrites_declared {
        let composed = emit::compose(&intent.values, &link.raw, entity, scene);
        link.raw = composed.predicted;
        agree(intent, link);
        if alone {
            link.version.clone_from(&answer.version);
        }
    } else {
        intent.state = IntentState::InDoubt;
        "written, and what was stored is not known yet".clone_into(&mut intent.reason);
        return (out, Next::ReadBack);
    }
    if intent.action == IntentAction::Create {
        nothing_else_is_there(intent, link, scene);
    }
    let edited = Interval {
        after: known_at,
        until: intent.sent_at.unwrap_or(read.started).max(known_at),
    };
    Answered {
        intent,
        link,
        entity,
        edited,
        held,
        scene,
    }
    .weigh(&mut out);
    keep_apart(intent, entity, link, scene);
    close(intent, IntentState::Done, "");
    (out, Next::Closed)
}

/// The answer says of every field of the intent what was stored.  It may pass
/// over remote fields that were not written: they are as they were, which for a
/// record that was just made is empty.
fn covers(intent: &Intent, link: &Link, stored: &RemoteRecord, scene: &Scene<'_>) -> bool {
    let is_new = intent.action == IntentAction::Create;
    let as_it_was = |name: &String| match intent.payload.get(name) {
        // There was nothing to be emptied.
        Some(written) => is_new && is_empty(written),
        None => is_new || link.raw.contains_key(name),
    };
    lenses(intent, scene)
        .filter(|lens| lens.reads())
        .all(|lens| {
            let mut names = lens.remote_fields().iter();
            lens.is_present(&stored.fields)
                || names.all(|name| stored.fields.contains_key(name) || as_it_was(name))
        })
}

fn keep_answered(intent: &Intent, link: &mut Link, stored: &RemoteRecord, scene: &Scene<'_>) {
    for lens in lenses(intent, scene) {
        crate::absorb::keep_raw(link, lens, stored);
    }
}

pub(crate) fn lenses<'a>(
    intent: &'a Intent,
    scene: &Scene<'a>,
) -> impl Iterator<Item = &'a Lens> + use<'a> {
    let mapping = scene.mapping;
    intent.values.keys().filter_map(|name| mapping.lens(name))
}

fn agree(intent: &Intent, link: &mut Link) {
    for (name, value) in &intent.values {
        link.sent.insert(name.clone(), value.clone());
        link.refused.remove(name);
    }
}

/// A record that we have just made holds what was put there: any other field
/// may be written without having been read.
fn nothing_else_is_there(intent: &Intent, link: &mut Link, scene: &Scene<'_>) {
    for name in lenses(intent, scene).flat_map(Lens::remote_fields) {
        link.raw.entry(name.as_str()).or_insert(Value::Null);
    }
    for lens in scene.mapping.lenses.iter().filter(|lens| lens.writes()) {
        link.sent.entry(lens.field.as_str()).or_insert(Value::Null);
    }
}

/// An answer that says what was stored, and what else it tells.
struct Answered<'a, 's> {
    intent: &'a Intent,
    link: &'a mut Link,
    entity: &'a mut Entity,
    /// When a value was put there that a write in doubt came upon.
    edited: Interval,
    held: &'a Held,
    scene: &'a Scene<'s>,
}

impl Answered<'_, '_> {
    fn weigh(self, out: &mut Absorbed) {
        let scene = self.scene;
        let mut field = Field {
            link: self.link,
            entity: self.entity,
            scene,
            edited: self.edited,
            held: false,
            out,
        };
        for lens in lenses(self.intent, scene).filter(|lens| lens.reads()) {
            let name = lens.field.as_str();
            let Ok(now) = lens.get(&field.link.raw, field.entity, scene.refs) else {
                continue;
            };
            field.held = self.held.holds(&lens.field);
            // This was sent once more to see whose value had been found.  That
            // the system made the same of it again says that it was our own.
            if let Some(seen) = self.intent.seen.get(name)
                && !normal::same(&lens.spec, &now, seen)
            {
                let base = self.intent.before.get(name).cloned().unwrap_or_default();
                field.overwritten(lens, base, seen.clone());
            }
            if lens.spec.kind == FieldKind::Consent {
                field.consent_answered(lens, now);
            }
        }
    }
}

/// A record that we have deleted is gone for certain.
pub fn deleted(link: &mut Link, now: Timestamp) {
    link.state = LinkState::Gone;
    link.written_at = Some(now);
    link.again_at = None;
}

pub(crate) fn close(intent: &mut Intent, state: IntentState, reason: &str) {
    intent.state = state;
    reason.clone_into(&mut intent.reason);
}

/// Whether a lens shares a remote field with one of the intent's.
pub(crate) fn touched<'a>(intent: &Intent, scene: &Scene<'a>) -> impl Fn(&Lens) -> bool + use<'a> {
    let lenses: Vec<&Lens> = intent
        .values
        .keys()
        .filter_map(|name| scene.mapping.lens(name))
        .collect();
    move |lens| lenses.iter().any(|mine| share(mine, lens))
}

pub(crate) fn share(one: &Lens, other: &Lens) -> bool {
    one.field == other.field
        || one
            .remote_fields()
            .iter()
            .any(|name| other.remote_fields().contains(name))
}

/// The system refuses some fields: they are dropped and remembered, the rest is
/// planned anew.
///
/// A write that was sent once more to settle a doubt goes on without them:
/// closed, it would leave the system's rewriting of its other values to be
/// taken for a person's.  What had been found in those that are refused was not
/// made of ours, and is read before anything is written over it.
pub fn refused(
    intent: &mut Intent,
    link: Option<&mut Link>,
    fields: &[FieldName],
    reason: &str,
    now: Timestamp,
) {
    if let Some(link) = link {
        if fields
            .iter()
            .any(|name| intent.seen.contains_key(name.as_str()))
        {
            link.version = None;
            link.again_at = Some(now);
        }
        for name in fields {
            if let Some(value) = intent.values.get(name.as_str()) {
                link.refused.insert(name.to_string(), value.clone());
            }
        }
    }
    let in_doubt = !intent.seen.is_empty();
    if in_doubt {
        for name in fields {
            intent.values.remove(name.as_str());
            intent.seen.remove(name.as_str());
        }
    }
    let goes_on = in_doubt && !fields.is_empty() && !intent.seen.is_empty();
    let state = if goes_on {
        IntentState::New
    } else {
        IntentState::Failed
    };
    close(intent, state, reason);
}

/// Some of what an intent would write waits for a person.
pub fn is_held(intent: &Intent, held: &Held) -> bool {
    let mut names = intent.values.keys();
    names.any(|name| held.holds(&FieldName::new(name)))
}

/// What was to be sent once more to settle a doubt, and is held by now, is not
/// sent: the doubt is settled by reading alone, and what is found in a held
/// field is taken for a person's.  Says whether that is so.
pub fn withdraw_held(intent: &mut Intent, held: &Held) -> bool {
    if intent.seen.is_empty() || !is_held(intent, held) {
        return false;
    }
    intent.seen.clear();
    close(
        intent,
        IntentState::InDoubt,
        "held since: settled by reading, not by sending once more",
    );
    true
}

/// A link for a record that a create of ours made.
pub fn new_link(intent: &Intent, answer: &Applied, scene: &Scene<'_>) -> Link {
    Link {
        key: LinkKey {
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
        unread: Fields::new(),
    }
}
