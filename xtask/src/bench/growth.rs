//! `cargo xtask bench growth`: whether a record costs the same in a large
//! database as in a small one.
//!
//! One sync reads everybody; what the first tenth and the last tenth took is
//! told from the processor time whenever the hub says how far it is.  Then some
//! people change, and what they cost is told as the difference to a sync in
//! which nobody did.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::figures::{Measured, hundredths, median, megabytes};
use super::hub::Hub;
use super::{Bench, people};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many people each database has
    #[arg(long, num_args = 1.., default_values_t = [10_000, 100_000, 1_000_000])]
    people: Vec<usize>,
    /// How many of them are changed, all over the database
    #[arg(long, default_value_t = 2_000)]
    changed: usize,
    /// How often each is measured; the median is told
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

impl Bench<'_> {
    pub(super) fn growth(&self, arguments: &Arguments) -> Result<()> {
        for people in &arguments.people {
            let twin = self.twin("growth", *people)?;
            let hub = Hub::new(self.stage, self.ground, "growth", &[&twin])?;
            self.flat(&hub, *people)?;
            hub.keep()?;
            let rounds = || -> Result<Measured> {
                let round = |_| {
                    hub.go_back()?;
                    hub.sync(&[])
                };
                median(
                    (0..arguments.rounds.max(1))
                        .map(round)
                        .collect::<Result<_>>()?,
                )
            };
            let quiet = rounds()?;
            let ids = people::scattered(&twin, arguments.changed, *people)?;
            people::edit(&twin, &ids, people::TITLE_AND_PHONE)?;
            let busy = rounds()?;
            let spent = busy.cpu.saturating_sub(quiet.cpu).as_secs_f64();
            let each = hundredths(spent * 1e6 / ids.len() as f64);
            let start = (quiet.cpu.as_secs_f64() * 1e3).round();
            let store = self.ground.name();
            self.tell(
                &json!({ "name": "growth", "store": store, "people": people,
                         "changed": ids.len(), "cpu_us_per_changed": each,
                         "cpu_ms_without_change": start }),
                &format!(
                    "growth on {store}: of {people} people, one that changed costs {each} µs; a \
                     sync without a change costs {start} ms"
                ),
            );
            hub.remove()?;
        }
        Ok(())
    }

    /// The first tenth of a full read against the last.
    fn flat(&self, hub: &Hub<'_>, people: usize) -> Result<()> {
        let mut walk = Walk::default();
        let measured = hub.watch(|process, line| {
            if let Some((step, done)) = understand(line) {
                walk.note(step, done, || self.ground.processor_time(process))?;
            }
            Ok(())
        })?;
        let (people, tenth) = (people as u64, people as u64 / 10);
        let ends = walk.ends(people, tenth);
        if ends.is_empty() {
            crate::run::say("so few people have no first and no last tenth to compare");
            return Ok(());
        }
        let first: f64 = ends.iter().map(|(_, first, _)| first).sum();
        let last: f64 = ends.iter().map(|(.., last)| last).sum();
        let steps: Vec<_> = ends
            .iter()
            .map(|(step, first, last)| json!([step, hundredths(*first), hundredths(*last)]))
            .collect();
        let ratio = hundredths(last / first);
        let (first, last) = (hundredths(first), hundredths(last));
        let all = hundredths(measured.cpu.as_secs_f64() * 1e6 / people as f64);
        let store = self.ground.name();
        let peak = megabytes(measured.peak_bytes);
        self.tell(
            &json!({ "name": "flat", "store": store, "people": people, "tenth": tenth,
                     "first_cpu_us": first, "last_cpu_us": last, "ratio": ratio,
                     "cpu_us_per_record": all, "peak_mb": peak, "steps": steps }),
            &format!(
                "{people} people on {store}: {all} µs each, {first} µs of the first {tenth}, \
                 {last} µs of the last: {ratio} times; {peak} MB at most"
            ),
        );
        Ok(())
    }
}

/// What a hub was doing, and how many records of that it had done.
fn understand(line: &str) -> Option<(&str, u64)> {
    let (step, done) = line.split_once(": ")?;
    let done = done.split_once(" record")?.0.parse().ok()?;
    Some((step, done))
}

/// The processor time spent when so many records were done, step by step in the
/// order in which they were taken.
#[derive(Default)]
struct Walk {
    steps: Vec<Step>,
}

struct Step {
    name: String,
    notes: Vec<(u64, Duration)>,
}

impl Walk {
    /// Reading the time costs something itself, so not every page is noted.
    const APART: u64 = 1_000;

    fn note(
        &mut self,
        name: &str,
        done: u64,
        time: impl FnOnce() -> Result<Duration>,
    ) -> Result<()> {
        let latest = self.steps.last().and_then(|step| {
            let (before, _) = step.notes.last()?;
            (step.name == name && *before < done).then_some(*before)
        });
        if latest.is_some_and(|before| done < before + Self::APART) {
            return Ok(());
        }
        if latest.is_none() {
            self.steps.push(Step {
                name: name.to_owned(),
                notes: Vec::new(),
            });
        }
        if let Some(step) = self.steps.last_mut() {
            step.notes.push((done, time()?));
        }
        Ok(())
    }

    /// In µs a record: the first of so many and the last, of each step that went
    /// over everybody.
    fn ends(&self, people: u64, end: u64) -> Vec<(&str, f64, f64)> {
        let whole = self.steps.iter().filter_map(|step| {
            let first = each(step.notes.iter().filter(|(done, _)| *done <= end))?;
            let last = each(step.notes.iter().filter(|(done, _)| *done >= people - end))?;
            Some((step.name.as_str(), first, last))
        });
        whole.collect()
    }
}

/// In µs a record, from the first of some notes to the last.
fn each<'a>(mut notes: impl Iterator<Item = &'a (u64, Duration)>) -> Option<f64> {
    let (from, began) = notes.next()?;
    let (to, ended) = notes.last()?;
    Some((*ended - *began).as_secs_f64() * 1e6 / (to - from) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_says_is_understood() {
        let line = "reading growth/contacts: 12300 records";
        assert_eq!(understand(line), Some(("reading growth/contacts", 12_300)));
        let line = "planning: 400 records looked at";
        assert_eq!(understand(line), Some(("planning", 400)));
        assert_eq!(understand("waiting for growth until noon: it lags"), None);
    }

    #[test]
    fn ends_are_of_steps_that_went_over_everybody() {
        let mut walk = Walk::default();
        let mut spent = Duration::ZERO;
        let mut note = |name: &str, done: u64, us: u64| {
            spent += Duration::from_micros(us);
            let time = || Ok(spent);
            walk.note(name, done, time).unwrap();
        };
        // Ten thousand are read, each for 10 µs and the last thousands for 20;
        // and then they are planned twice, which costs 1 µs each.
        for page in 0..=100 {
            note("reading", page * 100, if page > 80 { 2_000 } else { 1_000 });
        }
        note("matching", 100, 5_000);
        for _ in 0..2 {
            for page in 0..=10 {
                note("planning", page * 1_000, 1_000);
            }
        }
        let (reading, planning) = (("reading", 10.0, 20.0), ("planning", 1.0, 1.0));
        assert_eq!(walk.ends(10_000, 2_000), [reading, planning, planning]);
    }
}
