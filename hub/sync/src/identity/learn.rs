//! Learning the weights from the records themselves, with no answers given.
//!
//! * `u`, between strangers: of an equal value from the counts of all values,
//!   which is every pair there is; of the other levels from pairs drawn at
//!   random.  From all pairs and not from pairs within blocks, for those agree
//!   on what made the block.  What one person's records add to it is taken out
//!   again, which matters where the share of them is larger than chance's.
//! * `m` and `h`, between records of one person and of one place: by expectation
//!   maximisation (Dempster, Laird and Rubin 1977; Winkler 1988) over the pairs
//!   that share a block.  Nearly every pair of one person does, and the
//!   probability of the others is held at that of a stranger, so that the
//!   blocks do not bend what is learned from them.

use concord_core::ports::Rng;
use rustc_hash::FxHashMap;

use super::blocking::{Blocks, mix};
use super::corpus::{Corpus, packed, unpacked};
use super::feature::{LEVELS, Level};
use super::weights::{Learned, Shares, Weights, start_place, start_same, unshared};

/// So many pairs are drawn at random, and so many of the blocks' are learned
/// from.  A level that one pair in ten thousand has is then seen a hundred
/// times, which places it within a tenth.
const DRAWN: u64 = 1_000_000;

const ROUNDS: usize = 100;
/// The learning ends when no share moves further than this, as Splink's does.
const SETTLED: f64 = 1e-4;

/// How much the start weighs, in pairs: one holds levels that are never seen
/// away from zero without bending the others.
const START: f64 = 1.0;

/// Learns the weights of a corpus.  `across`: only records of different sources
/// can be the same.
pub fn learn(corpus: &Corpus, blocks: &Blocks, across: bool, rng: &dyn Rng) -> Weights {
    let total = pairs_in_all(corpus, across);
    let random = random_pairs(corpus, across, rng);
    let sample = sample_of_blocks(corpus, blocks, rng);
    let equal = equal_pairs(corpus, across, total);
    let mut state = State::start(corpus, &random, &equal, total, &sample);
    for _ in 0..ROUNDS {
        if state.step(&random, &equal, &sample) < SETTLED {
            break;
        }
    }
    state.weights()
}

/// Patterns and how many pairs have them.
struct Sample {
    patterns: Vec<([Level; 21], f64)>,
    pairs: f64,
}

impl Sample {
    fn new(counts: FxHashMap<u64, u64>, scale: f64) -> Self {
        let mut sorted: Vec<_> = counts.into_iter().collect();
        // The order of a hash map is no order to sum in.
        sorted.sort_unstable();
        let patterns: Vec<_> = sorted
            .into_iter()
            .map(|(pattern, count)| (unpacked(pattern), count as f64 * scale))
            .collect();
        Self {
            pairs: patterns.iter().map(|(_, count)| count).sum(),
            patterns,
        }
    }
}

fn pairs_in_all(corpus: &Corpus, across: bool) -> f64 {
    let mut sizes: FxHashMap<u16, f64> = FxHashMap::default();
    for record in 0..corpus.len() as u32 {
        *sizes.entry(corpus.source(record)).or_default() += 1.0;
    }
    let two_of = |n: f64| n * (n - 1.0) / 2.0;
    let mut within: Vec<f64> = sizes.into_values().map(two_of).collect();
    within.sort_by(f64::total_cmp);
    let all = two_of(corpus.len() as f64);
    let pairs = if across {
        all - within.iter().sum::<f64>()
    } else {
        all
    };
    pairs.max(1.0)
}

/// A number below `end`.
fn below(rng: &dyn Rng, end: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(end)) >> 64) as u64
}

fn random_pairs(corpus: &Corpus, across: bool, rng: &dyn Rng) -> Sample {
    let mut counts = FxHashMap::default();
    let records = corpus.len() as u64;
    if records >= 2 {
        for _ in 0..DRAWN.min(records * (records - 1) / 2) {
            let (a, b) = (below(rng, records) as u32, below(rng, records) as u32);
            if a != b && !(across && corpus.source(a) == corpus.source(b)) {
                let pattern = corpus.compare_all(a.min(b), a.max(b));
                *counts.entry(packed(&pattern)).or_default() += 1;
            }
        }
    }
    Sample::new(counts, 1.0)
}

/// Every pair that shares a block or, where there are many, each with the same
/// chance.
fn sample_of_blocks(corpus: &Corpus, blocks: &Blocks, rng: &dyn Rng) -> Sample {
    let mut all = 0u64;
    blocks.pairs(corpus, |_, _| all += 1);
    let take = (DRAWN as f64 / all.max(1) as f64).min(1.0);
    let limit = (take * u64::MAX as f64) as u64;
    let salt = rng.next_u64();
    let mut counts = FxHashMap::default();
    blocks.pairs(corpus, |a, b| {
        if mix(salt, u64::from(a) << 32 | u64::from(b)) <= limit {
            *counts.entry(packed(&corpus.compare(a, b))).or_default() += 1;
        }
    });
    Sample::new(counts, 1.0 / take)
}

/// Of all pairs of which both have a value: how many have an equal one.  Per
/// feature, as a share of the pairs that have both.
fn equal_pairs(corpus: &Corpus, across: bool, total: f64) -> Vec<(f64, f64)> {
    let two_of = |n: f64| n * (n - 1.0) / 2.0;
    (0..corpus.form().features().len())
        .map(|feature| {
            let mut seen: Vec<(u32, u16)> = Vec::new();
            let mut filled: FxHashMap<u16, f64> = FxHashMap::default();
            for record in 0..corpus.len() as u32 {
                let source = corpus.source(record);
                let values = corpus.values(record, feature).iter();
                let before = seen.len();
                seen.extend(values.filter(|id| **id != 0).map(|id| (*id, source)));
                if seen.len() > before {
                    *filled.entry(source).or_default() += 1.0;
                }
            }
            seen.sort_unstable();
            let mut equal = 0.0;
            for value in seen.chunk_by(|a, b| a.0 == b.0) {
                equal += two_of(value.len() as f64);
                if across {
                    let sources = value.chunk_by(|a, b| a.1 == b.1);
                    equal -= sources.map(|one| two_of(one.len() as f64)).sum::<f64>();
                }
            }
            let mut sizes: Vec<f64> = filled.into_values().collect();
            sizes.sort_by(f64::total_cmp);
            let mut both = two_of(sizes.iter().sum());
            if across {
                both -= sizes.into_iter().map(two_of).sum::<f64>();
            }
            (equal, both.min(total))
        })
        .collect()
}

struct State {
    features: Vec<Learned>,
    total: f64,
    records: f64,
    /// Expected numbers of pairs of one person, and of one place.
    same: f64,
    place: f64,
}

/// What one round finds of one feature: how many pairs of each class have each
/// level.
#[derive(Clone, Default)]
struct Tally {
    same: Shares,
    place: Shares,
}

impl State {
    fn start(
        corpus: &Corpus,
        random: &Sample,
        equal: &[(f64, f64)],
        total: f64,
        sample: &Sample,
    ) -> Self {
        let records = corpus.len() as f64;
        let features = corpus.form().features().iter();
        let mut state = Self {
            features: features
                .map(|feature| Learned {
                    same: start_same(feature.kind),
                    place: start_place(feature.kind),
                    strangers: [0.0; LEVELS],
                    feature: feature.clone(),
                })
                .collect(),
            total,
            records,
            // One record in ten has another of the same person, and as many
            // one of the same place: only a start.
            same: (records / 10.0).min(sample.pairs / 2.0).max(1.0),
            place: (records / 10.0).min(sample.pairs / 2.0).max(1.0),
        };
        let nothing = vec![Tally::default(); state.features.len()];
        state.set_strangers(random, equal, &nothing);
        state
    }

    /// One round of expectation and maximisation; gives how far it moved.
    fn step(&mut self, random: &Sample, equal: &[(f64, f64)], sample: &Sample) -> f64 {
        let mut tallies = vec![Tally::default(); self.features.len()];
        let (mut same, mut place) = (0.0, 0.0);
        let priors = [
            (self.same / self.total).ln(),
            (self.place / self.total).ln(),
            (1.0 - (self.same + self.place) / self.total)
                .max(f64::MIN_POSITIVE)
                .ln(),
        ];
        let logs: Vec<[Shares; 3]> = self
            .features
            .iter()
            .map(|f| [f.same, f.place, f.strangers].map(|shares| shares.map(log)))
            .collect();
        for (pattern, count) in &sample.patterns {
            let mut sums = priors;
            for (level, logs) in pattern.iter().zip(&logs) {
                for (sum, logs) in sums.iter_mut().zip(logs) {
                    *sum += logs[*level as usize];
                }
            }
            let most = sums.iter().copied().fold(f64::MIN, f64::max);
            let odds = sums.map(|sum| (sum - most).exp());
            let whole: f64 = odds.iter().sum();
            let (is_same, is_place) = (count * odds[0] / whole, count * odds[1] / whole);
            same += is_same;
            place += is_place;
            for (level, tally) in pattern.iter().zip(&mut tallies) {
                tally.same[*level as usize] += is_same;
                tally.place[*level as usize] += is_place;
            }
        }
        let mut moved: f64 = 0.0;
        self.same = same.max(1.0);
        self.place = place.max(1.0);
        self.set_strangers(random, equal, &tallies);
        for (learned, tally) in self.features.iter_mut().zip(&tallies) {
            let kind = learned.feature.kind;
            let mut shares = smoothed(&tally.same, &start_same(kind));
            if !kind.is_shared() {
                keep_one_person(&mut shares);
            }
            for (old, new) in learned.same.iter().zip(&shares) {
                moved = moved.max((old - new).abs());
            }
            learned.same = shares;
            learned.place = if kind.is_shared() {
                smoothed(&tally.place, &start_place(kind))
            } else {
                unshared(kind, &learned.same, &learned.strangers)
            };
        }
        moved
    }

    /// What is seen of strangers: everything, less what is expected of one
    /// person's records and of one place's.
    fn set_strangers(&mut self, random: &Sample, equal: &[(f64, f64)], tallies: &[Tally]) {
        let (total, shares) = (self.total, random.pairs.max(1.0));
        for (at, learned) in self.features.iter_mut().enumerate() {
            let kind = learned.feature.kind;
            let mut seen = [0.0; LEVELS];
            for (pattern, count) in &random.patterns {
                seen[pattern[at] as usize] += count;
            }
            let expected = |level: usize| {
                let tally = &tallies[at];
                tally.same[level] + tally.place[level]
            };
            let (equal, both) = equal[at];
            let exact = Level::Exact as usize;
            let strangers = (both - (1..LEVELS).map(expected).sum::<f64>()).max(1.0);
            // What was never seen may be the next pair that is looked at.
            let exact_share = ((equal - expected(exact)).max(1.0) / strangers).min(0.999);
            // The other levels share what is left, as they are seen at random.
            let mut others = [0.0; LEVELS];
            for level in kind.levels().iter().map(|level| *level as usize) {
                if level != exact {
                    let chance = expected(level) * shares / total;
                    others[level] = (seen[level] - chance).max(0.0) + 0.5;
                }
            }
            let sum: f64 = others.iter().sum();
            learned.strangers = others.map(|share| share / sum * (1.0 - exact_share));
            learned.strangers[exact] = exact_share;
        }
    }

    fn weights(self) -> Weights {
        let per_record = |pairs: f64| 2.0 * pairs / self.records.max(1.0);
        Weights {
            same_per_record: per_record(self.same),
            place_per_record: per_record(self.place),
            pairs_per_record: per_record(self.total),
            features: self.features,
        }
    }
}

/// Of what belongs to one person alone, at most one pair in five of that
/// person's records differs.  Learning without answers only finds groups of
/// pairs that are alike; this says which of the groups is meant, where there are
/// more pairs of one household than of one person.
const MOST_DIFFER: f64 = 0.2;

fn keep_one_person(shares: &mut Shares) {
    let differs = shares[Level::Differs as usize];
    if differs > MOST_DIFFER {
        let up = (1.0 - MOST_DIFFER) / (1.0 - differs);
        shares.iter_mut().for_each(|share| *share *= up);
        shares[Level::Differs as usize] = MOST_DIFFER;
    }
}

fn log(share: f64) -> f64 {
    if share > 0.0 { share.ln() } else { 0.0 }
}

fn smoothed(tally: &Shares, start: &Shares) -> Shares {
    let mut shares = [0.0; LEVELS];
    let sum: f64 = tally[1..].iter().sum::<f64>() + START;
    for level in 1..LEVELS {
        shares[level] = (tally[level] + START * start[level]) / sum;
    }
    shares
}
