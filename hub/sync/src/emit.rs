//! What each system is owed: the difference between the canonical value and
//! `sent`, turned into planned writes (design.md §5, "Emit").
//!
//! A debt is compared with `sent` and never with `stored`: a system that
//! rewrites what it is given would otherwise be written to for ever.

use std::borrow::Cow;

use concord_core::manifest::Stream;
use concord_core::schema::FieldKind;
use concord_core::state::{Entity, EntityState, Intent, IntentAction, Link, LinkState, Origin};
use concord_core::{ConnectionId, EntityId, FieldName, Fields, Value};

use crate::lens::{Lens, LensFault, is_empty};
use crate::mapping::{RequiredField, StreamMapping};
use crate::scene::{Held, Scene, is_absent};
use crate::scope::Filter;
use crate::{consent, normal};

/// What stands in the way of a write, in words for a person.
pub type Reason = Cow<'static, str>;

/// A write that should happen, before it is given a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Debt {
    pub action: IntentAction,
    /// Canonical values to bring over.
    pub values: Fields,
    /// `sent` of those fields.
    pub before: Fields,
    /// Why it is not done now; None: it can be.
    pub blocked: Option<Reason>,
    /// There is more, which waits for a record that it refers to.
    pub waits: bool,
}

/// One stream of one connection, from the view of one entity.
pub struct Target<'a> {
    pub scene: Scene<'a>,
    pub write: &'a Filter,
    /// The entity's link in this stream, whatever its state.
    pub link: Option<&'a Link>,
    /// An intent for it is open.
    pub open: bool,
    /// Why no connection may create yet, if so.
    pub create_blocked: Option<Reason>,
}

/// What this system is owed of this entity.
pub fn debt(
    entity: &Entity,
    target: &Target<'_>,
    held: &Held,
    is_approved: &dyn Fn(ConnectionId) -> bool,
) -> Option<Debt> {
    // An entity that is not matched yet may be somebody who is there already.
    let takes_part = entity.state == EntityState::Live && target.write.admits(entity, None);
    if target.open || !takes_part {
        return None;
    }
    let mut debt = match target.link {
        Some(link) if link.state == LinkState::Live => {
            update(entity, link, target, held, is_approved)?
        }
        // Hidden, gone, merged or out of scope: the place is taken.
        Some(_) => return None,
        None => create(entity, target, held, is_approved)?,
    };
    if target
        .link
        .is_some_and(|link| waits_to_be_read(link, target.scene.stream))
    {
        debt.blocked = Some(Cow::Borrowed("its record is to be read once more first"));
    }
    // What keeps a create back outlives the approval, so that is what is said.
    if !target.scene.approved && (target.link.is_some() || target.create_blocked.is_none()) {
        debt.blocked = Some(Cow::Borrowed("the connection's first plan is not approved"));
    }
    Some(debt)
}

/// Without a precondition a write would go over what was seen of the record and
/// not yet believed.
pub fn waits_to_be_read(link: &Link, stream: &Stream) -> bool {
    link.again_at.is_some() && (!stream.etags || link.version.is_none())
}

/// A value that only an unapproved connection vouches for goes nowhere yet.
fn vouched(entity: &Entity, lens: &Lens, is_approved: &dyn Fn(ConnectionId) -> bool) -> bool {
    match entity.cells.get(&lens.field).map(|cell| &cell.origin) {
        Some(Origin::Connection(connection)) => is_approved(*connection),
        Some(Origin::Person(_)) | None => true,
    }
}

const NOT_VOUCHED: &str =
    "its newest values come from a connection whose first plan is not approved";

fn update(
    entity: &Entity,
    link: &Link,
    target: &Target<'_>,
    held: &Held,
    is_approved: &dyn Fn(ConnectionId) -> bool,
) -> Option<Debt> {
    if !target.scene.stream.update {
        return None;
    }
    let is_free = |lens: &&Lens| {
        let wanted = lens.wanted(entity);
        !held.holds(&lens.field)
            && !is_unread(lens, link)
            && may_write_consent(lens, entity, link)
            && link.refused.get(lens.field.as_str()) != Some(&*wanted)
    };
    let lenses = owed(entity, link, &target.scene).filter(is_free);
    let (waiting, lenses) = waiting_and_rest(lenses, entity, &target.scene);
    let waits = !waiting.is_empty();
    let (values, blocked) = free_values(entity, lenses, &waiting, is_approved);
    if values.is_empty() {
        return None;
    }
    let before = values
        .keys()
        .map(|name| {
            (
                name.clone(),
                link.sent.get(name).cloned().unwrap_or_default(),
            )
        })
        .collect();
    Some(Debt {
        action: IntentAction::Update,
        values,
        before,
        blocked,
        waits,
    })
}

/// The values that may go out.  Where there are none, those that wait for a
/// record that they refer to are named, with what they wait for.
fn free_values(
    entity: &Entity,
    free: Vec<&Lens>,
    waiting: &[&Lens],
    is_approved: &dyn Fn(ConnectionId) -> bool,
) -> (Fields, Option<Reason>) {
    if !free.is_empty() || waiting.is_empty() {
        return vouched_values(entity, free, is_approved);
    }
    let values = values_of(entity, waiting);
    let named: Vec<&str> = values.values().filter_map(Value::as_str).collect();
    let reason = format!("it refers to {}, not there yet", named.join(" and "));
    (values, Some(Cow::Owned(reason)))
}

/// The values that somebody vouches for.  Where there are none, the others are
/// named with what blocks them.
fn vouched_values(
    entity: &Entity,
    lenses: Vec<&Lens>,
    is_approved: &dyn Fn(ConnectionId) -> bool,
) -> (Fields, Option<Reason>) {
    let (vouched, rest): (Vec<&Lens>, Vec<&Lens>) = lenses
        .into_iter()
        .partition(|lens| vouched(entity, lens, is_approved));
    if vouched.is_empty() {
        (values_of(entity, &rest), Some(Cow::Borrowed(NOT_VOUCHED)))
    } else {
        (values_of(entity, &vouched), None)
    }
}

fn values_of(entity: &Entity, lenses: &[&Lens]) -> Fields {
    let value = |lens: &&Lens| (lens.field.to_string(), lens.wanted(entity).into_owned());
    lenses.iter().map(value).collect()
}

/// References to entities that have no record at the system yet, and all else.
fn waiting_and_rest<'a>(
    lenses: impl Iterator<Item = &'a Lens>,
    entity: &Entity,
    scene: &Scene<'_>,
) -> (Vec<&'a Lens>, Vec<&'a Lens>) {
    lenses.partition(|lens| waits_for(lens, &lens.wanted(entity), scene).is_some())
}

/// The entity that a reference names, where it has no record there.
fn waits_for(lens: &Lens, value: &Value, scene: &Scene<'_>) -> Option<EntityId> {
    let stream = lens.refers_to()?;
    let entity: EntityId = value.as_str()?.parse().ok()?;
    let is_there = scene.refs.remote_of(stream.as_str(), &entity).is_some();
    (!is_there).then_some(entity)
}

/// The lenses of a link whose canonical value is not what was last agreed on.
/// A field that has never been read there is none of them: a write could run
/// over what nobody has seen.
pub fn owed<'a>(
    entity: &'a Entity,
    link: &'a Link,
    scene: &Scene<'a>,
) -> impl Iterator<Item = &'a Lens> + use<'a> {
    scene.mapping.lenses.iter().filter(move |lens| {
        let sent = link.sent.get(lens.field.as_str());
        if !lens.writes() || lens.reads() && sent.is_none() {
            return false;
        }
        let sent = sent.unwrap_or(&Value::Null);
        !normal::same(&lens.spec, &lens.wanted(entity), sent)
    })
}

/// The system holds something in this field that could not be understood.
pub fn is_unread(lens: &Lens, link: &Link) -> bool {
    let mut fields = lens.remote_fields().iter();
    fields.any(|name| link.unread.contains_key(name))
}

/// An opt-out at a system is never turned into an opt-in but by a recorded,
/// later opt-in, which `consent::stronger` has already weighed when the
/// system's own consent was read.  An unread one is not written over.
fn may_write_consent(lens: &Lens, entity: &Entity, link: &Link) -> bool {
    if lens.spec.kind != FieldKind::Consent {
        return true;
    }
    let ours = entity.value(lens.field.as_str());
    let theirs = link.sent.get(lens.field.as_str()).unwrap_or(&Value::Null);
    !ours.is_null()
        && !consent::agree(ours, theirs)
        && consent::stronger(theirs, ours) == ours
        && (consent::is_opted_out(ours) || lens.reads())
}

fn create(
    entity: &Entity,
    target: &Target<'_>,
    held: &Held,
    is_approved: &dyn Fn(ConnectionId) -> bool,
) -> Option<Debt> {
    if !target.scene.stream.create {
        return None;
    }
    let mapping = target.scene.mapping;
    if !may_create(entity, mapping) {
        return None;
    }
    let is_free = |lens: &&Lens| {
        lens.writes() && !is_absent(&lens.spec, &lens.wanted(entity)) && !held.holds(&lens.field)
    };
    let lenses = mapping.lenses.iter().filter(is_free);
    let (waiting, lenses) = waiting_and_rest(lenses, entity, &target.scene);
    let waits = !waiting.is_empty();
    let (values, mut blocked) = free_values(entity, lenses, &waiting, is_approved);
    if values.is_empty() {
        return None;
    }
    // What a create requires has to go with it, or the system would fill in
    // something of its own.
    let is_left_behind = |required: &RequiredField| {
        let field = required.field.as_str();
        mapping.lens(field).is_some_and(Lens::writes) && !values.contains_key(field)
    };
    if mapping.create_requires.iter().any(is_left_behind) {
        blocked = Some(Cow::Borrowed(REQUIRED_WAITS));
    }
    if let Some(reason) = &target.create_blocked {
        blocked = Some(reason.clone());
    }
    Some(Debt {
        action: IntentAction::Create,
        values,
        before: Fields::new(),
        blocked,
        waits,
    })
}

const REQUIRED_WAITS: &str = "a value that a new record needs is held, waits for the record that it refers to, or comes \
     from a connection that is not approved";

fn may_create(entity: &Entity, mapping: &StreamMapping) -> bool {
    mapping
        .create_requires
        .iter()
        .all(|required| meets(entity, required))
}

fn meets(entity: &Entity, required: &RequiredField) -> bool {
    let value = entity.value(required.field.as_str());
    match required.status.as_str() {
        "present" => !is_empty(value),
        status => value.get("status").and_then(Value::as_str) == Some(status),
    }
}

/// A write as it goes on the wire, and what the record should look like after.
#[derive(Clone, Debug, PartialEq)]
pub struct Composed {
    /// The remote fields that change, as they are sent.
    pub fields: Fields,
    /// The mapped remote fields after the write, declared rewriting included.
    pub predicted: Fields,
    /// Fields that cannot be put, with the reason; the rest goes on.
    pub unfit: Vec<(FieldName, String)>,
}

/// Whether an intent still says what is wanted at the moment of sending.
pub fn is_outdated(intent: &Intent, entity: &Entity, held: &Held, scene: &Scene<'_>) -> bool {
    if intent.action == IntentAction::Create && !may_create(entity, scene.mapping) {
        return true;
    }
    intent
        .values
        .iter()
        .any(|(name, value)| match scene.mapping.lens(name) {
            Some(lens) => {
                held.holds(&lens.field)
                    || !normal::same(&lens.spec, &lens.wanted(entity), value)
                    || waits_for(lens, value, scene).is_some()
            }
            None => true,
        })
}

/// Puts the values of an intent on a copy of what the system holds.
pub fn compose(values: &Fields, raw: &Fields, entity: &Entity, scene: &Scene<'_>) -> Composed {
    let mut sent = raw.clone();
    let mut predicted = raw.clone();
    let mut unfit = Vec::new();
    for (name, value) in values {
        let Some(lens) = scene.mapping.lens(name) else {
            continue;
        };
        let put = put_whole(lens, value, &mut sent, entity, scene)
            .and_then(|()| put_whole(lens, value, &mut predicted, entity, scene));
        match put {
            Ok(()) => lens.predict(&mut predicted),
            Err(fault) => unfit.push((lens.field.clone(), fault.to_string())),
        }
    }
    let fields = sent
        .into_iter()
        .filter(|(name, value)| raw.get(name) != Some(value))
        .collect();
    Composed {
        fields,
        predicted,
        unfit,
    }
}

/// Puts a value, or nothing of it: half an address is worse than the old one.
fn put_whole(
    lens: &Lens,
    value: &Value,
    raw: &mut Fields,
    entity: &Entity,
    scene: &Scene<'_>,
) -> Result<(), LensFault> {
    let kept: Vec<_> = lens
        .remote_fields()
        .iter()
        .map(|name| (name, raw.get(name).cloned()))
        .collect();
    let put = lens.put(value, raw, entity, scene.refs);
    if put.is_err() {
        for (name, held) in kept {
            match held {
                Some(held) => raw.insert(name.clone(), held),
                None => raw.remove(name),
            };
        }
    }
    put
}
