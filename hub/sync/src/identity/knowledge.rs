//! What a hub knows of a kind of entity before it compares two of them: the
//! weights, and how common the commonest values are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, Form};
use super::feature::{Feature, Kind, LEVELS, Level};
use super::weights::{Frequencies, Learned, Shares, Weights, unshared};

/// So many values of a feature are kept with how common they are: beyond them a
/// name is rarer than one in some thousand people, and all are taken alike.
const KEPT: usize = 1_000;

/// Learned from a store's own records, or what a hub begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Knowledge {
    pub weights: Weights,
    /// Per feature the commonest values and their share of all records.
    pub common: Vec<BTreeMap<String, f64>>,
    /// Per feature the share that any other value has.
    pub rest: Vec<f64>,
}

impl Knowledge {
    /// Keeps what was learned from a corpus.
    pub fn learned(corpus: &Corpus, weights: Weights) -> Self {
        let frequencies = Frequencies::of(corpus);
        let features = 0..corpus.form().features().len();
        let (common, rest) = features
            .map(|feature| {
                let vocabulary = corpus.vocabulary(feature);
                let mut shares: Vec<(f64, u32)> = (1..=vocabulary.len() as u32)
                    .map(|id| (frequencies.share(feature, id), id))
                    .filter(|(share, _)| *share > 0.0)
                    .collect();
                shares.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                shares.truncate(KEPT);
                let rest = shares.last().map_or(0.0, |(share, _)| *share);
                let text = |id: u32| vocabulary.value(id).text.to_owned();
                let common = shares.into_iter().map(|(share, id)| (text(id), share));
                (common.collect(), rest)
            })
            .unzip();
        Self {
            weights,
            common,
            rest,
        }
    }

    /// What a hub begins with: round figures, each rather too careful than too
    /// bold, until `concord matches learn` puts measured ones in their place.
    ///
    /// Records of one person agree on nine of ten names and on six of ten ways
    /// to reach them, which change.  How often strangers agree is of the order
    /// that the commonest values have: one in a hundred has the commonest given
    /// name of a country, one in two hundred the commonest family name (Smith in
    /// the United States' census of 2000: 0.8 %), one in 20,000 a given birthday
    /// within 55 years.  A list is taken as a part of at least 100,000 people:
    /// that two of twenty are called Ann Lee does not make them one.
    pub fn at_first(form: &Form) -> Self {
        let features = form.features().iter();
        let weights = Weights {
            features: features.map(begin).collect(),
            same_per_record: 0.3,
            place_per_record: 0.3,
            pairs_per_record: 100_000.0,
        };
        let rest = weights.features.iter().map(|learned| {
            let is_stock = learned.feature.kind.has_common_values();
            if is_stock {
                learned.strangers[Level::Exact as usize]
            } else {
                0.0
            }
        });
        Self {
            rest: rest.collect(),
            common: vec![BTreeMap::new(); weights.features.len()],
            weights,
        }
    }

    /// How common each value of a corpus is, as far as it is known.
    pub(super) fn frequencies(&self, corpus: &Corpus) -> Frequencies {
        Frequencies::by(corpus, |feature, text| {
            let common = self.common[feature].get(text);
            common.copied().unwrap_or(self.rest[feature])
        })
    }

    /// True where this was made for that form: a schema may have got a field
    /// since.
    pub fn fits(&self, form: &Form) -> bool {
        let mine = self.weights.features.iter().map(|learned| &learned.feature);
        mine.eq(form.features())
            && self.common.len() == self.rest.len()
            && self.rest.len() == form.features().len()
    }
}

/// How often records of one person, people of one place and strangers agree on
/// a feature, before anything was learned.
fn begin(feature: &Feature) -> Learned {
    let (same, place, strangers) = match feature.kind {
        Kind::GivenName => (0.9, 0.01, 0.01),
        Kind::FamilyName => (0.9, 0.7, 0.005),
        Kind::Name => (0.9, 0.001, 0.001),
        Kind::Identifier => (0.95, 1e-6, 1e-6),
        Kind::Email => (0.6, 0.1, 1e-6),
        Kind::Phone => (0.6, 0.4, 1e-5),
        Kind::BirthDate => (0.95, 5e-5, 5e-5),
        Kind::Company => (0.6, 0.5, 0.002),
        Kind::Street => (0.8, 0.9, 0.002),
        Kind::HouseNumber => (0.8, 0.9, 0.02),
        Kind::Extra => (0.6, 0.5, 0.02),
        Kind::Locality => (0.9, 0.95, 0.05),
        Kind::PostalCode => (0.85, 0.95, 0.002),
        Kind::Region => (0.9, 0.95, 0.2),
    };
    let kind = feature.kind;
    let same = spread(kind, same, 0.5);
    let strangers = spread(kind, strangers, 0.02);
    let place = if kind.is_shared() {
        spread(kind, place, 0.1)
    } else {
        unshared(kind, &same, &strangers)
    };
    Learned {
        feature: feature.clone(),
        same,
        place,
        strangers,
    }
}

/// The share of equal values; of the rest so much is alike, in equal parts over
/// the levels, and the remainder differs.
fn spread(kind: Kind, exact: f64, alike: f64) -> Shares {
    let mut shares = [0.0; LEVELS];
    let between = (kind.levels().len() - 2) as f64;
    for level in kind.levels() {
        shares[*level as usize] = match level {
            Level::Exact => exact,
            Level::Differs => (1.0 - exact) * (1.0 - alike),
            _ => (1.0 - exact) * alike / between,
        };
    }
    shares
}
