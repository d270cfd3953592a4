//! Systems that are read and written to each at its own times.

use crate::story::Step;

/// Who has a turn, by the number of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turns {
    pub read: Vec<usize>,
    pub write: Vec<usize>,
}

/// Gives the syncs of some stories to some of the systems.  Drawn by itself, so that
/// a seed tells the same story otherwise.
pub(crate) fn take(seed: u64, systems: usize, steps: &mut [Step]) {
    let mut chance = fastrand::Rng::with_seed(seed ^ 0x7124_5C4E);
    if chance.u32(0..3) > 0 {
        return;
    }
    let mut some = || (0..systems).filter(|_| chance.bool()).collect();
    let syncs = steps.iter_mut().filter_map(|step| match step {
        Step::Sync(sync) => Some(sync),
        _ => None,
    });
    // The first is everybody's.
    for sync in syncs.skip(1) {
        sync.turns = Some(Turns {
            read: some(),
            write: some(),
        });
    }
}
