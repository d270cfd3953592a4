//! `concord serve` as it is shipped, for days of virtual time and with everything
//! that days bring: killed hubs, systems that are away, answers that are lost,
//! forgotten cursors, a full disk, and a night in which an hour is missing.
//!
//! It runs in a process of its own, whose files can be kept from growing.

mod people;
mod week;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use concord::arguments::{self, Arguments};
use concord::commands;
use concord::exit::Ending;
use concord::invocation::Invocation;
use concord::stages::Stages;
use concord::wire::flight::Flight;
use concord_core::Timestamp;
use concord_core::ports::{Clock as _, Store as _};
use concord_core::state::RunRow;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sqlx::Connection as _;

use self::people::People;
use self::week::{Deed, Sky, Spell, Stopped, Weather, Week};
use crate::binary::program::cache;
use crate::parts;

const DAYS: &str = "CONCORD_SOAK_DAYS";

/// Wednesday, 24 March 2027, 00:00 UTC.  On the Sunday after it, Berlin's clocks go
/// from 02:00 to 03:00.
const START: Timestamp = Timestamp(1_805_846_400_000_000);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// From one sync to the next, and how much later one may be without a reason.
const EVERY: Duration = Duration::from_secs(1800);
const LATE: Duration = Duration::from_secs(900);

/// In Berlin nothing begins from 01:00 to 01:30.
const QUIET: Duration = Duration::from_secs(1800);

/// At which hours of each day the hub is killed, and at which request from then on.
const KILLS: [(u32, i64); 6] = [(2, 0), (5, 3), (9, 8), (11, 5), (14, 2), (20, 6)];

/// Runs the soak in a process of its own.
pub fn check(days: u32) {
    let this = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        // A file that may not grow is an error then, and not the end.
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(this)
        .args(["--exact", "soak::inside", "--ignored", "--nocapture"])
        .env(DAYS, days.to_string())
        .env("CONCORD_PLUGINS", parts::plugins())
        .env("XDG_CACHE_HOME", cache())
        .env("HUBSPOT_TOKEN", "the-key-to-hubspot")
        .env("MAILCHIMP_TOKEN", "the-key-to-mailchimp")
        .env_remove("CONCORD_KEY")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = told.lines().rev().take(60).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    eprintln!("{}", last.join("\n"));
    assert!(output.status.success(), "{}", output.status);
    assert!(told.contains("all systems agree"), "it did not run");
}

#[test]
fn a_hub_serves_for_a_day_of_everything_and_all_systems_agree() {
    check(1);
}

#[test]
#[ignore = "the soak starts it in a process of its own"]
fn inside() {
    let Ok(days) = std::env::var(DAYS) else {
        return;
    };
    let days = days.parse().unwrap();
    let people = Arc::new(People::new());
    let week = Arc::new(Week::new(START, deeds(days, &people), spells(days)));
    let town = people::Town::open(&people, &(Arc::clone(&week) as _));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = runtime.block_on(live(days, &week, &people, &town));
    let edits = people.check(&town);
    eprintln!("all systems agree after {days} days: {edits} edits, {told}");
}

/// Files may not grow any more, or may again.
fn disk(full: bool) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    let current = if full { Some(0) } else { maximum };
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

fn at(day: u32, hour: u32, minute: u32) -> Timestamp {
    let minutes = (day * 24 + hour) * 60 + minute;
    START.plus(Duration::from_secs(60 * u64::from(minutes)))
}

/// What each day brings.
fn spells(days: u32) -> Vec<Spell> {
    let spell = |day, from: (u32, u32), until: (u32, u32), connection, weather| Spell {
        from: at(day, from.0, from.1),
        until: at(day, until.0, until.1),
        connection,
        weather,
    };
    (0..days)
        .flat_map(|day| {
            [
                spell(day, (3, 5), (4, 10), "hubspot", Weather::NoName),
                spell(day, (3, 5), (4, 10), "mailchimp", Weather::NoName),
                // A restart: what is under way gets no answer, then nobody is there.
                spell(day, (6, 0), (6, 2), "hubspot", Weather::Dying),
                spell(day, (6, 2), (8, 40), "hubspot", Weather::Down),
                spell(day, (10, 30), (10, 31), "mailchimp", Weather::Dying),
                spell(day, (10, 31), (10, 50), "mailchimp", Weather::Down),
                spell(day, (12, 0), (13, 0), "mailchimp", Weather::Busy),
                spell(day, (15, 0), (15, 1), "hubspot", Weather::Dying),
            ]
        })
        .collect()
}

fn deeds(days: u32, people: &Arc<People>) -> Vec<(Timestamp, Deed)> {
    let mut deeds = Vec::new();
    for day in 0..days {
        for minute in (5..24 * 60 - 180).step_by(20) {
            let people = Arc::clone(people);
            let work = Deed::Work(Box::new(move || people.work()));
            deeds.push((at(day, 0, minute), work));
        }
        for (hour, at_request) in KILLS {
            deeds.push((at(day, hour, 20), Deed::Kill { at_request }));
        }
        deeds.push((at(day, 17, 10), Deed::ForgetCursors));
        deeds.push((at(day, 18, 10), Deed::Disk { full: true }));
        deeds.push((at(day, 19, 10), Deed::Disk { full: false }));
    }
    deeds.push((at(days, 0, 0), Deed::End));
    deeds
}

/// Memory of this process in MiB, twins included.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    (pages * rustix::param::page_size() as u64) >> 20
}

async fn live(days: u32, week: &Arc<Week>, people: &People, town: &people::Town) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("concord.yaml"), town.config()).unwrap();
    let database = path("concord.db");
    let ask = async |line: &str| run(&database, line, week).await;
    ask("init").await;
    ask(&format!("apply -f {}", path("concord.yaml"))).await;
    ask("sync --approve").await;
    ask("sync").await;
    people.begin(town);

    let mut starts = 0;
    let mut sizes = Vec::new();
    loop {
        starts += 1;
        let why = tokio::select! {
            _ = run(&database, "serve --quiet", week) => panic!("it ended by itself"),
            why = week.stopped() => why,
        };
        sizes.push((week.now(), memory()));
        match why {
            Stopped::Killed => {}
            Stopped::CursorsForgotten => forget_cursors(&database).await,
            Stopped::Over => break,
        }
    }
    // Each kill, the forgotten cursors, and the end.
    assert_eq!(starts, days * (KILLS.len() as u32 + 1) + 1);
    assert!(week.met() > 20 * i64::from(days), "{} requests", week.met());
    ask("sync").await;
    ask("sync").await;
    assert_eq!(ask("verify").await, Ending::Fine);
    let runs = history(&database).await;
    let explained = explain(&runs);
    flat(&sizes);
    format!(
        "{} runs, {starts} starts, {} requests in bad weather, {explained} pauses explained, \
         {} to {} MiB",
        runs.len(),
        week.met(),
        sizes[0].1,
        sizes[sizes.len() - 1].1,
    )
}

/// Runs a command line of the program on the week's clock.
async fn run(database: &str, line: &str, week: &Arc<Week>) -> Ending {
    let words = ["concord", "--json", "--db", database];
    let words = words.into_iter().chain(line.split_whitespace());
    let Arguments { global, command } = Arguments::parse_from(words);
    let cli = Invocation {
        clock: Arc::clone(week) as _,
        flight: Flight::Watched(Arc::new(Sky(Arc::clone(week)))),
        ..Invocation::new(global, Stages::default())
    };
    use arguments::Command as C;
    let ending = match command {
        C::Init(arguments) => commands::init::run(&cli, &arguments).await,
        C::Apply(arguments) => commands::apply::run(&cli, &arguments).await,
        C::Sync(arguments) => commands::sync::run(&cli, &arguments).await,
        C::Serve(arguments) => commands::serve::run(&cli, &arguments).await,
        C::Verify(arguments) => commands::verify::run(&cli, &arguments).await,
        other => panic!("{other:?}"),
    };
    ending.unwrap_or_else(|error| panic!("{line}: {error:#}"))
}

/// No cursor means anything to its system any more.
async fn forget_cursors(database: &str) {
    let url = format!("sqlite://{database}");
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let text = "UPDATE streams SET cursor = 'forgotten' WHERE cursor IS NOT NULL";
    let done = sqlx::query(text).execute(&mut connection).await.unwrap();
    assert!(done.rows_affected() > 0);
    connection.close().await.unwrap();
}

async fn history(database: &str) -> Vec<RunRow> {
    let place = concord_store::Place::parse(database).unwrap();
    let store = concord::wire::store::for_reading(&place).await.unwrap();
    let mut runs = store.runs(100_000).await.unwrap();
    runs.sort_by_key(|run| run.id);
    runs
}

/// Every pause between two runs is either the schedule's or has a reason in the
/// history; says how many had one.
fn explain(runs: &[RunRow]) -> usize {
    let mut explained = 0;
    for pair in runs.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let gap = after.started_at.since(before.started_at);
        let reason = after.summary["resumed"]["reason"].as_str();
        if gap > EVERY + LATE + QUIET {
            let why = reason.unwrap_or_else(|| panic!("{before:?} {after:?}: nobody says why"));
            assert!(!why.is_empty());
        }
        explained += usize::from(reason.is_some());
    }
    let full = runs
        .iter()
        .filter_map(|run| run.summary["resumed"]["reason"].as_str());
    assert!(
        full.clone().any(|why| why.contains("disk")),
        "{:?}",
        full.collect::<Vec<_>>()
    );
    explained
}

/// After the first day nothing grows but what the twins keep of it.
fn flat(sizes: &[(Timestamp, u64)]) {
    let settled = sizes.iter().find(|(at, _)| *at > START.plus(DAY / 2));
    let Some((_, settled)) = settled else { return };
    let (_, last) = sizes[sizes.len() - 1];
    assert!(last <= settled + 48, "{sizes:?}");
}
