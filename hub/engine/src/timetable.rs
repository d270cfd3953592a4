//! When each connection is read and written to, for a hub that keeps running.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use concord_core::Timestamp;

use crate::config::Config;
use crate::history::Began;
use crate::run::Chosen;
use crate::schedule::{Schedule, ScheduleConfig, ScheduleError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Read,
    Write,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Read => "read",
            Direction::Write => "write",
        })
    }
}

/// A schedule that cannot be followed, and where it stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {error}")]
pub struct Unusable {
    pub place: String,
    pub error: ScheduleError,
}

/// One connection's turn in one direction.
#[derive(Clone, Debug)]
pub struct Entry {
    pub connection: String,
    pub direction: Direction,
    /// When it last began.
    pub began: Option<Timestamp>,
    /// Whether it has a schedule of its own.
    pub is_own: bool,
    config: ScheduleConfig,
    /// As `config` says.
    schedule: Schedule,
}

/// The same where the same follows from it.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.direction, self.began, self.is_own) == (other.direction, other.began, other.is_own)
            && self.connection == other.connection
            && self.config == other.config
    }
}

impl Entry {
    /// When it begins next.  The same chance makes those late together that follow
    /// one schedule.
    pub fn next(&self, now: Timestamp, chance: u64) -> Option<Timestamp> {
        self.schedule.next(self.began, now, chance)
    }

    /// Since when it should have begun, where that is longer than a while.
    pub fn overdue(&self, now: Timestamp, a_while: Duration) -> Option<Timestamp> {
        let began = self.began?;
        let due = self.schedule.next(Some(began), began, 0)?;
        (due.plus(a_while) < now).then_some(due)
    }
}

/// Everything that is to begin at some time, and what that follows from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timetable {
    entries: Vec<Entry>,
}

impl Timetable {
    /// Checks what was written; `now` is where the search for a first moment begins.
    pub fn new(config: &Config, began: &Began, now: Timestamp) -> Result<Self, Unusable> {
        let check = |schedule: &ScheduleConfig, place: String| {
            Schedule::new(schedule, now).map_err(|error| Unusable { place, error })
        };
        let general = check(&config.schedule, "schedule".into())?;
        let mut entries = Vec::new();
        for (name, connection) in &config.connections {
            let own = &connection.schedule;
            for (direction, own) in [(Direction::Read, &own.read), (Direction::Write, &own.write)] {
                let place = format!("connections.{name}.schedule.{direction}");
                entries.push(Entry {
                    connection: name.clone(),
                    direction,
                    began: began.of(name, direction),
                    is_own: own.is_some(),
                    config: own.as_ref().unwrap_or(&config.schedule).clone(),
                    schedule: match own {
                        Some(own) => check(own, place)?,
                        None => general.clone(),
                    },
                });
            }
        }
        Ok(Self { entries })
    }

    /// Without those that are not to be looked at now.
    pub fn without(mut self, paused: &BTreeSet<String>) -> Self {
        self.entries
            .retain(|entry| !paused.contains(&entry.connection));
        self
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What begins for webhooks of these connections: they do not wait for a turn,
    /// but for the end of quiet times, and are not carried to where writes have times
    /// of their own.
    pub fn hinted(&self, told: &BTreeSet<String>, now: Timestamp) -> Chosen {
        let mut chosen = Chosen::default();
        let loud = self.entries.iter();
        for entry in loud.filter(|entry| !entry.schedule.is_quiet(now)) {
            let name = entry.connection.clone();
            match entry.direction {
                Direction::Read if told.contains(&name) => chosen.read.insert(name),
                Direction::Write if !entry.is_own => chosen.write.insert(name),
                Direction::Read | Direction::Write => false,
            };
        }
        chosen
    }
}

/// The next start of each entry.  One that was drawn stays while what it follows
/// from is the same: drawn anew with each look, it would never come.
#[derive(Debug, Default)]
pub struct Agenda {
    known: Vec<(Entry, Option<Timestamp>)>,
}

impl Agenda {
    pub fn follow(&mut self, table: Timetable, now: Timestamp, chance: u64) {
        let mut known = std::mem::take(&mut self.known);
        for entry in table.entries {
            let same = known.iter().position(|(known, _)| *known == entry);
            let next = match same {
                Some(same) => known.swap_remove(same).1,
                None => entry.next(now, chance),
            };
            self.known.push((entry, next));
        }
    }

    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// What has its turn, and of those that are to be tried again all that still
    /// stand there.
    pub fn due(&self, now: Timestamp, again: &Chosen) -> Chosen {
        let due = self.known.iter().filter(|(entry, next)| {
            next.is_some_and(|next| next <= now) || again.has(&entry.connection, entry.direction)
        });
        Chosen::of(due.map(|(entry, _)| entry))
    }
}

impl Chosen {
    fn has(&self, connection: &str, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.read.contains(connection),
            Direction::Write => self.write.contains(connection),
        }
    }

    pub fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut chosen = Self::default();
        for entry in entries {
            let names = match entry.direction {
                Direction::Read => &mut chosen.read,
                Direction::Write => &mut chosen.write,
            };
            names.insert(entry.connection.clone());
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Request;

    fn config(text: &str) -> Config {
        serde_json::from_str(text).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1_000_000)
    }

    fn names(names: &BTreeSet<String>) -> Vec<&str> {
        names.iter().map(String::as_str).collect()
    }

    const TWO: &str = r#"{
        "schedule": { "every": "60s", "jitter": "20s" },
        "connections": {
            "crm": { "connector": "toy", "schedule": { "read": { "every": "10s", "jitter": "0s" } } },
            "mail": { "connector": "toy", "schedule": {
                "write": { "cron": "0 6 * * *", "time-zone": "UTC" } } }
        }
    }"#;

    #[test]
    fn each_connection_has_its_own_times_in_each_direction() {
        let table = |began| Timetable::new(&config(TWO), &Began::at(at(began)), at(began)).unwrap();
        let next = |began| -> Vec<(String, Direction, i64)> {
            let table = table(began);
            let entries = table.entries().iter();
            let next = |entry: &Entry| entry.next(at(began), 0).unwrap().0 / 1_000_000;
            entries
                .map(|entry| (entry.connection.clone(), entry.direction, next(entry)))
                .collect()
        };
        // 1970-01-01T05:00:00Z, an hour before six.
        assert_eq!(
            next(18_000),
            [
                ("crm".to_owned(), Direction::Read, 18_010),
                ("crm".to_owned(), Direction::Write, 18_060),
                ("mail".to_owned(), Direction::Read, 18_060),
                ("mail".to_owned(), Direction::Write, 21_600),
            ]
        );
    }

    #[test]
    fn what_is_often_does_not_keep_the_rest_from_its_turn() {
        let config = config(TWO);
        let mut began = Began::at(at(0));
        let mut agenda = Agenda::default();
        let mut turns: Vec<(i64, Vec<String>)> = Vec::new();
        // The draw is by 15 seconds late, again and again.
        let late = 15_000_000;
        for second in 0..=100 {
            let table = Timetable::new(&config, &began, at(second)).unwrap();
            agenda.follow(table, at(second), late);
            let due = agenda.due(at(second), &Chosen::default());
            if !due.is_empty() {
                let request = Request {
                    chosen: Some(due.clone()),
                    ..Request::default()
                };
                began = began.with(["crm", "mail"].into_iter(), &request, at(second));
            }
            if due.write.contains("crm") || due.read.contains("mail") {
                turns.push((second, due.write.union(&due.read).cloned().collect()));
            }
        }
        // Those that follow one schedule go together, as late as was drawn first.
        assert_eq!(turns, [(75, vec!["crm".to_owned(), "mail".to_owned()])]);
    }

    #[test]
    fn webhooks_wait_for_the_end_of_quiet_times_and_lead_to_no_writes_out_of_turn() {
        let mut config = config(TWO);
        let told = BTreeSet::from(["crm".to_owned()]);
        let table = Timetable::new(&config, &Began::at(at(0)), at(0)).unwrap();
        let chosen = table.hinted(&told, at(0));
        assert_eq!(names(&chosen.read), ["crm"]);
        assert_eq!(names(&chosen.write), ["crm"]);

        let read = config.connections.get_mut("crm").unwrap();
        read.schedule.read.as_mut().unwrap().quiet = vec!["00:00-01:00".into()];
        let table = Timetable::new(&config, &Began::at(at(0)), at(0)).unwrap();
        assert!(table.hinted(&told, at(0)).read.is_empty());
        assert_eq!(names(&table.hinted(&told, at(3_600)).read), ["crm"]);
        let none = table.without(&told);
        assert!(none.hinted(&told, at(3_600)).is_empty());
    }

    #[test]
    fn what_failed_is_tried_again_unless_it_is_gone() {
        let config = config(TWO);
        let mut agenda = Agenda::default();
        agenda.follow(
            Timetable::new(&config, &Began::at(at(0)), at(0)).unwrap(),
            at(0),
            0,
        );
        let again = Chosen {
            read: ["crm".to_owned(), "gone".to_owned()].into(),
            write: ["crm".to_owned()].into(),
        };
        let due = agenda.due(at(1), &again);
        assert_eq!(
            (names(&due.read), names(&due.write)),
            (vec!["crm"], vec!["crm"])
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let text = r#"{ "connections": { "crm": { "connector": "toy",
            "schedule": { "write": { "every": "often" } } } } }"#;
        let error = Timetable::new(&config(text), &Began::default(), at(0)).unwrap_err();
        assert_eq!(error.place, "connections.crm.schedule.write");
        assert!(error.to_string().contains("like 15m"), "{error}");
    }
}
