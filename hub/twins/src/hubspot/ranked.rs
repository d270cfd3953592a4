//! A sorted set that knows how many keys lie before a key.
//!
//! A search tells the total of its results and starts at any offset.  With a
//! B-tree that costs a walk over all results for every page; here it is a sum
//! over a few hundred blocks.

/// Blocks are split in half when they grow beyond this.
const FULL: usize = 1024;

/// A moment and an id, or zero and an id.
pub(crate) type Key = (i64, u64);

#[derive(Debug, Default)]
pub(crate) struct Ranked {
    /// Sorted, and sorted within; never an empty block.
    blocks: Vec<Vec<Key>>,
}

impl Ranked {
    /// The block that holds this key, or would.
    fn block_of(&self, key: Key) -> usize {
        let after = self
            .blocks
            .partition_point(|block| block.last().is_some_and(|last| *last < key));
        after.min(self.blocks.len().saturating_sub(1))
    }

    pub(crate) fn insert(&mut self, key: Key) {
        if self.blocks.is_empty() {
            self.blocks.push(vec![key]);
            return;
        }
        let at = self.block_of(key);
        let block = &mut self.blocks[at];
        if let Err(place) = block.binary_search(&key) {
            block.insert(place, key);
        }
        if block.len() > FULL {
            // Keys that come in rising order fill blocks better when only the end moves on.
            let kept = if at + 1 == self.blocks.len() {
                FULL
            } else {
                FULL / 2
            };
            let rest = self.blocks[at].split_off(kept);
            self.blocks.insert(at + 1, rest);
        }
    }

    pub(crate) fn remove(&mut self, key: Key) {
        if self.blocks.is_empty() {
            return;
        }
        let at = self.block_of(key);
        if let Ok(place) = self.blocks[at].binary_search(&key) {
            self.blocks[at].remove(place);
            if self.blocks[at].is_empty() {
                self.blocks.remove(at);
            }
        }
    }

    /// How many keys are less than this one.
    pub(crate) fn rank(&self, key: Key) -> usize {
        if self.blocks.is_empty() {
            return 0;
        }
        let at = self.block_of(key);
        let before: usize = self.blocks[..at].iter().map(Vec::len).sum();
        before + self.blocks[at].partition_point(|k| *k < key)
    }

    /// The keys from this rank on, in order.
    pub(crate) fn starting_at(&self, rank: usize) -> impl Iterator<Item = Key> + '_ {
        let (mut at, mut place) = (0, rank);
        while at < self.blocks.len() && place >= self.blocks[at].len() {
            place -= self.blocks[at].len();
            at += 1;
        }
        let first = self.blocks.get(at).map_or(&[][..], |block| &block[place..]);
        let rest = self.blocks.iter().skip(at + 1).flatten();
        first.iter().chain(rest).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_agrees_with_a_plain_sorted_set() {
        let (mut ranked, mut plain) = (Ranked::default(), BTreeSet::new());
        // 7919 is prime, so the multiples visit every residue in a scattered order.
        for step in 0..6_000_i64 {
            let key = (step * 7_919 % 5_003, (step % 3) as u64);
            if step % 5 == 4 {
                let gone = ((step - 2) * 7_919 % 5_003, ((step - 2) % 3) as u64);
                ranked.remove(gone);
                plain.remove(&gone);
            }
            ranked.insert(key);
            plain.insert(key);
        }
        assert!(ranked.starting_at(0).eq(plain.iter().copied()));
        for probe in (0..5_100).step_by(97) {
            let key = (probe, 1);
            assert_eq!(ranked.rank(key), plain.range(..key).count());
        }
        assert!(
            ranked
                .starting_at(2_500)
                .eq(plain.iter().copied().skip(2_500))
        );
        assert_eq!(ranked.starting_at(plain.len()).next(), None);
    }
}
