//! How an operator runs the hub in one world: what it may do unasked, and what
//! of its configuration changes in mid-life.  Each is drawn by itself, from the
//! seed and not from the chance that tells the rest of the story, so that worlds
//! without it are what they were.

use concord_sync::guard::{Guards, Limit};

use crate::behaviour::pick;
use crate::lenses::Relens;
use crate::story::{Step, Temper};
use crate::value::Unit;

#[derive(Clone, Debug)]
pub(crate) struct House {
    /// By system.
    pub guards: Vec<Guards>,
    /// Before all is calm the mappings are the first ones again.
    pub maps_as_at_first: bool,
}

impl House {
    pub(crate) fn draw(seed: u64, systems: usize) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x6A7D_0001);
        let is_guarded = chance.u32(0..3) == 0;
        let guards = (0..systems).map(|_| match is_guarded {
            true => tight(&mut chance),
            false => Guards::default(),
        });
        Self {
            guards: guards.collect(),
            maps_as_at_first: chance.bool(),
        }
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
