//! What the levels of a comparison are worth.
//!
//! Fellegi and Sunter (1969) weigh a level by how much more often it is seen
//! between two records of one person (`m`) than between two of strangers (`u`).
//! Strangers are not the only others, though: two people under one roof, in one
//! office or on one switchboard agree on everything that is shared there.  They
//! are a class of their own here (after Winkler, who fits three classes to
//! household data): `h` is how often a level is seen between them.  What is not
//! shared (a given name, a date of birth, a number) they have in common as
//! rarely as strangers.  A pair is weighed against whichever of both others is
//! likelier, in bits: one bit more is twice as likely the same.

use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, Form, Pattern};
use super::feature::{Feature, Kind, LEVELS, Level};
use super::vocabulary::ValueId;

/// How often each level is seen; `Absent` stands at 0 and says nothing.
pub type Shares = [f64; LEVELS];

/// What was learned of one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    #[serde(flatten)]
    pub feature: Feature,
    /// Between two records of one person.
    pub same: Shares,
    /// Between two people of one place.
    pub place: Shares,
    /// Between two strangers.
    pub strangers: Shares,
}

/// Everything that was learned of a form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    pub features: Vec<Learned>,
    /// How many other records of the same person a record has.
    pub same_per_record: f64,
    /// How many records of other people of its place a record has.
    pub place_per_record: f64,
    /// How many pairs of records there were for each record: the odds that
    /// any two are the same person follow from it.
    pub pairs_per_record: f64,
}

/// The level that a feature begins with before anything is learned: nine of
/// ten records of one person agree on a field, and the slips are spread evenly.
/// Only a start for the learning, and a hold for levels that it does not see.
pub fn start_same(kind: Kind) -> Shares {
    spread(kind, 0.9)
}

/// Two people of one place agree on what is shared there in half of all cases;
/// only a start as well.
pub fn start_place(kind: Kind) -> Shares {
    spread(kind, 0.5)
}

fn spread(kind: Kind, exact: f64) -> Shares {
    let mut shares = [0.0; LEVELS];
    let levels = kind.levels();
    let rest = (1.0 - exact) / (levels.len() - 1) as f64;
    for level in levels {
        shares[*level as usize] = if *level == Level::Exact { exact } else { rest };
    }
    shares
}

/// A father and a son, a mother and a daughter may have one name.  How many do
/// is not learned, for in most data nothing tells them apart from a duplicate;
/// one pair in a hundred errs towards asking a person.
const NAMED_AFTER: f64 = 0.01;

/// What people of one place have in common of a feature that is not shared
/// there: as much as strangers, but for names handed down.
pub fn unshared(kind: Kind, same: &Shares, strangers: &Shares) -> Shares {
    if kind != Kind::GivenName {
        return *strangers;
    }
    let mut shares = [0.0; LEVELS];
    for ((share, same), stranger) in shares.iter_mut().zip(same).zip(strangers) {
        *share = NAMED_AFTER * same + (1.0 - NAMED_AFTER) * stranger;
    }
    shares
}

/// How likely a stranger has each value of a corpus too, by feature and number.
#[derive(Clone, Debug)]
pub struct Frequencies {
    shares: Vec<Vec<f32>>,
}

impl Frequencies {
    /// Counted in the corpus itself: how many of the other records have a value,
    /// both of the pair left out, and one more than was seen where the value
    /// comes from a common stock of names and places.
    pub fn of(corpus: &Corpus) -> Self {
        let records = corpus.len().max(1) as f64;
        let features = corpus.form().features().iter().enumerate();
        let shares = features.map(|(at, feature)| {
            let mut counts = vec![0u32; corpus.vocabulary(at).len() + 1];
            for record in 0..corpus.len() as u32 {
                for id in corpus.values(record, at) {
                    counts[*id as usize] += 1;
                }
            }
            let unseen = u32::from(feature.kind.has_common_values());
            let share = |count: u32| f64::from(count.saturating_sub(2) + unseen) / records;
            counts
                .into_iter()
                .map(|count| share(count) as f32)
                .collect()
        });
        Self {
            shares: shares.collect(),
        }
    }

    /// Known from elsewhere.
    pub(super) fn by(corpus: &Corpus, share: impl Fn(usize, &str) -> f64) -> Self {
        let shares = (0..corpus.form().features().len()).map(|at| {
            let vocabulary = corpus.vocabulary(at);
            let known = (1..=vocabulary.len() as u32).map(|id| vocabulary.value(id).text);
            let known = known.map(|text| share(at, text) as f32);
            std::iter::once(0.0).chain(known).collect()
        });
        Self {
            shares: shares.collect(),
        }
    }

    pub(super) fn share(&self, feature: usize, id: ValueId) -> f64 {
        f64::from(self.shares[feature][id as usize])
    }
}

/// Who two records that are not one person most likely are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rival {
    Strangers,
    Place,
}

/// The weights in bits, ready for many comparisons.
#[derive(Clone, Debug)]
pub struct Scale {
    kinds: Vec<Kind>,
    same: Vec<[f64; LEVELS]>,
    place: Vec<[f64; LEVELS]>,
    strangers: Vec<[f64; LEVELS]>,
    prior_place: f64,
    prior_strangers: f64,
}

impl Scale {
    pub fn new(weights: &Weights) -> Self {
        let bits = |of: fn(&Learned) -> &Shares| -> Vec<[f64; LEVELS]> {
            let log = |share: &f64| if *share > 0.0 { share.log2() } else { 0.0 };
            let features = weights.features.iter();
            features
                .map(|learned| {
                    let mut bits = [0.0; LEVELS];
                    for (bits, share) in bits.iter_mut().zip(of(learned)) {
                        *bits = log(share);
                    }
                    bits
                })
                .collect()
        };
        let pairs = weights.pairs_per_record.max(1.0);
        let rest = (1.0 - (weights.same_per_record + weights.place_per_record) / pairs).max(0.5);
        Self {
            kinds: weights.features.iter().map(|f| f.feature.kind).collect(),
            same: bits(|learned| &learned.same),
            place: bits(|learned| &learned.place),
            strangers: bits(|learned| &learned.strangers),
            prior_place: (weights.same_per_record / weights.place_per_record).log2(),
            prior_strangers: (weights.same_per_record / pairs / rest).log2(),
        }
    }

    /// How much likelier two records are one person than two, in bits, and who
    /// the two would be.
    pub fn weigh(
        &self,
        corpus: &Corpus,
        frequencies: &Frequencies,
        a: u32,
        b: u32,
    ) -> (f64, Rival, Pattern) {
        let pattern = corpus.compare(a, b);
        let (mut strangers, mut place) = (self.prior_strangers, self.prior_place);
        for (feature, level) in pattern.iter().enumerate().take(self.kinds.len()) {
            let (s, p) = self.field(corpus, frequencies, (a, b), feature, *level);
            strangers += s;
            place += p;
        }
        if place < strangers {
            (place, Rival::Place, pattern)
        } else {
            (strangers, Rival::Strangers, pattern)
        }
    }

    /// What one field says against strangers, and against people of one place.
    pub fn field(
        &self,
        corpus: &Corpus,
        frequencies: &Frequencies,
        (a, b): (u32, u32),
        feature: usize,
        level: Level,
    ) -> (f64, f64) {
        if level == Level::Absent {
            return (0.0, 0.0);
        }
        let at = level as usize;
        let kind = self.kinds[feature];
        let same = self.same[feature][at];
        let mut strangers = self.strangers[feature][at];
        let mut place = self.place[feature][at];
        if level == Level::Exact {
            let (_, id) = corpus.level(a, b, feature);
            let share = frequencies.share(feature, id);
            if kind.has_common_values() {
                strangers = share.log2();
            } else if share > 0.0 {
                strangers = strangers.max(share.log2());
            }
            if !kind.is_shared() {
                // A common name is common within a house too.
                place = place.max(strangers);
            }
        }
        (same - strangers, same - place)
    }

    /// What is said before any field is looked at: against strangers, and
    /// against people of one place.
    pub fn priors(&self) -> (f64, f64) {
        (self.prior_strangers, self.prior_place)
    }
}

impl Weights {
    pub fn form(&self) -> Form {
        Form::new(self.features.iter().map(|f| f.feature.clone()).collect())
    }
}
