//! Runs many worlds, some at a time, and tells of those that failed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::Result;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Arguments;
use crate::clock::lock;
use crate::ground::Ground;
use crate::ledger::{Broken, Counts};
use crate::shrink;
use crate::story::Story;
use crate::world::{End, World};

/// How many failing seeds are named.
const SHOWN: usize = 40;

/// Lives one story on a thread of its own.
pub(crate) fn live(story: &Story, ground: &Ground, tracing: bool) -> Result<End> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(World::live(story, ground, tracing))
}

/// True where nothing was broken.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let ground = if arguments.postgres {
        Ground::on_a_server()?
    } else {
        Ground::in_memory()?
    };
    if let Some(seed) = arguments.seed {
        return one(arguments, seed, &ground);
    }
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let stop = AtomicBool::new(false);
    let failed: Mutex<BTreeMap<u64, Vec<Broken>>> = Mutex::default();
    let counts: Mutex<Counts> = Mutex::default();
    let done = AtomicU64::new(0);
    let jobs = match arguments.jobs {
        Some(jobs) => jobs,
        None => thread::available_parallelism().map_or(2, usize::from),
    };
    let cores = cores();
    let mut turn = cores.iter().cycle();
    thread::scope(|scope| -> Result<()> {
        let mut workers = Vec::new();
        for _ in 0..jobs.max(1) {
            let core = turn.next();
            let (next, stop, failed, counts, done) = (&next, &stop, &failed, &counts, &done);
            let ground = &ground;
            workers.push(scope.spawn(move || -> Result<()> {
                core.map(stay_on).transpose()?;
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || stop.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    let story = Story::draw(seed, arguments.systems, ground.is_shared());
                    let ended = runtime.block_on(World::live(&story, ground, false))?;
                    *lock(counts) += ended.counts;
                    let so_far = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if !ended.broken.is_empty() {
                        lock(failed).insert(seed, ended.broken);
                        stop.store(arguments.first, Ordering::Relaxed);
                    }
                    if so_far.is_multiple_of(100) && !arguments.json {
                        eprintln!(
                            "sim: {so_far} worlds, {} of them failed",
                            lock(failed).len()
                        );
                    }
                }
            }));
        }
        for worker in workers {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a world's thread panicked"))??;
        }
        Ok(())
    })?;
    let failed = std::mem::take(&mut *lock(&failed));
    let counts = *lock(&counts);
    let seeds = done.load(Ordering::Relaxed);
    report(arguments, seeds, &failed, &counts);
    if let Some(seed) = failed.keys().next() {
        tell_minimal(arguments, *seed, &ground)?;
    }
    Ok(failed.is_empty())
}

/// The cores that this process may use.
fn cores() -> Vec<usize> {
    let may = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::MAX_CPU)
        .filter(|core| may.is_set(*core))
        .collect()
}

/// A world and the threads of its store work in turn, never at once.  On one core
/// they hand over without waking another, which costs more than the work.
fn stay_on(core: &usize) -> Result<()> {
    let mut alone = CpuSet::new();
    alone.set(*core);
    Ok(sched_setaffinity(None, &alone)?)
}

fn report(arguments: &Arguments, seeds: u64, failed: &BTreeMap<u64, Vec<Broken>>, counts: &Counts) {
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({
                "seeds": seeds, "violations": failed.len(),
                "failed": failed.keys().collect::<Vec<_>>(),
                "steps": counts.steps, "deeds": counts.deeds, "syncs": counts.syncs,
                "crashes": counts.crashes, "stalls": counts.stalls, "races": counts.races, "creates": counts.creates,
                "updates": counts.updates, "refused": counts.refused, "doubts": counts.doubts,
                "conflicts": counts.conflicts, "decisions": counts.decisions,
                "matches": counts.matches, "merges": counts.merges, "unmerges": counts.unmerges, "deletes": counts.deletes,
                "carried": counts.carried,
                "lenses": counts.lenses, "guarded": counts.guarded,
            })
        );
        return;
    }
    let mut rules: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (seed, broken) in failed {
        for one in broken {
            let entry = rules.entry(one.rule).or_insert((0, *seed));
            entry.0 += 1;
        }
    }
    for (seed, broken) in failed.iter().take(SHOWN) {
        if let Some(first) = broken.first() {
            println!("seed {seed}: {}: {}", first.rule, first.what);
        }
    }
    for (rule, (times, seed)) in rules {
        println!("{rule}: broken {times} times, first with seed {seed}");
    }
    println!(
        "held: {} steps, {} deeds of people, {} syncs, {} crashes, {} stalls, {} races, {} creates, {} updates, \
         {} refused, {} in doubt, {} conflicts, {} decisions, {} matches, {} merges, {} unmerges, {} deletes, {} carried on, \
         {} changed lenses, {} guarded",
        counts.steps,
        counts.deeds,
        counts.syncs,
        counts.crashes,
        counts.stalls,
        counts.races,
        counts.creates,
        counts.updates,
        counts.refused,
        counts.doubts,
        counts.conflicts,
        counts.decisions,
        counts.matches,
        counts.merges,
        counts.unmerges,
        counts.deletes,
        counts.carried,
        counts.lenses,
        counts.guarded
    );
    println!("sim: {seeds} seeds, {} violations", failed.len());
}

fn one(arguments: &Arguments, seed: u64, ground: &Ground) -> Result<bool> {
    let story = Story::draw(seed, arguments.systems, ground.is_shared());
    let ended = live(&story, ground, arguments.trace)?;
    for line in &ended.trace {
        println!("{line}");
    }
    for broken in &ended.broken {
        println!("{}: {}", broken.rule, broken.what);
    }
    if !ended.broken.is_empty() && !arguments.trace {
        tell_minimal(arguments, seed, ground)?;
    }
    println!(
        "sim: 1 seeds, {} violations",
        u8::from(!ended.broken.is_empty())
    );
    Ok(ended.broken.is_empty())
}

fn tell_minimal(arguments: &Arguments, seed: u64, ground: &Ground) -> Result<()> {
    let story = Story::draw(seed, arguments.systems, ground.is_shared());
    let minimal = shrink::shrink(&story, ground)?;
    println!(
        "seed {seed}, the least that still fails ({:?}):",
        minimal.story.temper
    );
    for (number, behaviour) in minimal.story.systems.iter().enumerate() {
        println!("  s{number} is {behaviour:?}");
    }
    for step in &minimal.story.steps {
        println!("  {step}");
    }
    for broken in &minimal.broken {
        println!("  => {}: {}", broken.rule, broken.what);
    }
    for line in &minimal.trace {
        println!("    {line}");
    }
    println!(
        "  replay: cargo xtask sim --seed {seed} --trace{}",
        if arguments.postgres {
            " --postgres"
        } else {
            ""
        }
    );
    Ok(())
}
