//! What was measured, and how it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::stage::children::Ended;

/// One process that did the work once.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub wall: Duration,
    pub cpu: Duration,
    pub peak_bytes: u64,
    /// Processor time by stage, in milliseconds, where the process tells it; on
    /// a server the stage `server` is what that took.
    pub stages_ms: BTreeMap<String, f64>,
}

impl From<&Ended> for Measured {
    fn from(ended: &Ended) -> Self {
        Self {
            wall: ended.wall,
            cpu: ended.cpu,
            peak_bytes: ended.peak_bytes,
            stages_ms: BTreeMap::new(),
        }
    }
}

/// The round in the middle, by processor time.
pub(super) fn median(mut rounds: Vec<Measured>) -> Result<Measured> {
    rounds.sort_by_key(|round| round.cpu);
    let middle = rounds.len() / 2;
    rounds
        .into_iter()
        .nth(middle)
        .context("nothing was measured")
}

/// One line of the report.  Everything is per record, in microseconds of
/// processor time.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    name: &'static str,
    store: &'static str,
    records: usize,
    records_per_s: f64,
    cpu_us_per_record: f64,
    floor_cpu_us_per_record: f64,
    ratio: f64,
    shaped_floor_cpu_us_per_record: f64,
    shaped_ratio: f64,
    peak_mb: f64,
    stages_us_per_record: BTreeMap<String, f64>,
}

impl Line {
    pub(super) fn new(
        name: &'static str,
        store: &'static str,
        records: usize,
        hub: &Measured,
        bare: &Measured,
        shaped: &Measured,
    ) -> Self {
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / records.max(1) as f64;
        let ratio = |floor: &Measured| {
            let floor = floor.cpu.as_secs_f64().max(f64::MIN_POSITIVE);
            hundredths(hub.cpu.as_secs_f64() / floor)
        };
        let mut stages: BTreeMap<String, f64> = hub
            .stages_ms
            .iter()
            .map(|(name, ms)| (name.clone(), hundredths(ms * 1e3 / records.max(1) as f64)))
            .collect();
        let counted: f64 = stages.values().sum();
        stages.insert("rest".into(), hundredths(each(hub.cpu) - counted));
        Self {
            name,
            store,
            records,
            records_per_s: (records as f64 / hub.wall.as_secs_f64()).round(),
            cpu_us_per_record: hundredths(each(hub.cpu)),
            floor_cpu_us_per_record: hundredths(each(bare.cpu)),
            ratio: ratio(bare),
            shaped_floor_cpu_us_per_record: hundredths(each(shaped.cpu)),
            shaped_ratio: ratio(shaped),
            peak_mb: megabytes(hub.peak_bytes),
            stages_us_per_record: stages,
        }
    }

    pub(super) fn words(&self) -> String {
        let mut text = format!(
            "{} on {}: {} records, {:.0} a second, {} µs of processor time each: {} times the bare \
             floor of {} µs, {} times the shaped one of {} µs; {} MB at most\n",
            self.name,
            self.store,
            self.records,
            self.records_per_s,
            self.cpu_us_per_record,
            self.ratio,
            self.floor_cpu_us_per_record,
            self.shaped_ratio,
            self.shaped_floor_cpu_us_per_record,
            self.peak_mb,
        );
        let mut stages: Vec<_> = self.stages_us_per_record.iter().collect();
        stages.sort_by(|a, b| b.1.total_cmp(a.1));
        for (stage, us) in stages {
            text += &format!("  {us:8.2} µs  {stage}\n");
        }
        text
    }
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    (bytes as f64 / 1e5).round() / 10.0
}

pub(super) fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(cpu_ms: u64) -> Measured {
        Measured {
            wall: Duration::from_secs(2),
            cpu: Duration::from_millis(cpu_ms),
            peak_bytes: 12_345_678,
            stages_ms: BTreeMap::from([("commit".to_owned(), 300.0)]),
        }
    }

    #[test]
    fn a_line_tells_ratios_and_what_no_stage_counted() {
        let line = Line::new("load", "sqlite", 10_000, &took(500), &took(100), &took(250));
        assert_eq!((line.ratio, line.shaped_ratio), (5.0, 2.0));
        assert_eq!(
            (line.cpu_us_per_record, line.records_per_s),
            (50.0, 5_000.0)
        );
        assert_eq!(line.peak_mb, 12.3);
        let stages = &line.stages_us_per_record;
        assert_eq!((stages["commit"], stages["rest"]), (30.0, 20.0));
    }

    #[test]
    fn the_round_in_the_middle_is_taken() {
        let middle = median(vec![took(900), took(100), took(300)]).unwrap();
        assert_eq!(middle.cpu, Duration::from_millis(300));
        assert!(median(Vec::new()).is_err());
    }
}
