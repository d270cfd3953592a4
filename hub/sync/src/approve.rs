//! The differences at first contact, decided once per connection when its first
//! plan is approved.

use concord_core::schema::Shape;
use concord_core::state::{Conflict, ConflictKind, Entity, Hold, Link, Origin, Winner};
use concord_core::{FieldName, Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::absorb::Absorbed;
use crate::decide::{Challenger, Interval, Verdict, first_contact};
use crate::field::{provenance, put_cell};
use crate::normal;
use crate::scene::Scene;

/// How an approved plan settles what differed at first contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstContact {
    /// An `owner` rule decides where the field has one; otherwise the canonical
    /// value stands.
    #[default]
    Rules,
    /// What the hub knew already stands.
    Canonical,
    /// What the new connection holds is taken over.
    Remote,
}

/// Settles the waiting fields of one link.
pub fn settle(
    link: &mut Link,
    entity: &mut Entity,
    choice: FirstContact,
    scene: &Scene<'_>,
) -> Absorbed {
    let mut result = Absorbed::default();
    let origin = Origin::Connection(scene.connection);
    for field in std::mem::take(&mut link.first_contact) {
        let Some(lens) = scene.mapping.lens(field.as_str()) else {
            continue;
        };
        if lens.spec.shape == Shape::Set {
            continue;
        }
        let remote = link
            .sent
            .get(field.as_str())
            .cloned()
            .unwrap_or(Value::Null);
        let canonical = entity.value(field.as_str()).clone();
        if normal::same(&lens.spec, &canonical, &remote) {
            // Another system has brought the same value meanwhile.
            continue;
        }
        let cell = entity.cells.get(&field);
        // Nobody saw the system's value before: it may have been there for long.
        let edited = Interval {
            after: Timestamp::ZERO,
            until: link.modified_at.unwrap_or(link.read_at),
        };
        let challenger = Challenger {
            origin: &origin,
            edited,
            value: &remote,
            spec: &lens.spec,
        };
        let provenance = provenance(cell, edited);
        let verdict = match choice {
            FirstContact::Rules => {
                first_contact(scene.rules, scene.rule(&lens.spec), cell, challenger)
            }
            FirstContact::Canonical => chosen(Winner::Canonical),
            FirstContact::Remote => chosen(Winner::Remote),
        };
        match verdict.winner {
            Winner::Remote => {
                put_cell(
                    entity,
                    &field,
                    remote.clone(),
                    origin.clone(),
                    edited,
                    scene,
                );
                result
                    .changes
                    .push((field.clone(), canonical.clone(), remote.clone()));
            }
            Winner::Held => result.holds.push(hold(entity, &field, &verdict, scene)),
            Winner::Canonical => {}
        }
        result.conflicts.push(Conflict {
            id: 0,
            kind: ConflictKind::FirstContact,
            entity: entity.id.clone(),
            field,
            link: link.key.clone(),
            base: Value::Null,
            canonical,
            remote,
            rule: verdict.rule,
            winner: verdict.winner,
            at: scene.now,
            decision: None,
            provenance,
        });
        result.debt = true;
    }
    result
}

/// A difference that a person decided when approving the plan, whatever the
/// rules.
pub(crate) const CHOSEN: &str = "first contact: chosen with the approved plan";

fn chosen(winner: Winner) -> Verdict {
    Verdict {
        winner,
        rule: CHOSEN.into(),
    }
}

fn hold(entity: &Entity, field: &FieldName, verdict: &Verdict, scene: &Scene<'_>) -> Hold {
    Hold {
        entity: entity.id.clone(),
        field: Some(field.clone()),
        reason: verdict.rule.clone(),
        at: scene.now,
    }
}
