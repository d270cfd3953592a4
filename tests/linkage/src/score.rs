//! Pairs found against pairs that are.

use std::collections::HashMap;
use std::hash::Hash;

use concord_sync::identity::Clusters;
use serde_json::{Value, json};

/// Counts of pairs.
#[derive(Debug)]
pub(crate) struct Score {
    right: u64,
    found: u64,
    there: u64,
    /// Pairs left to a person, and how many of those are pairs.
    review: u64,
    review_right: u64,
}

fn pairs<K: Hash + Eq>(keys: impl Iterator<Item = K>) -> u64 {
    let mut sizes: HashMap<K, u64> = HashMap::new();
    for key in keys {
        *sizes.entry(key).or_default() += 1;
    }
    sizes.into_values().map(|n| n * (n - 1) / 2).sum()
}

impl Score {
    /// Every pair within a cluster counts.  `truth`: who each record really is.
    pub(crate) fn of<T: Hash + Eq + Copy>(clusters: &Clusters, truth: &[T]) -> Self {
        let review = &clusters.review;
        let right = |a: u32, b: u32| truth[a as usize] == truth[b as usize];
        Self {
            right: pairs(clusters.of.iter().zip(truth)),
            found: pairs(clusters.of.iter()),
            there: pairs(truth.iter()),
            review: review.len() as u64,
            review_right: review.iter().filter(|pair| right(pair.a, pair.b)).count() as u64,
        }
    }

    pub(crate) fn document(&self) -> Value {
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let (precision, recall) = (share(self.right, self.found), share(self.right, self.there));
        let f1 = 2.0 * precision * recall / (precision + recall).max(f64::MIN_POSITIVE);
        let rounded = |share: f64| (share * 1e6).round() / 1e6;
        json!({
            "precision": rounded(precision),
            "recall": rounded(recall),
            "f1": rounded(f1),
            "pairs": self.there,
            "found": self.found,
            "wrong": self.found - self.right,
            "review": self.review,
            "review_right": self.review_right,
        })
    }
}
