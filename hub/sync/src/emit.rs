//! What each system is owed: the difference between the canonical value and
//! `sent`, turned into planned writes (design.md §5, "Emit").
//!
//! A debt is compared with `sent` and never with `stored`: a system that
//! rewrites what it is given would otherwise be written to for ever.

use std::borrow::Cow;

use concord_core::state::{Entity, Intent, IntentAction, Link, LinkState};
use concord_core::{ConnectionId, FieldName, Fields, Value};

use crate::lens::Lens;
use crate::mapping::RequiredConsent;
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
    if target.open || !target.write.admits(entity, None) {
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
    if !target.scene.approved {
        debt.blocked = Some(Cow::Borrowed("the connection's first plan is not approved"));
    }
    Some(debt)
}

/// A value that only an unapproved connection vouches for goes nowhere yet.
fn vouched(entity: &Entity, lens: &Lens, is_approved: &dyn Fn(ConnectionId) -> bool) -> bool {
    use concord_core::state::Origin;
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
    let mut values = Fields::new();
    let mut before = Fields::new();
    let mut unvouched = false;
    for lens in owed(entity, link, &target.scene) {
        if held.holds(&lens.field) || !may_write_consent(lens, entity, link) {
            continue;
        }
        let name = lens.field.as_str();
        let wanted = lens.wanted(entity).into_owned();
        if link.refused.get(name) == Some(&wanted) {
            continue;
        }
        unvouched |= !vouched(entity, lens, is_approved);
        values.insert(name.to_owned(), wanted);
        before.insert(
            name.to_owned(),
            link.sent.get(name).cloned().unwrap_or(Value::Null),
        );
    }
    if values.is_empty() {
        return None;
    }
    let blocked = unvouched.then_some(Cow::Borrowed(NOT_VOUCHED));
    Some(Debt {
        action: IntentAction::Update,
        values,
        before,
        blocked,
    })
}

/// The lenses of a link whose canonical value is not what was last agreed on.
pub fn owed<'a>(
    entity: &'a Entity,
    link: &'a Link,
    scene: &Scene<'a>,
) -> impl Iterator<Item = &'a Lens> + use<'a> {
    scene.mapping.lenses.iter().filter(move |lens| {
        let sent = link.sent.get(lens.field.as_str()).unwrap_or(&Value::Null);
        lens.writes() && !normal::same(&lens.spec, &lens.wanted(entity), sent)
    })
}

/// An opt-out at a system is never turned into an opt-in but by a recorded,
/// later opt-in, which `consent::stronger` has already weighed when the
/// system's own consent was read.  An unread one is not written over.
fn may_write_consent(lens: &Lens, entity: &Entity, link: &Link) -> bool {
    use concord_core::schema::FieldKind;
    if lens.spec.kind != FieldKind::Consent {
        return true;
    }
    let ours = entity.value(lens.field.as_str());
    let theirs = link.sent.get(lens.field.as_str()).unwrap_or(&Value::Null);
    !ours.is_null()
        && !consent::agree(ours, theirs)
        && consent::stronger(theirs, ours) == ours
        && (consent::is_opted_out(ours) || link.sent.contains_key(lens.field.as_str()))
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
    let requires = &target.scene.mapping.create_requires;
    if !requires.iter().all(|required| meets(entity, required)) {
        return None;
    }
    let mut values = Fields::new();
    let mut unvouched = true;
    for lens in target
        .scene
        .mapping
        .lenses
        .iter()
        .filter(|lens| lens.writes())
    {
        let wanted = lens.wanted(entity);
        if is_absent(&lens.spec, &wanted) || held.holds(&lens.field) {
            continue;
        }
        unvouched &= !vouched(entity, lens, is_approved);
        values.insert(lens.field.to_string(), wanted.into_owned());
    }
    if values.is_empty() {
        return None;
    }
    let blocked = match &target.create_blocked {
        Some(reason) => Some(reason.clone()),
        None => unvouched.then_some(Cow::Borrowed(NOT_VOUCHED)),
    };
    Some(Debt {
        action: IntentAction::Create,
        values,
        before: Fields::new(),
        blocked,
    })
}

fn meets(entity: &Entity, required: &RequiredConsent) -> bool {
    let value = entity.value(required.field.as_str());
    match required.status.as_str() {
        "present" => !value.is_null(),
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
    intent
        .values
        .iter()
        .any(|(name, value)| match scene.mapping.lens(name) {
            Some(lens) => {
                held.holds(&lens.field) || !normal::same(&lens.spec, &lens.wanted(entity), value)
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
        let put = lens
            .put(value, &mut sent, entity, scene.refs)
            .and_then(|()| lens.put(value, &mut predicted, entity, scene.refs));
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
