//! The matcher's second tier: who shares no key, or only a doubtful one, is
//! compared with its block by learned weights.

use concord_core::ports::Rng;
use concord_core::state::{Link, LinkState};
use concord_core::{Entity, EntityId, Fields, Kind, Value};
use concord_sync::identity::{
    Band, Bands, Blocks, Corpus, Explanation, Judge, Knowledge, Subject, learn,
};
use serde::Serialize;

use crate::documents;
use crate::error::EngineError;
use crate::hub::Hub;
use crate::references::Known;

/// Fewer pairs of one person teach nothing.
const FEWEST_PAIRS: f64 = 100.0;
const CHUNK: u32 = 500;

fn document(kind: &Kind) -> String {
    format!("match-weights/{kind}")
}

/// What is known of a kind, ready to compare.
pub(crate) struct Likely<'a> {
    subject: &'a Subject,
    knowledge: Knowledge,
    bands: Bands,
}

/// What the comparison with a block says.
pub(crate) enum Likeliest {
    Nobody,
    One(EntityId, String),
    Ask(Vec<EntityId>, String),
}

impl Hub {
    /// None for a kind that is told apart by its keys alone.
    pub(crate) async fn likely(&self, kind: &Kind) -> Result<Option<Likely<'_>>, EngineError> {
        let Some(subject) = self.subjects.get(kind) else {
            return Ok(None);
        };
        let store = self.store.as_ref();
        let learned: Option<Knowledge> = documents::read(store, &document(kind)).await?;
        let knowledge = learned
            .filter(|known| known.fits(subject.form()))
            .unwrap_or_else(|| Knowledge::at_first(subject.form()));
        Ok(Some(Likely {
            subject,
            knowledge,
            bands: Bands::default(),
        }))
    }
}

impl Likely<'_> {
    /// Each of the others with how likely it is the same, the likeliest first.
    pub(crate) fn weigh(
        &self,
        entity: &Entity,
        others: &[&Entity],
    ) -> Vec<(EntityId, Explanation)> {
        let mut corpus = Corpus::new(self.subject.form().clone());
        let mut add = |entity: &Entity| {
            let values = self.subject.values(|field| entity.value(field));
            corpus.add(0, values.iter().map(|(at, text)| (*at, text.as_str())))
        };
        let mine = add(entity);
        let theirs: Vec<u32> = others.iter().map(|other| add(other)).collect();
        let judge = Judge::knowing(&corpus, &self.knowledge);
        let mut found: Vec<(EntityId, Explanation)> = others
            .iter()
            .zip(theirs)
            .map(|(other, at)| (other.id.clone(), judge.explain(mine, at, self.bands)))
            .collect();
        found.sort_by(|a, b| b.1.bits.total_cmp(&a.1.bits).then_with(|| a.0.cmp(&b.0)));
        found
    }

    /// Linked where one is likely enough, and no other nearly as likely.
    pub(crate) fn decide(&self, entity: &Entity, others: &[&Entity]) -> Likeliest {
        let mut found = self.weigh(entity, others);
        found.retain(|(_, why)| why.band != Band::Apart);
        let Some((best, why)) = found.first() else {
            return Likeliest::Nobody;
        };
        let rival = found.get(1).map_or(f64::MIN, |(_, why)| why.bits);
        if why.band == Band::Link && why.bits - rival >= self.bands.link {
            return Likeliest::One(best.clone(), why.words());
        }
        let ids = found.iter().map(|(id, _)| id.clone()).collect();
        Likeliest::Ask(ids, told(&found))
    }
}

/// The candidates with why each may be the one.
pub(crate) fn told(found: &[(EntityId, Explanation)]) -> String {
    let lines = found
        .iter()
        .map(|(id, why)| format!("{id}: {}", why.words()));
    lines.collect::<Vec<_>>().join("; ")
}

/// What was learned of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lesson {
    pub kind: Kind,
    pub records: u64,
    /// Pairs of records that are expected to be of one person.
    pub pairs: u64,
    /// Per field how many bits an equal value says for one person, and a
    /// different one against it, where strangers are the other possibility.
    pub fields: Vec<(String, f64, f64)>,
}

impl Hub {
    /// Learns the weights of a kind from the store's own records, each system's
    /// as it holds them, and keeps them for every comparison from now on.
    pub async fn learn_matches(&self, kind: &Kind, rng: &dyn Rng) -> Result<Lesson, EngineError> {
        let Some(subject) = self.subjects.get(kind) else {
            return Err(EngineError::Refused(format!(
                "{kind} has no names to be matched by: its keys alone say which is which"
            )));
        };
        let mut corpus = Corpus::new(subject.form().clone());
        for (source, connection) in (0u16..).zip(&self.connections) {
            for stream in connection.streams.iter().filter(|s| s.kind() == kind) {
                let mut after = None;
                loop {
                    let store = self.store.as_ref();
                    let links = store
                        .scan_links(connection.id(), &stream.name, after.as_ref(), CHUNK)
                        .await?;
                    let Some(last) = links.last() else { break };
                    after = Some(last.key.remote_id.clone());
                    let mut known = Known::default();
                    let raws = links.iter().map(|link| &link.raw);
                    known.add_records(store, connection, stream, raws).await?;
                    let live = |link: &&Link| link.state == LinkState::Live;
                    for link in links.iter().filter(live) {
                        let values = read(link, stream, &known);
                        let values = subject.values(|f| values.get(f).unwrap_or(&Value::Null));
                        corpus.add(source, values.iter().map(|(at, text)| (*at, text.as_str())));
                    }
                }
            }
        }
        let blocks = Blocks::of(&corpus, true);
        let weights = learn(&corpus, &blocks, true, rng);
        let pairs = weights.same_per_record * corpus.len() as f64 / 2.0;
        if pairs < FEWEST_PAIRS {
            return Err(EngineError::Refused(format!(
                "{} records of {kind} hold too few that are in two systems ({pairs:.0}) to learn \
                 from; the built-in weights stay in use",
                corpus.len()
            )));
        }
        let bits = |a: f64, b: f64| (a / b).log2();
        let fields = weights.features.iter().map(|learned| {
            let (same, strangers) = (learned.same, learned.strangers);
            let differs = same.len() - 1;
            (
                learned.feature.name.clone(),
                bits(same[1], strangers[1]),
                bits(same[differs], strangers[differs]),
            )
        });
        let lesson = Lesson {
            kind: kind.clone(),
            records: corpus.len() as u64,
            pairs: pairs.round() as u64,
            fields: fields.collect(),
        };
        let knowledge = Knowledge::learned(&corpus, weights);
        documents::write(self.store.as_ref(), &document(kind), &knowledge).await?;
        Ok(lesson)
    }
}

/// A record as its system holds it, in canonical fields.
fn read(link: &Link, stream: &crate::hub::Stream, known: &Known) -> Fields {
    let nothing = Fields::new();
    let lenses = stream.mapping.lenses.iter().filter(|lens| lens.reads());
    lenses
        .filter_map(|lens| {
            let value = lens.get(&link.raw, &nothing, known).ok()?;
            Some((lens.field.to_string(), value))
        })
        .collect()
}
