//! What happens in one world, drawn from its seed: a list of steps, each a
//! value, so that a failing story can be told again with steps taken out.

use std::fmt;
use std::time::Duration;

use concord_sync::delete::DeleteMode;

use crate::behaviour::{Behaviour, Direction, pick};
use crate::deed::Deed;
use crate::house::House;
use crate::lenses::Relens;
use crate::mortal::Fate;
use crate::turns::{self, Turns};
use crate::value::Unit;
use crate::weather::{PullWeather, PushWeather, Weather};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Deed(Deed),
    Weather(usize, Weather),
    Pass(Duration),
    Sync(Sync),
    /// A person decides what is held and who is who, with this much chance.
    Decide(u64),
    /// An operator says at the hub that two humans are one; the program may die.
    Unite {
        human: u32,
        into: u32,
        fate: Option<Fate>,
    },
    /// An operator takes one apart of those who were merged.
    Part {
        luck: u64,
        fate: Option<Fate>,
    },
    /// A field gets another rule.
    Rule(Unit, Rule),
    /// An admin changes the mapping of a system.
    Lens(usize, Relens),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sync {
    pub approve: bool,
    pub full: bool,
    /// The systems that have their turn, to be read and to be written to; all where
    /// nothing is said.
    pub turns: Option<Turns>,
    pub fate: Option<Fate>,
    /// What people do before its n-th request.
    pub during: Vec<(u32, Deed)>,
    /// Another hub works at the same time: its fate, and the luck of who goes on
    /// at each step.
    pub rival: Option<(Option<Fate>, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Latest,
    Hold,
    /// This system first, then the next one.
    Owner(usize),
}

/// What kind of people live in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temper {
    /// Nobody edits what another edits elsewhere: the end is known beforehand.
    Peaceful,
    /// Everybody edits everything.
    Lively,
}

#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub seed: u64,
    pub temper: Temper,
    pub systems: Vec<Behaviour>,
    pub steps: Vec<Step>,
    /// In the end everything is read whole, which mends what a list kept back.
    /// Where it is not, no list does, and what the changes told is enough.
    pub reads_whole: bool,
    /// Hubs share the database, so that several may work at once.
    pub shared: bool,
    pub house: House,
}

impl Story {
    pub(crate) fn draw(seed: u64, systems: Option<usize>, shared: bool) -> Self {
        let mut chance =
            fastrand::Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xC0C0);
        let temper = if chance.u32(0..3) == 0 {
            Temper::Peaceful
        } else {
            Temper::Lively
        };
        let count = systems.unwrap_or_else(|| {
            chance.usize(2..=4) + chance.usize(0..=2) * usize::from(chance.u8(0..4) == 0)
        });
        let mut behaviours: Vec<Behaviour> =
            (0..count).map(|_| Behaviour::draw(&mut chance)).collect();
        // Somebody has to be written to.
        behaviours[0].direction = Direction::Both;
        behaviours[1].direction = Direction::Both;
        let reads_whole = chance.bool();
        let mut teller = Teller {
            reads_whole,
            climate: Climate::draw(&mut chance),
            chance,
            temper,
            systems: behaviours.len(),
            humans: 0,
            steps: Vec::new(),
            last: None,
        };
        teller.tell();
        if temper == Temper::Lively {
            teller.operate(seed);
        }
        turns::take(seed, count, &mut teller.steps);
        let mut story = Self {
            seed,
            temper,
            systems: behaviours,
            steps: teller.steps,
            reads_whole,
            shared: shared || seed.is_multiple_of(4),
            house: House::draw(seed, count),
        };
        story.house.furnish(seed, temper, count, &mut story.steps);
        for (behaviour, ways) in story.systems.iter_mut().zip(&story.house.ways) {
            behaviour.delete = story.house.spreads();
            // Else a merge there looks like a delete, and the product refuses to
            // carry that on where it could not be undone.
            behaviour.merged_into |= ways.deletes == DeleteMode::Propagate;
        }
        if story.shared {
            story.add_rivals();
        }
        story
    }
}

impl Story {
    /// Every second sync has a rival.
    fn add_rivals(&mut self) {
        let mut chance = fastrand::Rng::with_seed(self.seed ^ 0x5A1A);
        for step in &mut self.steps {
            let Step::Sync(sync) = step else { continue };
            let n = chance.u64(1..=200);
            let fate = match chance.u32(0..8) {
                0 => Some(Fate::DiesBefore(n)),
                1 => Some(Fate::DiesAfter(n)),
                _ => None,
            };
            let luck = chance.u64(..);
            sync.rival = chance.bool().then_some((fate, luck));
        }
    }
}

/// What a world has more or less of than others: what takes three things at once
/// to go wrong is met where each of them is frequent.
struct Climate {
    /// One round in so many has weather.
    storms: u32,
    /// The only kinds of weather; none for all of them.
    kinds: Vec<u32>,
    /// So many hubs in ten die or stand still.
    deaths: u32,
    /// One sync in so many has people at work during it.
    bustle: u32,
    /// Only so many people are known widely enough to be edited.
    famous: u32,
    /// What is edited more than all else.
    favourite: Option<Unit>,
    /// One round in so many ends with a person's decisions.
    office: u32,
}

const WEATHERS: u32 = 16;

impl Climate {
    fn draw(chance: &mut fastrand::Rng) -> Self {
        let mut kinds = Vec::new();
        if chance.bool() {
            for _ in 0..chance.u32(1..=2) {
                kinds.push(chance.u32(0..WEATHERS));
            }
        }
        Self {
            storms: *pick(chance, &[1, 2, 2, 4]),
            kinds,
            deaths: *pick(chance, &[1, 4, 6, 9]),
            bustle: *pick(chance, &[1, 2, 2, 4]),
            famous: *pick(chance, &[1, 2, 9, 9]),
            favourite: chance.bool().then(|| *pick(chance, &Unit::DAILY)),
            office: *pick(chance, &[2, 6, 6]),
        }
    }
}

struct Teller {
    reads_whole: bool,
    climate: Climate,
    chance: fastrand::Rng,
    temper: Temper,
    systems: usize,
    humans: u32,
    steps: Vec<Step>,
    /// What was edited last: others like to edit the same.
    last: Option<(usize, u32, Unit)>,
}

impl Teller {
    fn one_in(&mut self, n: u32) -> bool {
        self.chance.u32(0..n) == 0
    }

    fn tell(&mut self) {
        for _ in 0..self.chance.u32(2..=5) {
            let deed = self.newcomer(true);
            self.steps.push(Step::Deed(deed));
        }
        // Whoever is entered at two systems at once is in both their lists when
        // the first of them is written to.
        self.steps.push(Step::Pass(Duration::from_secs(25)));
        if self.one_in(3) {
            let sync = self.sync(false);
            self.steps.push(Step::Sync(sync));
        }
        for _ in 0..self.chance.u32(0..=2) {
            self.storm();
        }
        let first = self.sync(true);
        self.steps.push(Step::Sync(first));
        if self.one_in(3) {
            let rule = self.rule();
            self.steps.insert(0, rule);
        }
        for _ in 0..self.chance.u32(4..=12) {
            for _ in 0..self.chance.u32(1..=4) {
                let deed = self.deed();
                self.steps.push(Step::Deed(deed));
            }
            if self.one_in(8) {
                let rule = self.rule();
                self.steps.push(rule);
            }
            if self.one_in(self.climate.storms) {
                self.storm();
            }
            let millis = *pick(&mut self.chance, &[10, 900, 5_000, 60_000, 1_000_000]);
            self.steps.push(Step::Pass(Duration::from_millis(millis)));
            let approve = !self.one_in(6);
            let sync = self.sync(approve);
            self.steps.push(Step::Sync(sync));
            if self.one_in(self.climate.office) {
                let luck = self.chance.u64(..);
                self.steps.push(Step::Decide(luck));
            }
        }
    }

    fn storm(&mut self) {
        let system = self.chance.usize(0..self.systems);
        let weather = self.weather();
        self.steps.push(Step::Weather(system, weather));
    }

    fn rule(&mut self) -> Step {
        let unit = match self.climate.favourite {
            Some(unit) if unit != Unit::Tags => unit,
            _ => *pick(
                &mut self.chance,
                &[Unit::Title, Unit::Org, Unit::Note, Unit::Address],
            ),
        };
        let rule = match self.chance.u32(0..3) {
            0 => Rule::Hold,
            1 => Rule::Latest,
            _ => Rule::Owner(self.chance.usize(0..self.systems)),
        };
        Step::Rule(unit, rule)
    }

    fn sync(&mut self, approve: bool) -> Sync {
        let n = self.chance.u64(1..=160);
        let fate = if self.chance.u32(0..10) < self.climate.deaths {
            Some(match self.chance.u32(0..6) {
                0 | 1 => Fate::DiesBefore(n),
                2 | 3 => Fate::DiesAfter(n),
                4 => Fate::StallsBefore(n),
                _ => Fate::StallsAfter(n),
            })
        } else {
            None
        };
        let mut during = Vec::new();
        let busy = self.one_in(self.climate.bustle);
        while busy && !self.one_in(3) && during.len() < 4 {
            let at = self.chance.u32(1..=20);
            during.push((at, self.deed()));
        }
        Sync {
            approve,
            full: self.one_in(6),
            turns: None,
            fate,
            during,
            rival: None,
        }
    }

    /// An operator merges people and takes them apart again.  Drawn by itself, so
    /// that a seed tells the same story otherwise.
    fn operate(&mut self, seed: u64) {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x0BE2_A702);
        let is_sync = |step: &Step| matches!(step, Step::Sync(_));
        let first = self.steps.iter().position(is_sync).unwrap_or(0);
        let fate = |chance: &mut fastrand::Rng| match chance.u32(0..6) {
            0 => Some(Fate::DiesBefore(chance.u64(1..=30))),
            1 => Some(Fate::DiesAfter(chance.u64(1..=30))),
            _ => None,
        };
        for _ in 0..chance.u32(0..=2) {
            let at = chance.usize(first + 1..=self.steps.len());
            let step = Step::Unite {
                human: chance.u32(1..=self.humans),
                into: chance.u32(1..=self.humans),
                fate: fate(&mut chance),
            };
            self.steps.insert(at, step);
            for _ in 0..chance.u32(0..=2) {
                let at = chance.usize(at + 1..=self.steps.len());
                let step = Step::Part {
                    luck: chance.u64(..),
                    fate: fate(&mut chance),
                };
                self.steps.insert(at, step);
            }
        }
    }

    fn newcomer(&mut self, anywhere: bool) -> Deed {
        self.humans += 1;
        let mut systems = vec![self.home(self.humans)];
        if anywhere && self.one_in(2) {
            let other = self.chance.usize(0..self.systems);
            if other != systems[0] {
                systems.push(other);
            }
        }
        Deed::Add {
            human: self.humans,
            systems,
        }
    }

    fn home(&self, human: u32) -> usize {
        human as usize % self.systems
    }

    fn deed(&mut self) -> Deed {
        let human = self.chance.u32(1..=self.humans.min(self.climate.famous));
        let unit = match self.climate.favourite {
            Some(unit) if self.chance.bool() => unit,
            _ => *pick(&mut self.chance, &Unit::DAILY),
        };
        if self.temper == Temper::Peaceful {
            let system = self.home(human);
            return match self.chance.u32(0..8) {
                0 if self.humans < 9 => self.newcomer(false),
                1 if unit != Unit::Tags => Deed::Empty {
                    system,
                    human,
                    unit,
                },
                _ if unit == Unit::Tags => Deed::Tag { system, human },
                _ => Deed::Edit {
                    system,
                    human,
                    unit,
                },
            };
        }
        let system = self.chance.usize(0..self.systems);
        if let Some((before, human, unit)) = self.last.take()
            && before != system
            && self.chance.bool()
        {
            // Two people at two systems, who do not know of each other.
            return match self.chance.u32(0..8) {
                0 => Deed::Empty {
                    system,
                    human,
                    unit,
                },
                1 => Deed::Delete { system, human },
                _ => Deed::Edit {
                    system,
                    human,
                    unit,
                },
            };
        }
        if unit != Unit::Tags {
            self.last = Some((system, human, unit));
        }
        match self.chance.u32(0..27) {
            0 | 1 if self.humans < 9 => self.newcomer(false),
            2 if unit != Unit::Tags => Deed::Empty {
                system,
                human,
                unit,
            },
            3 => Deed::Untag { system, human },
            4 => Deed::Delete { system, human },
            5 => Deed::Restore { system, human },
            6 if self.humans > 1 => {
                let into = self.chance.u32(1..=self.humans);
                Deed::Merge {
                    system,
                    human,
                    into,
                }
            }
            7 => Deed::Spoil { system, human },
            8 => Deed::Mend { system, human },
            9 => Deed::Hide { system, human },
            10 => Deed::Show { system, human },
            11 => Deed::Edit {
                system,
                human,
                unit: Unit::Mail,
            },
            14 => Deed::Double { system, human },
            13 if unit != Unit::Tags => Deed::Garble {
                system,
                human,
                unit,
            },
            12 => Deed::Edit {
                system,
                human,
                unit: Unit::Last,
            },
            _ if unit == Unit::Tags => Deed::Tag { system, human },
            _ => Deed::Edit {
                system,
                human,
                unit,
            },
        }
    }

    fn weather(&mut self) -> Weather {
        let kind = match self.climate.kinds.is_empty() {
            true => self.chance.u32(0..WEATHERS),
            false => *pick(&mut self.chance, &self.climate.kinds),
        };
        let kept_back = matches!(kind, 11 | 14);
        match kind {
            _ if kept_back && !self.reads_whole => Weather::Pull(PullWeather::Passing),
            0..=2 => Weather::Push(PushWeather::AnswerLost),
            3 => Weather::Push(PushWeather::NeverArrives),
            4 => Weather::Push(PushWeather::ArrivesLate(Duration::from_secs(
                self.chance.u64(1..=29),
            ))),
            5 => Weather::Push(PushWeather::HalfDone),
            6 => Weather::Push(PushWeather::Refused429(self.chance.u64(1..=100))),
            7 => Weather::Push(PushWeather::Passing),
            8 => Weather::Push(if self.chance.bool() {
                PushWeather::SignInExpired
            } else {
                PushWeather::Forbidden
            }),
            9 => Weather::Pull(PullWeather::Passing),
            10 => Weather::Pull(PullWeather::CursorExpired),
            11 => Weather::Pull(PullWeather::Truncated),
            12 => Weather::Pull(PullWeather::SignInExpired),
            13 => Weather::Pull(PullWeather::Refused429(self.chance.u64(1..=100))),
            14 => Weather::Blind(self.chance.bool()),
            _ => Weather::Forbidden(self.chance.bool()),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Deed(deed) => write!(f, "a person {deed}"),
            Step::Weather(system, weather) => write!(f, "at s{system}, {weather}"),
            Step::Pass(span) => write!(f, "{} s pass", span.as_secs_f64()),
            Step::Decide(_) => f.write_str("a person decides what waits for one"),
            Step::Unite { human, into, fate } => {
                write!(f, "the operator makes human {human} a part of human {into}")?;
                write!(
                    f,
                    "{}",
                    fate.map_or_else(String::new, |fate| format!(" ({fate:?})"))
                )
            }
            Step::Part { fate, .. } => {
                f.write_str("the operator takes somebody out again who was merged")?;
                write!(
                    f,
                    "{}",
                    fate.map_or_else(String::new, |fate| format!(" ({fate:?})"))
                )
            }
            Step::Lens(system, relens) => write!(f, "at s{system}, {relens}"),
            Step::Rule(unit, rule) => {
                write!(f, "conflicts of {} follow {rule:?}", unit.canonical())
            }
            Step::Sync(sync) => {
                f.write_str("the hub syncs")?;
                if let Some(Turns { read, write }) = &sync.turns {
                    write!(f, ", reading {read:?} and writing {write:?}")?;
                }
                if sync.full {
                    f.write_str(", reading everything")?;
                }
                for (at, deed) in &sync.during {
                    write!(f, "; before its request {at} a person {deed}")?;
                }
                match sync.fate {
                    Some(Fate::DiesBefore(n)) => write!(f, "; it dies before call {n}"),
                    Some(Fate::DiesAfter(n)) => write!(f, "; it dies after call {n}"),
                    Some(Fate::StallsBefore(n)) => {
                        write!(
                            f,
                            "; it stalls before call {n} until another hub has worked"
                        )
                    }
                    Some(Fate::StallsAfter(n)) => {
                        write!(f, "; it stalls after call {n} until another hub has worked")
                    }
                    None => Ok(()),
                }?;
                match sync.rival {
                    Some((Some(fate), _)) => write!(f, "; another hub works beside it ({fate:?})"),
                    Some((None, _)) => f.write_str("; another hub works beside it"),
                    None => Ok(()),
                }
            }
        }
    }
}
