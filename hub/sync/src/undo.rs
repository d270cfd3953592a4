//! What of a write can be taken back: the fields that nobody has changed since.

use concord_core::schema::FieldKind;
use concord_core::state::{Entity, Intent, IntentAction, Link};
use concord_core::{FieldName, Fields, Value};

use crate::lens::Lens;
use crate::normal;
use crate::scene::{Held, Scene};

/// What taking a write back means.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// Nothing can be taken back, for this reason.
    Nothing(&'static str),
    /// The record that was created is deleted.
    Record,
    /// These fields get the values they had, in place of those that were
    /// written; the others are left, each for its reason.
    Fields {
        values: Fields,
        before: Fields,
        left: Vec<(FieldName, &'static str)>,
    },
}

/// Weighs a write that was carried out against what is known by now.
pub fn take_back(intent: &Intent, entity: &Entity, link: &Link, scene: &Scene<'_>) -> Taken {
    match intent.action {
        IntentAction::Delete | IntentAction::Withdraw => {
            Taken::Nothing("a deleted record cannot be brought back: restore it at the system")
        }
        IntentAction::Create => of_create(intent, entity, link, scene),
        IntentAction::Update | IntentAction::Restore => of_update(intent, entity, link, scene),
    }
}

fn of_create(intent: &Intent, entity: &Entity, link: &Link, scene: &Scene<'_>) -> Taken {
    if !scene.stream.delete {
        return Taken::Nothing("the system does not let a record be deleted: delete it there");
    }
    let differs = |(name, value): (&String, &Value)| {
        let lens = scene.mapping.lens(name);
        lens.is_none_or(|lens| left_alone(lens, value, entity, link).is_err())
    };
    if intent.values.iter().any(differs) {
        return Taken::Nothing("somebody has changed the record since");
    }
    Taken::Record
}

fn of_update(intent: &Intent, entity: &Entity, link: &Link, scene: &Scene<'_>) -> Taken {
    if !scene.stream.update {
        return Taken::Nothing("the system is not written to any more");
    }
    let (mut values, mut before, mut left) = (Fields::new(), Fields::new(), Vec::new());
    for (name, written) in &intent.values {
        let field = FieldName::new(name);
        let Some(lens) = scene.mapping.lens(name).filter(|lens| lens.writes()) else {
            left.push((field, "it is not mapped any more"));
            continue;
        };
        if lens.spec.kind == FieldKind::Consent {
            left.push((field, "a consent is never taken back"));
            continue;
        }
        match left_alone(lens, written, entity, link) {
            Err(why) => left.push((field, why)),
            Ok(()) => match intent.before.get(name) {
                Some(had) => {
                    values.insert(name.clone(), had.clone());
                    before.insert(name.clone(), written.clone());
                }
                None => left.push((field, "what was there before is not on record")),
            },
        }
    }
    Taken::Fields {
        values,
        before,
        left,
    }
}

/// Two writes of one run to one record, as the one write that they came to.
/// What the first put there and the second replaced counts as the second's.
pub fn in_one(first: &Intent, second: &Intent) -> Intent {
    let mut both = first.clone();
    for (name, value) in &second.values {
        both.values.insert(name.clone(), value.clone());
        if let Some(before) = second.before.get(name)
            && first.action != IntentAction::Create
        {
            both.before
                .entry(name.clone())
                .or_insert_with(|| before.clone());
        }
    }
    if matches!(second.action, IntentAction::Delete | IntentAction::Withdraw) {
        both.action = second.action;
    }
    both
}

/// Nobody has changed the field since it was written: what was last agreed on
/// with the system is what was written, and the canonical value is too, or is
/// the one that was kept from the system when it was brought back.
fn left_alone(
    lens: &Lens,
    written: &Value,
    entity: &Entity,
    link: &Link,
) -> Result<(), &'static str> {
    let name = lens.field.as_str();
    let agreed = link.sent.get(name).unwrap_or(&Value::Null);
    if !normal::same(&lens.spec, agreed, written) {
        return Err("somebody has changed it there since");
    }
    let wanted = lens.wanted(entity);
    let is_kept = link.refused.get(name) == Some(&*wanted);
    if !normal::same(&lens.spec, &wanted, written) && !is_kept {
        return Err("its canonical value has changed since");
    }
    Ok(())
}

/// After values were brought back, the canonical ones are kept from the system
/// until they change.
pub fn keep_apart(intent: &Intent, entity: &Entity, link: &mut Link, scene: &Scene<'_>) {
    if intent.action != IntentAction::Restore {
        return;
    }
    for (name, value) in &intent.values {
        let Some(lens) = scene.mapping.lens(name) else {
            continue;
        };
        let wanted = lens.wanted(entity);
        if !normal::same(&lens.spec, &wanted, value) {
            link.refused.insert(name.clone(), wanted.into_owned());
        }
    }
}

/// Why what was planned to be brought back is not, at the moment of sending.
pub fn is_overtaken(
    intent: &Intent,
    entity: &Entity,
    link: &Link,
    held: &Held,
    scene: &Scene<'_>,
) -> bool {
    intent.before.iter().any(|(name, written)| {
        let field = FieldName::new(name);
        let lens = scene.mapping.lens(name);
        held.holds(&field)
            || lens.is_none_or(|lens| left_alone(lens, written, entity, link).is_err())
    })
}
