//! What people did and who has seen what: the memory of the world that the hub
//! knows nothing of, and against which it is checked.

use std::collections::{BTreeMap, BTreeSet};

use concord_core::{Timestamp, Value};

use crate::value::{Unit, is_empty, tokens};

/// One value that a person put somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub human: u32,
    /// What stood there, and was seen by the person.
    pub parents: Vec<u64>,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// `P1` to `P12`, or a word for what has no number.
    pub rule: &'static str,
    pub what: String,
}

/// What a world held, so that an empty one cannot pass.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub steps: u64,
    pub syncs: u64,
    pub crashes: u64,
    pub stalls: u64,
    /// Syncs of two hubs at the same time.
    pub races: u64,
    pub deeds: u64,
    pub creates: u64,
    pub updates: u64,
    pub refused: u64,
    pub doubts: u64,
    pub conflicts: u64,
    pub matches: u64,
    pub merges: u64,
    pub unmerges: u64,
    pub deletes: u64,
    /// Records that a hub deleted.
    pub carried: u64,
    pub decisions: u64,
    /// Changes of a mapping in mid-life.
    pub lenses: u64,
    /// Connections that a guard kept from being written to, once a run.
    pub guarded: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.syncs += other.syncs;
        self.crashes += other.crashes;
        self.stalls += other.stalls;
        self.races += other.races;
        self.deeds += other.deeds;
        self.creates += other.creates;
        self.updates += other.updates;
        self.refused += other.refused;
        self.doubts += other.doubts;
        self.conflicts += other.conflicts;
        self.matches += other.matches;
        self.merges += other.merges;
        self.unmerges += other.unmerges;
        self.deletes += other.deletes;
        self.carried += other.carried;
        self.decisions += other.decisions;
        self.lenses += other.lenses;
        self.guarded += other.guarded;
    }
}

/// A record that a hub deleted, as it was then.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub system: usize,
    pub id: String,
    pub human: u32,
    pub at: Timestamp,
    /// What stood in each unit that the hub looks at.
    pub numbers: Vec<(Unit, u64)>,
}

/// System, remote id, unit and number.
pub(crate) type Sighting = (usize, String, Unit, u64);

#[derive(Default)]
pub(crate) struct Ledger {
    next: u64,
    pub tokens: BTreeMap<u64, Token>,
    /// Field and value, as people's edits left them in some system.
    legit: BTreeSet<(&'static str, String)>,
    pub emptied: BTreeSet<(u32, Unit)>,
    empties: BTreeMap<(u32, Unit), Vec<u64>>,
    pub untagged: BTreeSet<u64>,
    /// Numbers of a record that a person made a part of another one of its system.
    pub given_up: BTreeSet<u64>,
    /// Humans whom people entered twice in one system, as two persons.
    pub doubled: BTreeSet<u32>,
    /// System, remote id, unit and number of what a hub was shown.
    pub seen: BTreeSet<Sighting>,
    /// The same since the last commit of each hub: one that dies now has not
    /// seen it.
    pending: BTreeMap<&'static str, BTreeSet<Sighting>>,
    /// The hub that asks now.
    pub asks: &'static str,
    /// The newest value of a person, per human and unit.
    pub latest: BTreeMap<(u32, Unit), BTreeMap<&'static str, Value>>,
    /// Humans who were said to be one, at a system or at the hub, if only for a
    /// time: what is written into a record of one may be the other's.
    kin: BTreeMap<u32, u32>,
    /// Humans of whose families somebody was taken apart again: what was empty
    /// before is empty again.
    parted: BTreeSet<u32>,
    pub taken: Vec<Taken>,
    pub broken: Vec<Broken>,
    pub counts: Counts,
}

impl Ledger {
    pub(crate) fn mint(&mut self, human: u32, parents: Vec<u64>) -> u64 {
        self.next += 1;
        let token = Token { human, parents };
        self.tokens.insert(self.next, token);
        self.next
    }

    /// The number of the newest value.
    pub(crate) fn last(&self) -> u64 {
        self.next
    }

    pub(crate) fn unite(&mut self, one: u32, two: u32) {
        let (one, two) = (self.family(one), self.family(two));
        if one != two {
            self.kin.insert(one, two);
        }
    }

    pub(crate) fn part(&mut self, human: u32) {
        self.parted.insert(human);
    }

    /// One human for all of a family.
    pub(crate) fn family(&self, mut human: u32) -> u32 {
        while let Some(elder) = self.kin.get(&human) {
            human = *elder;
        }
        human
    }

    /// Nobody was ever said to be this human, nor this human anybody.
    pub(crate) fn is_lone(&self, human: u32) -> bool {
        !self.kin.contains_key(&human) && !self.kin.values().any(|elder| *elder == human)
    }

    pub(crate) fn was_emptied(&self, human: u32, unit: Unit) -> bool {
        let family = self.family(human);
        let mut emptied = self.emptied.iter();
        emptied.any(|(other, what)| *what == unit && self.family(*other) == family)
            || self
                .parted
                .iter()
                .any(|other| self.family(*other) == family)
    }

    pub(crate) fn see(&mut self, sighting: Sighting) {
        if !self.seen.contains(&sighting) {
            self.pending.entry(self.asks).or_default().insert(sighting);
        }
    }

    /// Nobody looks at this field of the system any more.
    pub(crate) fn overlook(&mut self, system: usize, unit: Unit) {
        let is_other = |(at, _, what, _): &Sighting| *at != system || *what != unit;
        self.seen.retain(is_other);
        for pending in self.pending.values_mut() {
            pending.retain(is_other);
        }
    }

    pub(crate) fn has_seen(&self, sighting: &Sighting) -> bool {
        let pending = self.pending.get(self.asks);
        self.seen.contains(sighting) || pending.is_some_and(|seen| seen.contains(sighting))
    }

    /// A hub wrote down what it had seen.
    pub(crate) fn remember(&mut self, hub: &'static str) {
        if let Some(seen) = self.pending.get_mut(hub) {
            self.seen.append(seen);
        }
    }

    /// A hub died, and with it what it had not written down; or it may not write
    /// any more.
    pub(crate) fn forget(&mut self, hub: &'static str) {
        self.pending.remove(hub);
    }

    pub(crate) fn human_of(&self, value: &Value) -> Option<u32> {
        let number = *tokens(value).first()?;
        self.tokens.get(&number).map(|token| token.human)
    }

    /// A person's edit left this value there.
    pub(crate) fn allow(&mut self, field: &'static str, value: &Value) {
        match value {
            Value::Array(list) => {
                for element in list {
                    self.legit.insert((field, written(field, element)));
                }
            }
            other => {
                self.legit.insert((field, written(field, other)));
            }
        }
    }

    pub(crate) fn empty(&mut self, human: u32, unit: Unit, token: u64) {
        self.emptied.insert((human, unit));
        self.empties.entry((human, unit)).or_default().push(token);
    }

    /// The marks of an emptiness that a hub brought: of all who emptied it.
    pub(crate) fn emptiness(&self, human: u32, unit: Unit) -> Vec<u64> {
        let family = self.family(human);
        let of_family =
            |(other, what): &(u32, Unit)| *what == unit && self.family(*other) == family;
        let empties = self.empties.iter().filter(|(key, _)| of_family(key));
        empties.flat_map(|(_, marks)| marks.clone()).collect()
    }

    /// P11: some person put this value there, in some system.
    pub(crate) fn is_legit(&self, human: u32, field: &'static str, value: &Value) -> bool {
        if is_empty(value) {
            let unit = Unit::of_field(field);
            return unit.is_some_and(|unit| {
                self.was_emptied(human, unit) || unit == Unit::Tags && !self.untagged.is_empty()
            });
        }
        match value {
            Value::Array(list) => list
                .iter()
                .all(|element| self.legit.contains(&(field, written(field, element)))),
            other => self.legit.contains(&(field, written(field, other))),
        }
    }

    pub(crate) fn breaks(&mut self, rule: &'static str, what: impl Into<String>) {
        self.broken.push(Broken {
            rule,
            what: what.into(),
        });
    }

    /// Whether a person who wrote `later` built on `earlier`.
    pub(crate) fn is_ancestor(&self, earlier: u64, later: u64) -> bool {
        let mut open = vec![later];
        let mut done = BTreeSet::new();
        while let Some(number) = open.pop() {
            if number == earlier {
                return true;
            }
            if done.insert(number)
                && let Some(token) = self.tokens.get(&number)
            {
                open.extend(&token.parents);
            }
        }
        false
    }
}

/// Addresses mean the same in any case.
fn written(field: &str, value: &Value) -> String {
    let text = value.to_string();
    if field == "mail" {
        text.to_lowercase()
    } else {
        text
    }
}
