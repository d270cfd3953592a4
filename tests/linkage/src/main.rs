//! The matcher on data of which the answers are known: how many of the pairs it
//! finds, how many of those that it finds are pairs, and how many it leaves to
//! a person.  `cargo xtask bench match` runs it in a process of its own and
//! adds the processor time.

mod febrl;
mod people;
mod score;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use concord_core::chance::Seeded;
use concord_sync::identity::{
    Bands, Blocks, Clusters, Corpus, Feature, Form, Judge, Kind, clusters, learn, one_to_one,
};

use score::Score;

#[derive(Parser)]
#[command(about = "The matcher on data with known answers")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The FEBRL data sets: one file is searched for duplicates, two are linked
    Febrl {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Compare the national id as well
        #[arg(long)]
        with_id: bool,
    },
    /// Invented people, searched for duplicates
    People {
        #[arg(long, default_value_t = 1_000_000)]
        records: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> Result<()> {
    let score = match Arguments::parse().task {
        Task::Febrl { files, with_id } => {
            let (corpus, truth) = febrl::read(&files, with_id)?;
            Score::of(&matched(&corpus, files.len() > 1), &truth)
        }
        Task::People { records, seed } => {
            let (corpus, truth) = invented(records, seed);
            Score::of(&matched(&corpus, false), &truth)
        }
    };
    println!("{}", score.document());
    Ok(())
}

fn form(columns: &[(&str, Kind)]) -> Form {
    let features = columns.iter();
    Form::new(
        features
            .map(|(name, kind)| Feature::new(name, *kind))
            .collect(),
    )
}

fn invented(records: usize, seed: u64) -> (Corpus, Vec<u32>) {
    let rng = Seeded::new(seed);
    let mut town = people::Town::new(&rng);
    let mut corpus = Corpus::new(form(&people::COLUMNS));
    let mut truth = Vec::with_capacity(records);
    for _ in 0..records {
        let (person, record) = town.record();
        corpus.add(0, record.iter().map(String::as_str).enumerate());
        truth.push(person);
    }
    (corpus, truth)
}

/// Everything at its defaults, as the hub does it.
fn matched(corpus: &Corpus, across: bool) -> Clusters {
    let blocks = Blocks::of(corpus, across);
    let weights = learn(corpus, &blocks, across, &Seeded::new(1));
    let judge = Judge::new(corpus, &weights);
    let bands = Bands::default();
    let candidates = judge.candidates(&blocks, bands);
    if across {
        one_to_one(&judge, &candidates, bands)
    } else {
        clusters(&judge, &candidates, bands)
    }
}
