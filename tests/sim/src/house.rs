//! How an operator runs the hub in one world: what it may do unasked, and what
//! of its configuration changes in mid-life.  Each is drawn by itself, from the
//! seed and not from the chance that tells the rest of the story, so that worlds
//! without it are what they were.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use concord_core::{Changeset, Kind};
use concord_engine::EngineError;
use concord_engine::hub::Ways;
use concord_engine::run::Request;
use concord_sync::delete::DeleteMode;
use concord_sync::guard::{Guards, Limit};

use crate::allowance;
use crate::behaviour::pick;
use crate::clock::lock;
use crate::deed::Deed;
use crate::lenses::Relens;
use crate::mortal::Life;
use crate::story::{Step, Sync, Temper};
use crate::value::Unit;
use crate::world::{World, id_of};

#[derive(Clone, Debug)]
pub(crate) struct House {
    /// By system.
    pub ways: Vec<Ways>,
    /// Before all is calm the mappings are the first ones again.
    pub maps_as_at_first: bool,
}

impl House {
    pub(crate) fn draw(seed: u64, systems: usize) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x6A7D_0001);
        let is_guarded = chance.u32(0..3) == 0;
        let modes = Self::draw_deletes(seed, systems).into_iter();
        let ways = modes.map(|deletes| Ways {
            deletes,
            guards: match is_guarded {
                true => tight(&mut chance),
                false => Guards::default(),
            },
            ..Ways::default()
        });
        Self {
            ways: ways.collect(),
            maps_as_at_first: chance.bool(),
        }
    }

    fn draw_deletes(seed: u64, systems: usize) -> Vec<DeleteMode> {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0xDE1E_0003);
        let spreads = chance.u32(0..3) == 0;
        let modes = [
            DeleteMode::Unlink,
            DeleteMode::Archive,
            DeleteMode::Propagate,
            DeleteMode::Propagate,
        ];
        let draw = |_| match spreads {
            true => *pick(&mut chance, &modes),
            false => DeleteMode::Unlink,
        };
        (0..systems).map(draw).collect()
    }

    /// A delete at some system is carried to the others.
    pub(crate) fn spreads(&self) -> bool {
        self.ways.iter().any(|ways| ways.deletes.spreads())
    }

    /// Adds what the operator does to a story.
    pub(crate) fn furnish(
        &mut self,
        seed: u64,
        temper: Temper,
        systems: usize,
        steps: &mut Vec<Step>,
    ) {
        // Where nobody crosses anybody, the end is known only if all is mapped.
        self.maps_as_at_first |= temper == Temper::Peaceful;
        if self.spreads() && temper == Temper::Lively {
            self.furnish_deletes(seed, steps);
        }
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x1E45_0002);
        if chance.u32(0..3) > 0 {
            return;
        }
        for _ in 0..chance.u32(1..=3) {
            let at = chance.usize(0..=steps.len());
            let system = chance.usize(0..systems);
            let unit = *pick(&mut chance, &Unit::DAILY);
            let first = match chance.u32(0..6) {
                0 | 1 => Relens::Drop(unit),
                2 => Relens::ReadOnly(unit),
                3 => Relens::Tell(chance.bool()),
                // A field of another name is met for the first time, and what
                // stands there may lose.
                _ if temper == Temper::Peaceful => Relens::Drop(unit),
                _ => Relens::Move {
                    unit: *pick(&mut chance, &Relens::MOVABLE),
                    values: chance.bool(),
                },
            };
            steps.insert(at, Step::Lens(system, first));
            let second = match first {
                Relens::Drop(unit) | Relens::ReadOnly(unit) => Relens::Whole(unit),
                Relens::Tell(told) => Relens::Tell(!told),
                Relens::Move { unit, .. } => Relens::Move { unit, values: true },
                Relens::Whole(_) | Relens::First => first,
            };
            if chance.u32(0..3) > 0 {
                let at = chance.usize(at + 1..=steps.len());
                steps.insert(at, Step::Lens(system, second));
            }
        }
    }

    /// People delete where that is carried on: mostly whom everybody agrees on, and
    /// at times whom somebody else has just edited.
    fn furnish_deletes(&self, seed: u64, steps: &mut Vec<Step>) {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0xDE1E_0004);
        let is_sync = |step: &Step| matches!(step, Step::Sync(_));
        let first = steps.iter().position(is_sync).unwrap_or(0);
        let is_newcomer = |step: &&Step| matches!(step, Step::Deed(Deed::Add { .. }));
        let humans = steps.iter().filter(is_newcomer).count();
        let systems = self.ways.len();
        for _ in 0..chance.u32(3..=7) {
            let system = chance.usize(0..systems);
            if !self.ways[system].deletes.spreads() {
                continue;
            }
            let human = u32::try_from(chance.usize(1..=humans)).unwrap_or(1);
            let at = chance.usize(first + 1..=steps.len());
            let sync = |full| {
                Step::Sync(Sync {
                    approve: true,
                    full,
                    ..Sync::default()
                })
            };
            let mut more = Vec::new();
            if chance.u32(0..4) > 0 {
                more.extend([Step::Pass(Duration::from_secs(60)), sync(true)]);
            }
            more.push(Step::Deed(Deed::Delete { system, human }));
            if chance.u32(0..3) == 0 {
                let unit = *pick(&mut chance, &Unit::DAILY);
                let system = chance.usize(0..systems);
                more.push(Step::Deed(match unit {
                    Unit::Tags => Deed::Tag { system, human },
                    unit => Deed::Edit {
                        system,
                        human,
                        unit,
                    },
                }));
            }
            if chance.bool() {
                more.push(Step::Pass(Duration::from_secs(60)));
            }
            if chance.bool() {
                more.push(sync(chance.bool()));
            }
            steps.splice(at..at, more);
        }
    }
}

impl World {
    /// Tells the run's books how much it may write unasked.
    pub(crate) async fn allow(&self, life: &Life, request: &Request) -> Result<(), EngineError> {
        // Two that work at once may each show what the other is approved.
        if request.approve && self.town.clock.racers.is_race() {
            return Ok(());
        }
        let shown = match request.approve {
            true => allowance::shown(self.store.as_ref()).await?,
            false => BTreeMap::new(),
        };
        let known = self.store.connections().await?;
        for (system, ways) in self.town.systems().iter().zip(&self.story.house.ways) {
            let id = id_of(system);
            let row = known.iter().find(|row| row.id == id);
            // With its first plan everything is approved.
            if !request.approve || row.is_some_and(|row| row.approved_at.is_some()) {
                let shown = shown.get(&system.name).copied();
                life.allowance.guard(id, ways.guards, shown);
            }
        }
        Ok(())
    }

    /// The admin changes a mapping, and applies it as the program does: all
    /// records are read again and all debts looked at once more.
    pub(crate) async fn relens(&self, number: usize, relens: Relens) -> Result<()> {
        let systems = self.town.systems();
        let system = &systems[number % systems.len()];
        if !system.relens(relens) {
            return Ok(());
        }
        lock(&self.town.ledger).counts.lenses += 1;
        self.town.tell(|| format!("{}: {relens}", system.name));
        let mut out = Changeset::durable();
        for mut state in self.store.streams(id_of(system)).await? {
            state.cursor = None;
            state.walking = true;
            state.walk += 1;
            out.streams.push(state);
        }
        self.store.commit(&out).await?;
        Ok(self.store.mark_dirty(&Kind::new("person")).await?)
    }
}

/// Guards that a handful of people trips.
fn tight(chance: &mut fastrand::Rng) -> Guards {
    let mut limit = || Limit {
        count: chance.bool().then(|| chance.u64(0..=2)),
        percent: None,
    };
    Guards {
        creates: limit(),
        deletes: limit(),
        blanks: limit(),
    }
}
