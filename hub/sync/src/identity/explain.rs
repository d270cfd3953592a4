//! Why two records are taken for one, or not: field by field.

use serde::{Deserialize, Serialize};

use super::feature::Level;
use super::judge::{Band, Bands, Judge};
use super::weights::Rival;

/// What one field said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldWeight {
    pub field: String,
    pub level: Level,
    pub words: String,
    /// For one person above zero, against it below.
    pub bits: f64,
}

/// Why a pair is in its band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub band: Band,
    /// The odds before any field and all fields together: each bit doubles them.
    pub bits: f64,
    pub prior: f64,
    /// Whom the two most likely are if they are not one.
    pub rival: Rival,
    /// Those of which both have a value, the weightiest first.
    pub fields: Vec<FieldWeight>,
}

impl Judge<'_> {
    pub fn explain(&self, a: u32, b: u32, bands: Bands) -> Explanation {
        let pattern = self.corpus.compare(a, b);
        let rival = self.rival(a, b);
        let against = |(strangers, place): (f64, f64)| match rival {
            Rival::Strangers => strangers,
            Rival::Place => place,
        };
        let features = self.corpus.form().features().iter().enumerate();
        let mut fields: Vec<FieldWeight> = features
            .filter(|(at, _)| pattern[*at] != Level::Absent)
            .map(|(at, feature)| {
                let level = pattern[at];
                let said = self
                    .scale
                    .field(self.corpus, &self.frequencies, (a, b), at, level);
                FieldWeight {
                    field: feature.name.clone(),
                    level,
                    words: level.words(feature.kind).to_owned(),
                    bits: against(said),
                }
            })
            .collect();
        fields.sort_by(|x, y| y.bits.abs().total_cmp(&x.bits.abs()));
        let prior = against(self.scale.priors());
        let bits = prior + fields.iter().map(|field| field.bits).sum::<f64>();
        Explanation {
            band: bands.of(bits),
            bits,
            prior,
            rival,
            fields,
        }
    }
}

impl Explanation {
    /// In words: `odds 8 to 1 against two people of one place: birthday equal
    /// (+9.1), given_name nearly equal (+3.2), phone different (-1.0)`.
    pub fn words(&self) -> String {
        let odds = self.bits.abs().min(60.0).exp2().round();
        let odds = if self.bits >= 0.0 {
            format!("{odds} to 1")
        } else {
            format!("1 to {odds}")
        };
        let rival = match self.rival {
            Rival::Strangers => "two strangers",
            Rival::Place => "two of one household or office",
        };
        let fields: Vec<String> = self
            .fields
            .iter()
            .map(|field| format!("{} {} ({:+.1})", field.field, field.words, field.bits))
            .collect();
        format!(
            "odds {odds} that they are one and not {rival}: {}; {:+.1} before any field",
            fields.join(", "),
            self.prior
        )
    }
}
