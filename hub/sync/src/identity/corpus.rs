//! The records that are compared, prepared once.

use super::feature::{Feature, Kind, Level};
use super::likeness::{is_close, unequal};
use super::vocabulary::{ValueId, Vocabulary};

/// At most so many features: a pattern of levels is one 64-bit number.
pub const MOST_FEATURES: usize = 21;

/// Which features are compared, and in which order they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    features: Vec<Feature>,
    /// Where the values of a feature begin in a row.
    starts: Vec<usize>,
    stride: usize,
    /// The feature that a misplaced value stands in.
    neighbours: Vec<Option<usize>>,
    /// Postal code, city and region, the narrowest first.
    area: [Option<usize>; 3],
    names: [Option<usize>; 2],
    email: Option<usize>,
}

impl Form {
    /// Features beyond the first [`MOST_FEATURES`] are not compared.
    pub fn new(mut features: Vec<Feature>) -> Self {
        features.truncate(MOST_FEATURES);
        let mut starts = Vec::with_capacity(features.len());
        let mut stride = 0;
        for feature in &features {
            starts.push(stride);
            stride += feature.width;
        }
        let neighbours = features
            .iter()
            .map(|feature| {
                let kind = feature.kind.neighbour()?;
                features.iter().position(|other| other.kind == kind)
            })
            .collect();
        let place = |kind: Kind| features.iter().position(|one: &Feature| one.kind == kind);
        let area = [Kind::PostalCode, Kind::Locality, Kind::Region].map(place);
        Self {
            names: [Kind::GivenName, Kind::FamilyName].map(place),
            email: place(Kind::Email),
            features,
            starts,
            stride,
            neighbours,
            area,
        }
    }

    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    pub fn position(&self, kind: Kind) -> Option<usize> {
        self.features.iter().position(|one| one.kind == kind)
    }
}

/// One level per feature.
pub type Pattern = [Level; MOST_FEATURES];

/// Records of one or of several sources.
#[derive(Clone, Debug)]
pub struct Corpus {
    form: Form,
    /// Neighbouring features share one vocabulary.
    vocabularies: Vec<Vocabulary>,
    vocabulary_of: Vec<usize>,
    rows: Vec<ValueId>,
    sources: Vec<u16>,
}

impl Corpus {
    pub fn new(form: Form) -> Self {
        let vocabulary_of: Vec<usize> = (0..form.features.len())
            .map(|at| form.neighbours[at].map_or(at, |other| other.min(at)))
            .collect();
        Self {
            vocabularies: vec![Vocabulary::default(); form.features.len()],
            vocabulary_of,
            rows: Vec::new(),
            sources: Vec::new(),
            form,
        }
    }

    /// Adds a record: values as they were written, by feature.  Gives its number.
    pub fn add<'a>(
        &mut self,
        source: u16,
        values: impl IntoIterator<Item = (usize, &'a str)>,
    ) -> u32 {
        let start = self.rows.len();
        self.rows.resize(start + self.form.stride, 0);
        for (feature, raw) in values {
            let Some(spec) = self.form.features.get(feature) else {
                continue;
            };
            let prepared = spec.kind.prepare(raw);
            let id = self.vocabularies[self.vocabulary_of[feature]].number(&prepared);
            let from = start + self.form.starts[feature];
            let places = &mut self.rows[from..from + spec.width];
            if id != 0
                && !places.contains(&id)
                && let Some(free) = places.iter_mut().find(|place| **place == 0)
            {
                *free = id;
            }
        }
        self.sources.push(source);
        u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX)
    }

    pub fn form(&self) -> &Form {
        &self.form
    }

    pub fn len(&self) -> usize {
        self.sources.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    pub fn source(&self, record: u32) -> u16 {
        self.sources[record as usize]
    }

    /// The values of a feature; 0 stands for none.
    pub fn values(&self, record: u32, feature: usize) -> &[ValueId] {
        let start = record as usize * self.form.stride + self.form.starts[feature];
        &self.rows[start..start + self.form.features[feature].width]
    }

    pub fn vocabulary(&self, feature: usize) -> &Vocabulary {
        &self.vocabularies[self.vocabulary_of[feature]]
    }

    /// The prepared text of a record's first value.
    pub fn text(&self, record: u32, feature: usize) -> &str {
        match self.values(record, feature)[0] {
            0 => "",
            id => self.vocabulary(feature).value(id).text,
        }
    }

    /// How two records compare, feature by feature.
    pub fn compare(&self, a: u32, b: u32) -> Pattern {
        let mut pattern = self.compare_all(a, b);
        self.tell_the_area_once(&mut pattern);
        pattern
    }

    /// The same with what follows from one another told more than once.
    pub(crate) fn compare_all(&self, a: u32, b: u32) -> Pattern {
        let mut pattern = [Level::Absent; MOST_FEATURES];
        for (feature, level) in pattern
            .iter_mut()
            .enumerate()
            .take(self.form.features.len())
        {
            *level = self.level(a, b, feature).0;
        }
        for feature in 0..self.form.features.len() {
            if let Some(other) = self.form.neighbours[feature]
                && feature < other
            {
                self.cross(a, b, feature, other, &mut pattern);
            }
        }
        self.tell_the_name_once(a, b, &mut pattern);
        pattern
    }

    /// Postal code, city and region follow from one another, so they are one
    /// piece of evidence: the narrowest on which both agree, or else the
    /// narrowest of which both have a value.
    fn tell_the_area_once(&self, pattern: &mut Pattern) {
        let mut told: Option<usize> = None;
        for agreed in [Level::Exact, Level::Close, Level::Differs] {
            for place in self.form.area.iter().flatten().copied() {
                let level = pattern[place];
                if told.is_none()
                    && level != Level::Absent
                    && (level == agreed || agreed == Level::Differs)
                {
                    told = Some(place);
                }
            }
        }
        for place in self.form.area.iter().flatten().copied() {
            if told != Some(place) {
                pattern[place] = Level::Absent;
            }
        }
    }

    /// The best level of a feature over all its values, and the value where
    /// they are equal.
    pub(crate) fn level(&self, a: u32, b: u32, feature: usize) -> (Level, ValueId) {
        let (mine, theirs) = (self.values(a, feature), self.values(b, feature));
        let mut best = (Level::Absent, 0);
        for x in mine.iter().filter(|id| **id != 0) {
            for y in theirs.iter().filter(|id| **id != 0) {
                if x == y {
                    return (Level::Exact, *x);
                }
                let vocabulary = self.vocabulary(feature);
                let kind = self.form.features[feature].kind;
                let level = unequal(kind, vocabulary.value(*x), vocabulary.value(*y));
                if best.0 == Level::Absent || level < best.0 {
                    best = (level, 0);
                }
            }
        }
        best
    }

    /// Values that stand each in the other's place: `Lee Ann` and `Ann Lee`.
    fn cross(&self, a: u32, b: u32, one: usize, other: usize, pattern: &mut Pattern) {
        let alike = |level: Level| {
            matches!(
                level,
                Level::Exact | Level::Initial | Level::Close | Level::Near
            )
        };
        if alike(pattern[one]) || alike(pattern[other]) {
            return;
        }
        let vocabulary = self.vocabulary(one);
        let swapped = |x: ValueId, y: ValueId| {
            (x != 0 && y != 0).then(|| x == y || is_close(vocabulary.value(x), vocabulary.value(y)))
        };
        let (a1, a2) = (self.values(a, one)[0], self.values(a, other)[0]);
        let (b1, b2) = (self.values(b, one)[0], self.values(b, other)[0]);
        let (there, back) = (swapped(a1, b2), swapped(a2, b1));
        if there == Some(false) || back == Some(false) || (there, back) == (None, None) {
            return;
        }
        // One is not crossed without the other, so it is told once.
        pattern[one] = Level::Crossed;
        pattern[other] = Level::Absent;
    }

    /// An address made out of a name follows from it: that two people called
    /// Ann Lee have `ann.lee` at two hosts says nothing beyond their names.
    fn tell_the_name_once(&self, a: u32, b: u32, pattern: &mut Pattern) {
        let Some(email) = self.form.email else { return };
        if !matches!(pattern[email], Level::Close | Level::Near) {
            return;
        }
        let made_of_name = self.form.names.iter().flatten().any(|name| {
            [a, b].into_iter().any(|record| {
                let (address, name) = (self.text(record, email), self.text(record, *name));
                name.len() >= 2 && address.contains(name)
            })
        });
        if made_of_name {
            pattern[email] = Level::Absent;
        }
    }
}

/// A pattern as one number, three bits a feature.
pub(crate) fn packed(pattern: &Pattern) -> u64 {
    pattern
        .iter()
        .rev()
        .fold(0, |packed, level| packed << 3 | *level as u64)
}

/// What [`packed`] packed.
pub(crate) fn unpacked(mut packed: u64) -> Pattern {
    let mut pattern = [Level::Absent; MOST_FEATURES];
    for level in &mut pattern {
        *level = Level::ALL[(packed & 7) as usize];
        packed >>= 3;
    }
    pattern
}
