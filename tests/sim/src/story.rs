//! What happens in one world, drawn from its seed: a list of steps, each a
//! value, so that a failing story can be told again with steps taken out.

use std::fmt;
use std::time::Duration;

use crate::behaviour::{Behaviour, Direction, pick};
use crate::deed::Deed;
use crate::mortal::Fate;
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
    /// A field gets another rule.
    Rule(Unit, Rule),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sync {
    pub approve: bool,
    pub full: bool,
    pub fate: Option<Fate>,
    /// What people do before its n-th request.
    pub during: Vec<(u32, Deed)>,
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
}

impl Story {
    pub(crate) fn draw(seed: u64, systems: Option<usize>) -> Self {
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
        let mut teller = Teller {
            chance,
            temper,
            systems: behaviours.len(),
            humans: 0,
            steps: Vec::new(),
            last: None,
        };
        teller.tell();
        Self {
            seed,
            temper,
            systems: behaviours,
            steps: teller.steps,
        }
    }
}

struct Teller {
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
        let first = self.sync(true);
        self.steps.push(Step::Sync(first));
        if self.one_in(3) {
            let unit = *pick(&mut self.chance, &Unit::DAILY);
            let rule = match self.chance.u32(0..3) {
                0 => Rule::Hold,
                1 => Rule::Latest,
                _ => Rule::Owner(self.chance.usize(0..self.systems)),
            };
            if unit != Unit::Tags {
                self.steps.insert(0, Step::Rule(unit, rule));
            }
        }
        for _ in 0..self.chance.u32(4..=12) {
            for _ in 0..self.chance.u32(1..=4) {
                let deed = self.deed();
                self.steps.push(Step::Deed(deed));
            }
            if self.one_in(2) {
                let system = self.chance.usize(0..self.systems);
                let weather = self.weather();
                self.steps.push(Step::Weather(system, weather));
            }
            let millis = *pick(&mut self.chance, &[10, 900, 5_000, 60_000, 1_000_000]);
            self.steps.push(Step::Pass(Duration::from_millis(millis)));
            let sync = self.sync(true);
            self.steps.push(Step::Sync(sync));
            if self.one_in(6) {
                let luck = self.chance.u64(..);
                self.steps.push(Step::Decide(luck));
            }
        }
    }

    fn sync(&mut self, approve: bool) -> Sync {
        let n = self.chance.u64(1..=160);
        let fate = match self.chance.u32(0..10) {
            0 | 1 => Some(Fate::DiesBefore(n)),
            2 | 3 => Some(Fate::DiesAfter(n)),
            4 => Some(Fate::StallsBefore(n)),
            5 => Some(Fate::StallsAfter(n)),
            _ => None,
        };
        let mut during = Vec::new();
        while self.one_in(2) && during.len() < 4 {
            let at = self.chance.u32(1..=20);
            during.push((at, self.deed()));
        }
        Sync {
            approve,
            full: self.one_in(6),
            fate,
            during,
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
        let human = self.chance.u32(1..=self.humans);
        let unit = *pick(&mut self.chance, &Unit::DAILY);
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
        match self.chance.u32(0..24) {
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
        match self.chance.u32(0..16) {
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
            Step::Rule(unit, rule) => {
                write!(f, "conflicts of {} follow {rule:?}", unit.canonical())
            }
            Step::Sync(sync) => {
                f.write_str("the hub syncs")?;
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
                }
            }
        }
    }
}
