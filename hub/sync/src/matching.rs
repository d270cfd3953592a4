//! Which entity a newly seen record is.
//!
//! A key (an e-mail address, a phone number) links only where it is unique on
//! both sides and the family or given name agrees.  Everything else is for a
//! person to decide: a wrong merge costs more than a question.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::changeset::MatchKey;
use concord_core::schema::{EntitySchema, Identity};
use concord_core::{Entity, EntityId};

use crate::normal;

/// The keys by which an entity can be found.
pub fn keys(entity: &Entity, schema: &EntitySchema) -> Vec<MatchKey> {
    let mut found = Vec::new();
    for spec in schema
        .fields
        .values()
        .filter(|s| s.identity == Some(Identity::Key))
    {
        if let Some(key) = normal::match_key(spec, entity.value(spec.name.as_str())) {
            found.push(MatchKey {
                kind: entity.id.kind.clone(),
                key,
                entity: entity.id.number,
            });
        }
    }
    found
}

/// What the look at all candidates says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Nobody shares a key: it is somebody new.
    New,
    /// It is this entity.
    Same(EntityId),
    /// A person decides.
    Ask {
        candidates: Vec<EntityId>,
        reason: String,
    },
}

/// An entity that shares a key with the one to be matched.
pub struct Candidate<'a> {
    pub entity: &'a Entity,
    /// It has a record in the same stream of the same connection already.
    pub occupied: bool,
    /// It has been matched itself.
    pub is_known: bool,
}

/// Compares an unmatched entity with everybody who shares a key with it.
///
/// `holders` names for each of its keys all entities that hold the key, itself
/// included.
pub fn find(
    entity: &Entity,
    schema: &EntitySchema,
    holders: &BTreeMap<String, Vec<i64>>,
    candidates: &BTreeMap<i64, Candidate<'_>>,
) -> Match {
    let mut groups: Vec<BTreeSet<i64>> = Vec::new();
    let mut sure = BTreeSet::new();
    let mut doubts = BTreeSet::new();
    let mut twins = BTreeSet::new();
    for (key, numbers) in holders {
        let others: Vec<_> = numbers
            .iter()
            .filter(|number| **number != entity.id.number)
            .filter_map(|number| candidates.get(number).map(|candidate| (*number, candidate)))
            .collect();
        if is_desk(others.iter().map(|(_, candidate)| candidate.entity), schema) {
            continue;
        }
        let free: BTreeSet<i64> = others
            .iter()
            .filter(|(_, c)| !c.occupied)
            .map(|(number, _)| *number)
            .collect();
        if let (Some(number), 1) = (free.first(), others.len()) {
            if names_agree(entity, candidates[number].entity, key, schema) {
                sure.insert(*number);
            } else {
                doubts.insert(format!("the names do not agree although both hold {key}"));
            }
        } else if !free.is_empty() {
            doubts.insert(format!("{} records share {key}", others.len() + 1));
        }
        let is_twin = |c: &Candidate<'_>| {
            c.occupied && c.is_known && names_agree(entity, c.entity, key, schema)
        };
        twins.extend(
            others
                .iter()
                .filter(|(_, c)| is_twin(c))
                .map(|(number, _)| *number),
        );
        // Where nobody elsewhere holds the key, that several people of one
        // system share it is that system's business.
        if !free.is_empty() {
            groups.push(free);
        }
    }
    let id = |number: &i64| EntityId {
        kind: entity.id.kind.clone(),
        number: *number,
    };
    if groups.is_empty() && twins.is_empty() {
        return Match::New;
    }
    if groups.is_empty() {
        // The same person twice in one system: somebody entered them while the
        // hub did, or long ago.  Taken for new, they would be twice everywhere.
        return Match::Ask {
            candidates: twins.iter().map(id).collect(),
            reason: "the system has a record of this name and key already: merge the two there, \
                     or say that they are two"
                .into(),
        };
    }
    if let (Some(number), 1) = (sure.first(), sure.len())
        && groups.iter().all(|group| group.contains(number))
    {
        return Match::Same(id(number));
    }
    if sure.len() > 1 || groups.iter().collect::<BTreeSet<_>>().len() > 1 {
        doubts.insert("its keys point to different entities".into());
    }
    let free: BTreeSet<i64> = groups.into_iter().flatten().collect();
    let reason = doubts.into_iter().collect::<Vec<_>>().join("; ");
    Match::Ask {
        candidates: free.iter().map(id).collect(),
        reason,
    }
}

/// The largest household that a shared address or number is taken for.
const HOUSEHOLD: usize = 6;

/// More people of different names share it than a household has: a switchboard
/// or a mailbox of an office, which says nothing about who somebody is.
fn is_desk<'a>(holders: impl Iterator<Item = &'a Entity>, schema: &EntitySchema) -> bool {
    let roles = [Identity::GivenName, Identity::FamilyName, Identity::Name];
    let names: BTreeSet<[String; 3]> = holders
        .map(|entity| roles.map(|role| normal::folded(&part(entity, role, schema))))
        .collect();
    names.len() > HOUSEHOLD
}

fn part(entity: &Entity, role: Identity, schema: &EntitySchema) -> String {
    let spec = schema.fields.values().find(|s| s.identity == Some(role));
    spec.and_then(|spec| entity.value(spec.name.as_str()).as_str())
        .unwrap_or_default()
        .to_owned()
}

fn names_agree(one: &Entity, other: &Entity, key: &str, schema: &EntitySchema) -> bool {
    let part = |entity: &Entity, role: Identity| part(entity, role, schema);
    if schema
        .fields
        .values()
        .any(|spec| spec.identity == Some(Identity::Name))
    {
        return normal::name_agrees(&part(one, Identity::Name), &part(other, Identity::Name));
    }
    let (mine, theirs) = (
        part(one, Identity::GivenName),
        part(other, Identity::GivenName),
    );
    // A couple has one telephone and one family name, and is two people.
    if key.starts_with("phone:") && !mine.is_empty() && !theirs.is_empty() {
        return normal::name_agrees(&mine, &theirs);
    }
    normal::names_agree(
        &mine,
        &part(one, Identity::FamilyName),
        &theirs,
        &part(other, Identity::FamilyName),
    )
}
