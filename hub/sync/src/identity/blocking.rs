//! Which pairs are compared at all.
//!
//! Records that share a value are put into a block.  Several passes look at
//! several values, so that a slip in one of them hides nobody.  A value that
//! more than [`CAP`] records share says too little and makes no block; it is
//! joined with a second value instead, and where that is common too the pair is
//! left to the other passes.  A record therefore meets at most `CAP` others a
//! pass, however many records there are: the work grows with the number of
//! records and not with its square.

use rustc_hash::FxHashSet;

use super::corpus::Corpus;
use super::feature::Kind;

/// The largest block.  With some thirty passes a record is compared with at
/// most 1,500 others; in practice, because most values are rarer, with some
/// hundred.
pub const CAP: usize = 50;

/// What of a record makes a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The values of a feature, as they are.
    Values(usize),
    /// The values of two neighbours, so that swapped ones meet.
    Either(usize, usize),
    /// The same, by their skeletons.
    Skeletons(usize, usize),
    Skeleton(usize),
}

#[derive(Clone, Debug)]
struct Pass {
    /// Where its block numbers begin in a row, and how many there are.
    start: usize,
    width: usize,
    /// Block `n` of the pass is `members[ends[n - 1]..ends[n]]`.
    members: Vec<u32>,
    ends: Vec<u32>,
}

/// The blocks of a corpus.
#[derive(Clone, Debug)]
pub struct Blocks {
    passes: Vec<Pass>,
    /// Per record the block it is in, per pass; 0 for none.
    ids: Vec<u32>,
    stride: usize,
    across: bool,
}

/// What makes the blocks of one pass: the keys of each record.
struct Keys {
    /// Key and record.
    entries: Vec<(u64, u32)>,
    width: usize,
}

impl Blocks {
    /// `across`: only records of different sources are pairs.
    pub fn of(corpus: &Corpus, across: bool) -> Self {
        let mut passes = Vec::new();
        let mut found: Vec<(Pass, Vec<u32>)> = Vec::new();
        let singles = singles(corpus);
        // What is too common to make a block by itself.
        let mut common: Vec<(Part, FxHashSet<u64>)> = Vec::new();
        for part in &singles {
            let (pass, ids, too_common) = group(corpus, keys_of(corpus, *part), across);
            common.push((*part, too_common));
            found.push((pass, ids));
        }
        let parts = joined(corpus);
        let tokens: Vec<Vec<u64>> = parts.iter().map(|part| tokens(corpus, *part)).collect();
        for one in 0..parts.len() {
            for other in one + 1..parts.len() {
                // Whoever shares a rarer value has been met by it already.
                let is_rare = |part: Part, token: u64| {
                    common
                        .iter()
                        .any(|(known, common)| covers(*known, part) && !common.contains(&token))
                };
                let swappable = matches!(
                    (parts[one], parts[other]),
                    (Part::Skeleton(x), Part::Skeleton(y)) if neighbours(corpus, x, y)
                );
                let mut entries = Vec::new();
                for record in 0..corpus.len() as u32 {
                    let (x, y) = (tokens[one][record as usize], tokens[other][record as usize]);
                    if x == 0 || y == 0 {
                        continue;
                    }
                    if is_rare(parts[one], x) || is_rare(parts[other], y) {
                        continue;
                    }
                    let (x, y) = if swappable && y < x { (y, x) } else { (x, y) };
                    entries.push((mix(x, y), record));
                }
                let keys = Keys { entries, width: 1 };
                let (pass, ids, _) = group(corpus, keys, across);
                found.push((pass, ids));
            }
        }
        found.retain(|(pass, _)| !pass.members.is_empty());
        let stride = found.iter().map(|(pass, _)| pass.width).sum();
        let mut ids = vec![0; corpus.len() * stride];
        let mut start = 0;
        for (mut pass, mine) in found {
            pass.start = start;
            let rows = mine.chunks_exact(pass.width);
            for (row, mine) in ids.chunks_exact_mut(stride).zip(rows) {
                row[start..start + pass.width].copy_from_slice(mine);
            }
            start += pass.width;
            passes.push(pass);
        }
        Self {
            passes,
            ids,
            stride,
            across,
        }
    }

    /// Calls `look` once for every pair that shares a block.
    pub fn pairs(&self, corpus: &Corpus, mut look: impl FnMut(u32, u32)) {
        for (number, pass) in self.passes.iter().enumerate() {
            let mut from = 0;
            for (block, end) in (1u32..).zip(&pass.ends) {
                let members = &pass.members[from..*end as usize];
                from = *end as usize;
                for (at, a) in members.iter().enumerate() {
                    for b in &members[at + 1..] {
                        if self.across && corpus.source(*a) == corpus.source(*b) {
                            continue;
                        }
                        if !self.met_before(*a, *b, number, block) {
                            look(*a.min(b), *a.max(b));
                        }
                    }
                }
            }
        }
    }

    /// The records that share a block with this one, itself left out.
    pub fn company(&self, record: u32) -> Vec<u32> {
        let mut found = Vec::new();
        for pass in &self.passes {
            for id in self.row(record, pass).iter().filter(|id| **id != 0) {
                let block = *id as usize - 1;
                let from = if block == 0 { 0 } else { pass.ends[block - 1] };
                found.extend(&pass.members[from as usize..pass.ends[block] as usize]);
            }
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|other| *other != record);
        found
    }

    fn row(&self, record: u32, pass: &Pass) -> &[u32] {
        let start = record as usize * self.stride + pass.start;
        &self.ids[start..start + pass.width]
    }

    /// The pair shares a block of an earlier pass, or an earlier one of this.
    fn met_before(&self, a: u32, b: u32, pass: usize, block: u32) -> bool {
        let shares = |pass: &Pass, below: u32| {
            let (mine, theirs) = (self.row(a, pass), self.row(b, pass));
            mine.iter()
                .any(|id| *id != 0 && *id < below && theirs.contains(id))
        };
        self.passes[..pass]
            .iter()
            .any(|earlier| shares(earlier, u32::MAX))
            || (self.passes[pass].width > 1 && shares(&self.passes[pass], block))
    }
}

fn neighbours(corpus: &Corpus, one: usize, other: usize) -> bool {
    let features = corpus.form().features();
    features[one].kind.neighbour() == Some(features[other].kind)
}

/// True where the values of `part` were looked at by `known` alone.
fn covers(known: Part, part: Part) -> bool {
    match (known, part) {
        (Part::Skeletons(x, y), Part::Skeleton(one)) => one == x || one == y,
        _ => known == part,
    }
}

/// The first passes: one value each.
fn singles(corpus: &Corpus) -> Vec<Part> {
    let form = corpus.form();
    let mut parts = Vec::new();
    for (at, feature) in form.features().iter().enumerate() {
        match feature.kind {
            // Too common by themselves, whatever the population.
            Kind::HouseNumber | Kind::Region => {}
            kind => match kind.neighbour().and_then(|other| form.position(other)) {
                Some(other) if other < at => {}
                Some(other) => parts.push(Part::Either(at, other)),
                None => parts.push(Part::Values(at)),
            },
        }
    }
    // What sounds alike comes after what is equal, so that the larger blocks
    // hold few pairs that were not met before.
    for part in parts.clone() {
        if let Part::Either(one, other) = part {
            parts.push(Part::Skeletons(one, other));
        }
    }
    parts
}

/// What is joined in twos where each alone is too common.
fn joined(corpus: &Corpus) -> Vec<Part> {
    let features = corpus.form().features().iter().enumerate();
    features
        .filter_map(|(at, feature)| match feature.kind {
            Kind::GivenName | Kind::FamilyName | Kind::Street => Some(Part::Skeleton(at)),
            Kind::BirthDate
            | Kind::Company
            | Kind::HouseNumber
            | Kind::Locality
            | Kind::Name
            | Kind::PostalCode => Some(Part::Values(at)),
            Kind::Email | Kind::Phone | Kind::Identifier | Kind::Extra | Kind::Region => None,
        })
        .collect()
}

fn keys_of(corpus: &Corpus, part: Part) -> Keys {
    let mut entries = Vec::new();
    let mut push = |feature: usize, sounds: &Option<Vec<u64>>| {
        for record in 0..corpus.len() as u32 {
            for id in corpus.values(record, feature).iter().filter(|id| **id != 0) {
                let key = sounds
                    .as_ref()
                    .map_or(u64::from(*id), |of| of[*id as usize]);
                if key != 0 {
                    entries.push((key, record));
                }
            }
        }
    };
    let width = match part {
        Part::Values(feature) => {
            push(feature, &None);
            corpus.form().features()[feature].width
        }
        Part::Skeleton(feature) => {
            push(feature, &Some(skeletons(corpus, feature)));
            1
        }
        Part::Either(one, other) => {
            push(one, &None);
            push(other, &None);
            2
        }
        Part::Skeletons(one, other) => {
            let sounds = Some(skeletons(corpus, one));
            push(one, &sounds);
            push(other, &sounds);
            2
        }
    };
    Keys { entries, width }
}

/// One token a record, 0 for none.
fn tokens(corpus: &Corpus, part: Part) -> Vec<u64> {
    let mut found = vec![0; corpus.len()];
    for (key, record) in keys_of(corpus, part).entries.into_iter().rev() {
        found[record as usize] = key;
    }
    found
}

/// Sorts the keys, and makes a block of each that is neither alone nor common.
/// Tells as well which keys are common.
fn group(corpus: &Corpus, keys: Keys, across: bool) -> (Pass, Vec<u32>, FxHashSet<u64>) {
    let Keys { mut entries, width } = keys;
    entries.sort_unstable();
    entries.dedup();
    let mut pass = Pass {
        start: 0,
        width,
        members: Vec::new(),
        ends: Vec::new(),
    };
    let mut ids = vec![0; corpus.len() * width];
    let mut common = FxHashSet::default();
    for block in entries.chunk_by(|a, b| a.0 == b.0) {
        let mixed = || {
            let first = corpus.source(block[0].1);
            block
                .iter()
                .any(|(_, record)| corpus.source(*record) != first)
        };
        if block.len() > CAP {
            common.insert(block[0].0);
            continue;
        }
        if block.len() < 2 || (across && !mixed()) {
            continue;
        }
        let id = pass.ends.len() as u32 + 1;
        for (_, record) in block {
            let start = *record as usize * width;
            let places = &mut ids[start..start + width];
            if let Some(free) = places.iter_mut().find(|place| **place == 0) {
                *free = id;
                pass.members.push(*record);
            }
        }
        pass.ends.push(pass.members.len() as u32);
    }
    (pass, ids, common)
}

/// The skeleton of every value of a feature's vocabulary as a number.
fn skeletons(corpus: &Corpus, feature: usize) -> Vec<u64> {
    let vocabulary = corpus.vocabulary(feature);
    let mut found = vec![0; vocabulary.len() + 1];
    for id in 1..=vocabulary.len() as u32 {
        let skeleton = skeleton(vocabulary.value(id).text);
        found[id as usize] = skeleton.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            mix(hash, u64::from(byte))
        });
    }
    found
}

/// The first letter and the consonants after it, none twice in a row: what is
/// left of a name when it is written as it sounds (`meyer`, `maier`).
pub fn skeleton(text: &str) -> String {
    let mut found = String::new();
    let mut before = ' ';
    for c in text.chars() {
        if c == ' ' || c == before {
            continue;
        }
        before = c;
        if found.is_empty() || !matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' | 'w') {
            found.push(c);
        }
    }
    found
}

/// A number out of two; splitmix64's finisher spreads it.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a
        .rotate_left(29)
        .wrapping_add(b)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
