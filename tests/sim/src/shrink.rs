//! Finds the least story that still breaks the same rule: steps are taken out as
//! long as it does.

use anyhow::Result;

use crate::ground::Ground;
use crate::ledger::Broken;
use crate::run::live;
use crate::story::{Step, Story};

pub(crate) struct Minimal {
    pub story: Story,
    pub broken: Vec<Broken>,
    pub trace: Vec<String>,
}

/// So many tries are a minute or two.
const TRIES: u32 = 400;

pub(crate) fn shrink(story: &Story, ground: &Ground) -> Result<Minimal> {
    let mut story = story.clone();
    let broken = live(&story, ground, false)?.broken;
    let Some(rule) = broken.first().map(|broken| broken.rule) else {
        return Ok(Minimal {
            story,
            broken,
            trace: Vec::new(),
        });
    };
    let mut tries = 0;
    let mut fails = |story: &Story| -> Result<bool> {
        tries += 1;
        let fails = tries <= TRIES
            && live(story, ground, false)?
                .broken
                .iter()
                .any(|broken| broken.rule == rule);
        Ok(fails)
    };
    // Halves first, then smaller parts, then single steps.
    let mut size = story.steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < story.steps.len() {
            let mut shorter = story.clone();
            let end = (at + size).min(shorter.steps.len());
            shorter.steps.drain(at..end);
            if fails(&shorter)? {
                story = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for at in 0..story.steps.len() {
        for simpler in simpler(&story.steps[at]) {
            let mut shorter = story.clone();
            shorter.steps[at] = simpler;
            if fails(&shorter)? {
                story = shorter;
            }
        }
    }
    let ended = live(&story, ground, true)?;
    Ok(Minimal {
        story,
        broken: ended.broken,
        trace: ended.trace,
    })
}

/// The same step with less in it.
fn simpler(step: &Step) -> Vec<Step> {
    let Step::Sync(sync) = step else {
        return Vec::new();
    };
    let mut all = Vec::new();
    if sync.fate.is_some() {
        let mut less = sync.clone();
        less.fate = None;
        all.push(Step::Sync(less));
    }
    if !sync.during.is_empty() {
        let mut less = sync.clone();
        less.during.clear();
        all.push(Step::Sync(less));
    }
    if sync.rival.is_some() {
        let mut less = sync.clone();
        less.rival = None;
        all.push(Step::Sync(less));
    }
    if sync.turns.is_some() {
        let mut less = sync.clone();
        less.turns = None;
        all.push(Step::Sync(less));
    }
    if sync.full {
        let mut less = sync.clone();
        less.full = false;
        all.push(Step::Sync(less));
    }
    all
}
