//! What people do in the systems.  A deed is a value that names humans and not
//! places, so that a story stays readable when other deeds are taken out of it.

use std::fmt;

use crate::clock::lock;
use crate::town::Town;
use crate::value::Unit;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A human is entered, in several systems at once where several are named.
    Add {
        human: u32,
        systems: Vec<usize>,
    },
    Edit {
        system: usize,
        human: u32,
        unit: Unit,
    },
    Empty {
        system: usize,
        human: u32,
        unit: Unit,
    },
    /// Somebody who is there is entered once more.
    Double {
        system: usize,
        human: u32,
    },
    Tag {
        system: usize,
        human: u32,
    },
    Untag {
        system: usize,
        human: u32,
    },
    Delete {
        system: usize,
        human: u32,
    },
    Restore {
        system: usize,
        human: u32,
    },
    /// Two records of one system are made one.
    Merge {
        system: usize,
        human: u32,
        into: u32,
    },
    /// A field is left with something in it that no lens can read.
    Garble {
        system: usize,
        human: u32,
        unit: Unit,
    },
    /// The record cannot be read any more, because it is broken.
    Spoil {
        system: usize,
        human: u32,
    },
    Mend {
        system: usize,
        human: u32,
    },
    /// The account may not see the record for a while.
    Hide {
        system: usize,
        human: u32,
    },
    Show {
        system: usize,
        human: u32,
    },
}

impl Deed {
    pub(crate) fn happen(&self, town: &Town) {
        lock(&town.ledger).counts.deeds += 1;
        town.tell(|| format!("a person: {self}"));
        let at = |system: usize| &town.systems()[system % town.systems().len()];
        match self {
            Deed::Add { human, systems } => {
                let identity = {
                    let mut ledger = lock(&town.ledger);
                    [Unit::Mail, Unit::First, Unit::Last]
                        .map(|unit| (unit, ledger.mint(*human, Vec::new())))
                };
                for (place, system) in systems.iter().enumerate() {
                    at(*system).add(*human, &identity, place == 0);
                }
            }
            // Who changes their name before they are known everywhere is somebody
            // new to everybody, and rightly so.
            Deed::Edit { human, unit, .. }
                if matches!(unit, Unit::Mail | Unit::First | Unit::Last)
                    && !town.is_known_everywhere(*human) => {}
            Deed::Edit {
                system,
                human,
                unit,
            } => at(*system).edit(*human, *unit),
            Deed::Empty {
                system,
                human,
                unit,
            } => at(*system).clear(*human, *unit),
            Deed::Double { system, human } => at(*system).double(*human),
            Deed::Tag { system, human } => at(*system).tag(*human),
            Deed::Untag { system, human } => at(*system).untag(*human),
            Deed::Delete { system, human } => at(*system).delete(*human),
            Deed::Restore { system, human } => at(*system).restore(*human),
            Deed::Merge {
                system,
                human,
                into,
            } => at(*system).merge(*human, *into),
            Deed::Garble {
                system,
                human,
                unit,
            } => at(*system).garble(*human, *unit),
            Deed::Spoil { system, human } => at(*system).spoil(*human, true),
            Deed::Mend { system, human } => at(*system).spoil(*human, false),
            Deed::Hide { system, human } => at(*system).hide(*human, true),
            Deed::Show { system, human } => at(*system).hide(*human, false),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::Add { human, systems } => write!(f, "enters human {human} in {systems:?}"),
            Deed::Edit {
                system,
                human,
                unit,
            } => {
                write!(
                    f,
                    "edits {} of human {human} in s{system}",
                    unit.canonical()
                )
            }
            Deed::Empty {
                system,
                human,
                unit,
            } => {
                write!(
                    f,
                    "empties {} of human {human} in s{system}",
                    unit.canonical()
                )
            }
            Deed::Double { system, human } => {
                write!(f, "enters human {human} once more in s{system}")
            }
            Deed::Tag { system, human } => write!(f, "tags human {human} in s{system}"),
            Deed::Untag { system, human } => {
                write!(f, "takes a tag from human {human} in s{system}")
            }
            Deed::Delete { system, human } => write!(f, "deletes human {human} in s{system}"),
            Deed::Restore { system, human } => write!(f, "restores human {human} in s{system}"),
            Deed::Merge {
                system,
                human,
                into,
            } => {
                write!(f, "merges human {human} into human {into} in s{system}")
            }
            Deed::Garble {
                system,
                human,
                unit,
            } => write!(
                f,
                "leaves nonsense in {} of human {human} in s{system}",
                unit.canonical()
            ),
            Deed::Spoil { system, human } => {
                write!(f, "spoils the record of human {human} in s{system}")
            }
            Deed::Mend { system, human } => {
                write!(f, "mends the record of human {human} in s{system}")
            }
            Deed::Hide { system, human } => {
                write!(f, "takes the right to see human {human} in s{system}")
            }
            Deed::Show { system, human } => {
                write!(f, "gives the right to see human {human} in s{system} back")
            }
        }
    }
}
