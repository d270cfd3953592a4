//! Hubs killed with SIGKILL anywhere: the next one ends as if nothing had been.
//!
//! A moment of death is drawn over the events of an unbroken life (the starts
//! of the program and the requests that reach a system) and over the time to
//! the next one, so that reading, matching, planning, requests under way and
//! answers not yet written down are all hit.

use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use super::office::Office;
use super::program::Program;

const PEOPLE: usize = 60;
/// Held back that long, an answer is often still on its way when the hub dies.
const LATENCY: Duration = Duration::from_millis(15);
/// Hubs that live and die at the same time; they mostly wait.
const AT_ONCE: usize = 12;
/// A life whose writes are still in doubt after so many runs has gone wrong.
const RUNS: usize = 6;

/// Where the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    File,
    Server,
}

impl Base {
    fn office(self) -> Office {
        let program = match self {
            Base::File => Program::new(),
            Base::Server => Program::on_server(&concord_cluster::database().unwrap()),
        };
        Office::with(program, PEOPLE, LATENCY)
    }

    /// What a dead hub had is free the sooner: nobody else can tell that it is
    /// dead.
    fn options(self) -> &'static str {
        match self {
            Base::File => "",
            Base::Server => " --lease 10",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    /// So many events have been since the life began or the last hub died.
    events: usize,
    /// And this long ago was the last.
    after: Duration,
}

/// Something that people do.
type Step = fn(&Office);

/// The runs of one life, with what people do before each.
const LIFE: [(Step, &str); 3] = [
    (Office::people_ask_for_the_newsletter, "sync"),
    (|_| {}, "sync --approve"),
    (Office::people_work, "sync"),
];

struct Lived {
    office: Office,
    /// How many hubs died.
    deaths: usize,
    /// The events at which the program ended.
    ends: Vec<usize>,
}

fn live(base: Base, plan: &[Moment]) -> Lived {
    let office = base.office();
    office.apply();
    let mut deaths = 0;
    let mut since = 0;
    let mut ends = Vec::new();
    for (work, line) in LIFE {
        work(&office);
        let line = format!("{line}{}", base.options());
        let mut settled = false;
        for _ in 0..RUNS {
            let death = plan.get(deaths).map(|moment| Moment {
                events: since + moment.events,
                ..*moment
            });
            let Some(report) = run(&office, &line, death) else {
                deaths += 1;
                since = office.events.count();
                continue;
            };
            ends.push(office.events.count() - 1);
            if report["open"] == 0 {
                settled = true;
                break;
            }
        }
        assert!(settled, "writes stay in doubt after {plan:?}");
    }
    Lived {
        office,
        deaths,
        ends,
    }
}

/// One run; none where it was killed.
fn run(office: &Office, line: &str, death: Option<Moment>) -> Option<Value> {
    office.events.note();
    let mut running = office.program.start(line);
    if let Some(moment) = death
        && office.events.reach(moment.events, || running.has_ended())
    {
        std::thread::sleep(moment.after);
        if !running.has_ended() {
            running.kill();
            return None;
        }
    }
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{line} after {death:?}: {ended:?}");
    office.events.note();
    Some(ended.document)
}

/// All events of a life but the ends of the program, each with the time to the
/// next.
fn moments(life: &Lived) -> Vec<(usize, Duration)> {
    let all = life.office.events.all();
    let gaps = all.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    gaps.enumerate()
        .filter(|(event, _)| !life.ends.contains(event))
        .collect()
}

fn draw(seed: u64, moments: &[(usize, Duration)]) -> Vec<Moment> {
    let chance = blake3::hash(&seed.to_le_bytes());
    let number = |at: usize| {
        let bytes = chance.as_bytes();
        usize::from(bytes[at]) * 256 + usize::from(bytes[at + 1])
    };
    let share = |at: usize| number(at) as f64 / 65_536.0;
    let (event, gap) = moments[number(0) % moments.len()];
    let first = Moment {
        events: event + 1,
        after: gap.mul_f64(share(2)),
    };
    // The one that finds the work of a dead one has other things to do.
    let second = Moment {
        events: 1 + number(4) % 12,
        after: LATENCY.mul_f64(2.0 * share(6)),
    };
    if seed.is_multiple_of(2) {
        vec![first]
    } else {
        vec![first, second]
    }
}

/// The hub of each seed dies once, and every second one's successor too.
pub fn check(base: Base, seeds: Range<u64>) {
    let unbroken = live(base, &[]);
    let expect = unbroken.office.holdings();
    let moments = moments(&unbroken);
    assert!(moments.len() > 30, "too little happens to say anything");
    let lives = seeds.clone().count();
    let left = Mutex::new(seeds);
    let deaths = Mutex::new(0_usize);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(lives) {
            scope.spawn(|| {
                loop {
                    let Some(seed) = left.lock().unwrap().next() else {
                        return;
                    };
                    let plan = draw(seed, &moments);
                    let life = live(base, &plan);
                    *deaths.lock().unwrap() += life.deaths.min(1);
                    judge(&life.office, &expect, &format!("seed {seed}, {plan:?}"));
                }
            });
        }
    });
    // A machine that is faster than it was when the moments were measured may
    // get through before one comes.
    let deaths = deaths.into_inner().unwrap();
    assert!(
        deaths * 4 >= lives * 3,
        "only {deaths} of {lives} hubs died"
    );
}

fn judge(office: &Office, expect: &[String], which: &str) {
    let holdings = office.holdings();
    let lost: Vec<_> = expect.iter().filter(|l| !holdings.contains(l)).collect();
    let added: Vec<_> = holdings.iter().filter(|l| !expect.contains(l)).collect();
    assert!(
        lost.is_empty() && added.is_empty() && holdings.len() == expect.len(),
        "{which}: lost {lost:#?}, added {added:#?}"
    );
    assert_eq!(office.doubled(), Vec::<String>::new(), "{which}");
    let verified = office.program.run("verify").fine();
    assert_eq!(verified["diverged"], 0, "{which}: {verified}");
    assert_eq!(verified["missing"], 0, "{which}: {verified}");
    office.take_writes();
    office.program.run("sync").fine();
    assert_eq!(office.take_writes(), 0, "{which}: one more sync writes");
}

#[test]
fn a_hub_that_is_killed_anywhere_loses_and_doubles_nothing() {
    check(Base::File, 0..30);
}

#[test]
fn a_hub_that_is_killed_anywhere_loses_and_doubles_nothing_on_a_server() {
    check(Base::Server, 0..30);
}
