//! From pairs to who is who.

use super::judge::{Band, Bands, Judge, Pair};

/// What the pairs came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clusters {
    /// The cluster of each record, named by its lowest record.
    pub of: Vec<u32>,
    /// Pairs across two clusters that a person has to look at, the likeliest
    /// first.
    pub review: Vec<Pair>,
}

impl Clusters {
    fn new(of: Vec<u32>, candidates: &[Pair]) -> Self {
        let across = |pair: &&Pair| of[pair.a as usize] != of[pair.b as usize];
        Self {
            review: candidates.iter().filter(across).copied().collect(),
            of,
        }
    }

    /// The records of each cluster of more than one, in order.
    pub fn groups(&self) -> Vec<Vec<u32>> {
        let mut numbered: Vec<(u32, u32)> = self.of.iter().copied().zip(0..).collect();
        numbered.sort_unstable();
        numbered
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|group| group.len() > 1)
            .map(|group| group.iter().map(|(_, record)| *record).collect())
            .collect()
    }
}

/// Records of one file that are one: pairs are taken in order of their weight,
/// and two clusters become one where all pairs across them, taken together,
/// speak for it.  One record that is like two others which are not like each
/// other does not draw them together.
///
/// `candidates` as [`Judge::candidates`] gives them.
pub fn clusters(judge: &Judge<'_>, candidates: &[Pair], bands: Bands) -> Clusters {
    let mut of: Vec<u32> = (0..judge.corpus.len() as u32).collect();
    let mut members: Vec<Vec<u32>> = of.iter().map(|record| vec![*record]).collect();
    for pair in candidates {
        if bands.of(pair.bits) != Band::Link {
            break;
        }
        let (one, other) = (of[pair.a as usize], of[pair.b as usize]);
        if one == other {
            continue;
        }
        let (into, from) = (one.min(other), one.max(other));
        let hold_together = {
            let (mine, theirs) = (&members[into as usize], &members[from as usize]);
            mine.len() + theirs.len() == 2
                || mine
                    .iter()
                    .flat_map(|a| theirs.iter().map(move |b| (*a.min(b), *a.max(b))))
                    .map(|(a, b)| judge.weigh(a, b))
                    .sum::<f64>()
                    > 0.0
        };
        if hold_together {
            let moved = std::mem::take(&mut members[from as usize]);
            for record in &moved {
                of[*record as usize] = into;
            }
            members[into as usize].extend(moved);
        }
    }
    Clusters::new(of, candidates)
}

/// Records of files that hold nobody twice: each record is at most one of the
/// other file, the likeliest pair first.  A pair is left to a person where
/// either of the two has another free partner that is nearly as likely: by the
/// same odds as for a link.
pub fn one_to_one(judge: &Judge<'_>, candidates: &[Pair], bands: Bands) -> Clusters {
    let records = judge.corpus.len();
    let mut partner: Vec<Option<u32>> = vec![None; records];
    let mut links = Vec::new();
    for pair in candidates {
        if bands.of(pair.bits) != Band::Link {
            break;
        }
        let (a, b) = (pair.a as usize, pair.b as usize);
        if partner[a].is_none() && partner[b].is_none() {
            partner[a] = Some(pair.b);
            partner[b] = Some(pair.a);
            links.push(*pair);
        }
    }
    // The best partner of each record that was left without one.
    let mut second: Vec<f64> = vec![f64::MIN; records];
    for pair in candidates {
        let (a, b) = (pair.a as usize, pair.b as usize);
        if partner[b].is_none() {
            second[a] = second[a].max(pair.bits);
        }
        if partner[a].is_none() {
            second[b] = second[b].max(pair.bits);
        }
    }
    let mut of: Vec<u32> = (0..records as u32).collect();
    for pair in links {
        let rival = second[pair.a as usize].max(second[pair.b as usize]);
        if pair.bits - rival >= bands.link {
            of[pair.b as usize] = pair.a;
        }
    }
    Clusters::new(of, candidates)
}
