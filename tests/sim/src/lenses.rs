//! The mapping of a system as its admin has it now, and what is changed about it
//! in mid-life.

use std::collections::BTreeSet;
use std::fmt;

use crate::behaviour::{Behaviour, Rewriting};
use crate::value::Unit;

/// What differs from the first mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lenses {
    /// Not mapped at all.
    dropped: BTreeSet<Unit>,
    /// Read, and not written.
    read_only: BTreeSet<Unit>,
    /// Kept in a field of another name.
    moved: BTreeSet<Unit>,
    /// Kept in one that was empty.  Such a field stays where it is: the one that
    /// it was in before has its old values yet.
    fresh: BTreeSet<Unit>,
    /// The rewriting is told where it was not, which changes no value.
    told: bool,
}

/// A change of the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relens {
    Drop(Unit),
    ReadOnly(Unit),
    /// Read and written again.
    Whole(Unit),
    /// To a field of another name, or back.  The values come along, or the field
    /// is an empty one.
    Move {
        unit: Unit,
        values: bool,
    },
    /// Rewriting that the mapping did not tell of is told, or the other way round.
    Tell(bool),
    /// Everything as it was at first, but for where the fields are.
    First,
}

impl Relens {
    /// Fields that a system may have under two names.
    pub(crate) const MOVABLE: [Unit; 3] = [Unit::Title, Unit::Org, Unit::Note];
}

impl Lenses {
    /// Says whether anything is different now.
    pub(crate) fn change(&mut self, relens: Relens) -> bool {
        let before = self.clone();
        match relens {
            Relens::Drop(unit) => {
                self.dropped.insert(unit);
            }
            Relens::ReadOnly(unit) => {
                self.dropped.remove(&unit);
                self.read_only.insert(unit);
            }
            Relens::Whole(unit) => {
                self.dropped.remove(&unit);
                self.read_only.remove(&unit);
            }
            Relens::Move { unit, .. } if self.fresh.contains(&unit) => {}
            Relens::Move {
                unit,
                values: false,
            } => {
                // Nor are the old values found again.
                if self.moved.insert(unit) {
                    self.fresh.insert(unit);
                }
            }
            Relens::Move { unit, .. } => {
                if !self.moved.remove(&unit) {
                    self.moved.insert(unit);
                }
            }
            Relens::Tell(told) => self.told = told,
            Relens::First => {
                *self = Self {
                    moved: std::mem::take(&mut self.moved),
                    fresh: std::mem::take(&mut self.fresh),
                    ..Self::default()
                };
            }
        }
        *self != before
    }

    pub(crate) fn reads(&self, unit: Unit) -> bool {
        !self.dropped.contains(&unit)
    }

    /// It is kept in a field that was empty, and what was in the other is lost to
    /// everybody.
    pub(crate) fn began_anew(&self, unit: Unit) -> bool {
        self.fresh.contains(&unit)
    }

    pub(crate) fn writes(&self, unit: Unit) -> bool {
        self.reads(unit) && !self.read_only.contains(&unit)
    }

    /// What the system calls one of its fields.
    pub(crate) fn name(&self, field: &'static str) -> &'static str {
        let is_moved = Unit::of_field(field).is_some_and(|unit| self.moved.contains(&unit));
        match field {
            "title" if is_moved => "position",
            "org" if is_moved => "firm",
            "note" if is_moved => "remark",
            other => other,
        }
    }

    pub(crate) fn name_of(&self, field: &str) -> String {
        let known = Unit::of_field(field);
        let own = known.and_then(|unit| unit.fields().iter().find(|own| **own == field));
        own.map_or(field, |own| self.name(own)).to_owned()
    }

    /// The field of this name; none where it is one that nobody uses now.
    pub(crate) fn field(&self, name: &str) -> Option<&'static str> {
        let mut fields = Unit::ALL.iter().flat_map(|unit| unit.fields());
        fields.find(|field| self.name(field) == name).copied()
    }

    /// The lenses, with the rewriting declared where it is.
    pub(crate) fn mapping(&self, behaviour: &Behaviour) -> String {
        let tells = behaviour.rewrites_declared || self.told;
        let mut text =
            String::from("version: 1\nstreams:\n  people:\n    entity: person\n    fields:\n");
        for unit in Unit::ALL.into_iter().filter(|unit| self.reads(*unit)) {
            let lens = match unit {
                Unit::Address => {
                    "group: { street: { path: street }, city: { path: city } }".to_owned()
                }
                Unit::Tags => "path: tags, set: {}".to_owned(),
                _ => {
                    let field = unit.fields()[0];
                    let rewrites = behaviour.rewrites.iter();
                    let words: Vec<String> = rewrites
                        .filter(|(name, _)| tells && *name == field)
                        .map(|(_, rewriting)| word(*rewriting))
                        .collect();
                    let path = format!("path: {}", self.name(field));
                    match words.is_empty() {
                        true => path,
                        false => format!("{path}, rewrites: [{}]", words.join(", ")),
                    }
                }
            };
            let direction = match self.read_only.contains(&unit) {
                true => ", direction: read",
                false => "",
            };
            let name = unit.canonical();
            text.push_str(&format!("      {name}: {{ {lens}{direction} }}\n"));
        }
        text
    }
}

fn word(rewriting: Rewriting) -> String {
    match rewriting {
        Rewriting::Upper => "upper".to_owned(),
        Rewriting::Lower => "lower".to_owned(),
        Rewriting::Truncate(most) => format!("{{truncate: {most}}}"),
    }
}

impl fmt::Display for Relens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Relens::Drop(unit) => write!(f, "{} is not mapped any more", unit.canonical()),
            Relens::ReadOnly(unit) => write!(f, "{} is only read", unit.canonical()),
            Relens::Whole(unit) => write!(f, "{} is read and written", unit.canonical()),
            Relens::Move { unit, values } => {
                let how = match values {
                    true => "with its values",
                    false => "which is empty",
                };
                let name = unit.canonical();
                write!(f, "{name} goes to the other of its two fields, {how}")
            }
            Relens::Tell(true) => f.write_str("the mapping tells of all rewriting"),
            Relens::Tell(false) => f.write_str("the mapping tells of what it told at first"),
            Relens::First => f.write_str("the mapping is the first one again"),
        }
    }
}
