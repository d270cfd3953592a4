//! From a weight to a decision.

use serde::{Deserialize, Serialize};

use super::blocking::Blocks;
use super::corpus::Corpus;
use super::knowledge::Knowledge;
use super::weights::{Frequencies, Rival, Scale, Weights};

/// What is done about a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Band {
    /// They are one.
    Link,
    /// A person decides.
    Review,
    /// They are two.
    Apart,
}

/// From which weight on, in bits, a pair is linked or shown to a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bands {
    pub link: f64,
    pub review: f64,
}

impl Default for Bands {
    /// Linked from odds of 499 to 1: at the border one link in five hundred is
    /// wrong, and since most lie far above it, fewer than one in a thousand of
    /// all, for a wrong merge costs more than a question.  Asked from 1 to 9,
    /// below which nine of ten questions would be for nothing.
    fn default() -> Self {
        Self {
            link: 499f64.log2(),
            review: -(9f64.log2()),
        }
    }
}

impl Bands {
    pub fn of(&self, weight: f64) -> Band {
        if weight >= self.link {
            Band::Link
        } else if weight >= self.review {
            Band::Review
        } else {
            Band::Apart
        }
    }
}

/// Two records, the lower number first, and how much likelier they are one than
/// two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub a: u32,
    pub b: u32,
    pub bits: f64,
}

/// Weighs pairs of a corpus.
pub struct Judge<'a> {
    pub(super) corpus: &'a Corpus,
    pub(super) frequencies: Frequencies,
    pub(super) scale: Scale,
}

impl<'a> Judge<'a> {
    pub fn new(corpus: &'a Corpus, weights: &Weights) -> Self {
        Self {
            corpus,
            frequencies: Frequencies::of(corpus),
            scale: Scale::new(weights),
        }
    }

    /// With what is known from elsewhere, of however few records.
    pub fn knowing(corpus: &'a Corpus, knowledge: &Knowledge) -> Self {
        Self {
            corpus,
            frequencies: knowledge.frequencies(corpus),
            scale: Scale::new(&knowledge.weights),
        }
    }

    /// How much likelier two records are one than two, in bits.
    pub fn weigh(&self, a: u32, b: u32) -> f64 {
        self.scale.weigh(self.corpus, &self.frequencies, a, b).0
    }

    pub(super) fn rival(&self, a: u32, b: u32) -> Rival {
        self.scale.weigh(self.corpus, &self.frequencies, a, b).1
    }

    /// Every pair of the blocks that is not apart, the likeliest first.
    pub fn candidates(&self, blocks: &Blocks, bands: Bands) -> Vec<Pair> {
        let mut found = Vec::new();
        blocks.pairs(self.corpus, |a, b| {
            let bits = self.weigh(a, b);
            if bits >= bands.review {
                found.push(Pair { a, b, bits });
            }
        });
        found.sort_by(|x, y| {
            let by_weight = y.bits.total_cmp(&x.bits);
            by_weight.then_with(|| (x.a, x.b).cmp(&(y.a, y.b)))
        });
        found
    }
}
