//! When a hub that keeps running syncs next.

use std::str::FromStr as _;
use std::time::Duration;

use concord_core::Timestamp;
use croner::Cron;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use serde::{Deserialize, Serialize};

/// As an admin writes it: `every` or `cron`, and the rest where it is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScheduleConfig {
    /// A span from one start to the next: `15m`, `2h`, `90s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// Minute, hour, day, month and weekday: `*/15 7-19 * * MON-FRI`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Of `cron` and `quiet`, as the IANA database names it; UTC otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Times of day at which nothing begins: `22:00-06:00`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<String>,
    /// By how much a start may be late by chance, so that many hubs do not ask the
    /// same vendor in the same second; a tenth of `every` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
}

/// Schedules of one connection's own; the general one counts where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DirectionsConfig {
    /// When it is asked what has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ScheduleConfig>,
    /// When it is brought what it does not hold yet; webhooks of others do not
    /// bring it sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<ScheduleConfig>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("'{text}' is no span of time: write it like 15m, 2h or 90s")]
    Span { text: String },
    #[error("'every' is {text}; a sync more often than every second does nobody good")]
    TooOften { text: String },
    #[error("give either 'every' or 'cron'")]
    Both,
    #[error(
        "'{text}' is no cron expression: {problem}. Five fields: minute hour day month weekday"
    )]
    Cron { text: String, problem: String },
    #[error("'{text}' is never: no such moment comes")]
    Never { text: String },
    #[error("there is no time zone '{name}': write it like Europe/Berlin")]
    Zone { name: String },
    #[error("'{text}' is no part of a day: write it like 22:00-06:00")]
    Quiet { text: String },
    #[error("all of every day is quiet, so nothing would ever begin")]
    AlwaysQuiet,
}

/// Where nothing is said.
const EVERY: Duration = Duration::from_secs(15 * 60);

#[derive(Clone, Debug)]
pub struct Schedule {
    when: When,
    zone: TimeZone,
    quiet: Vec<(Time, Time)>,
    jitter: Duration,
}

#[derive(Clone, Debug)]
enum When {
    Every(Duration),
    Cron(Box<Cron>),
}

impl Schedule {
    /// Checks what was written; `now` is where the search for a first moment begins.
    pub fn new(config: &ScheduleConfig, now: Timestamp) -> Result<Self, ScheduleError> {
        let zone = match &config.time_zone {
            Some(name) => {
                TimeZone::get(name).map_err(|_| ScheduleError::Zone { name: name.clone() })?
            }
            None => TimeZone::UTC,
        };
        let when = match (&config.every, &config.cron) {
            (Some(_), Some(_)) => return Err(ScheduleError::Both),
            (None, Some(text)) => When::Cron(Box::new(cron(text)?)),
            (None, None) => When::Every(EVERY),
            (Some(text), None) => match span(text)? {
                often if often < Duration::from_secs(1) => {
                    return Err(ScheduleError::TooOften { text: text.clone() });
                }
                every => When::Every(every),
            },
        };
        let jitter = match (&config.jitter, &when) {
            (Some(text), _) => span(text)?,
            (None, When::Every(every)) => *every / 10,
            (None, When::Cron(_)) => Duration::ZERO,
        };
        let quiet: Result<_, _> = config.quiet.iter().map(|text| part_of_day(text)).collect();
        let schedule = Self {
            when,
            zone,
            quiet: quiet?,
            jitter,
        };
        match schedule.next(None, now, 0) {
            Some(_) => Ok(schedule),
            None if !schedule.quiet.is_empty() => Err(ScheduleError::AlwaysQuiet),
            None => Err(ScheduleError::Never {
                text: config.cron.clone().unwrap_or_default(),
            }),
        }
    }

    /// The next start.  `last` is when the last one began; what was missed since,
    /// however often, is made up for once and at once.
    pub fn next(&self, last: Option<Timestamp>, now: Timestamp, chance: u64) -> Option<Timestamp> {
        let due = match (&self.when, last) {
            (When::Every(_), None) => now,
            (When::Every(every), Some(last)) => last.plus(*every),
            (When::Cron(cron), last) => {
                let after = self.local(last.unwrap_or(now));
                let next = cron.find_next_occurrence(&after, false).ok()?;
                Timestamp(next.timestamp().as_microsecond())
            }
        };
        let due = due.max(now);
        let most = u64::try_from(self.jitter.as_micros()).unwrap_or(u64::MAX);
        let late = Duration::from_micros(chance % most.saturating_add(1));
        self.after_quiet(due.plus(late))
    }

    /// Whether nothing begins at this moment.
    pub fn is_quiet(&self, at: Timestamp) -> bool {
        self.after_quiet(at) != Some(at)
    }

    /// The moment itself, or the end of the quiet time that it lies in.
    fn after_quiet(&self, at: Timestamp) -> Option<Timestamp> {
        let mut local = self.local(at);
        // Quiet times may follow each other; after as many of them as there are, and
        // one more, nothing but quiet is left.
        for _ in 0..=self.quiet.len() {
            let time = local.time();
            let inside = |(from, until): &&(Time, Time)| match from <= until {
                true => (*from..*until).contains(&time),
                false => time >= *from || time < *until,
            };
            let Some((_, until)) = self.quiet.iter().find(inside) else {
                return Some(at.max(Timestamp(local.timestamp().as_microsecond())));
            };
            let day = match *until > time {
                true => local.date(),
                false => local.date().tomorrow().ok()?,
            };
            local = day.to_datetime(*until).to_zoned(self.zone.clone()).ok()?;
        }
        None
    }

    fn local(&self, at: Timestamp) -> Zoned {
        let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone())
    }
}

fn span(text: &str) -> Result<Duration, ScheduleError> {
    let wrong = || ScheduleError::Span { text: text.into() };
    let span = SignedDuration::from_str(text).map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

fn cron(text: &str) -> Result<Cron, ScheduleError> {
    Cron::from_str(text).map_err(|error| ScheduleError::Cron {
        text: text.into(),
        problem: error.to_string(),
    })
}

fn part_of_day(text: &str) -> Result<(Time, Time), ScheduleError> {
    let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    let parts = text.split_once('-');
    let parts = parts.and_then(|(from, until)| Some((time(from)?, time(until)?)));
    parts.ok_or_else(|| ScheduleError::Quiet { text: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let at: jiff::Timestamp = text.parse().unwrap();
        Timestamp(at.as_microsecond())
    }

    fn config(text: &str) -> ScheduleConfig {
        serde_json::from_str(text).unwrap()
    }

    fn check(text: &str, last: Option<&str>, now: &str, expect: &str) {
        let schedule = Schedule::new(&config(text), at(now)).unwrap();
        let next = schedule.next(last.map(at), at(now), 0).unwrap();
        assert_eq!(next, at(expect), "{text} after {last:?} at {now}");
    }

    #[test]
    fn a_span_runs_from_start_to_start_and_makes_up_once() {
        let every = r#"{"every": "15m"}"#;
        check(every, None, "2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z");
        let last = Some("2026-11-23T08:00:00Z");
        check(every, last, "2026-11-23T08:05:00Z", "2026-11-23T08:15:00Z");
        // Three days off: one sync, now.
        check(every, last, "2026-11-26T09:00:00Z", "2026-11-26T09:00:00Z");
        check("{}", last, "2026-11-23T08:05:00Z", "2026-11-23T08:15:00Z");
    }

    #[test]
    fn a_cron_speaks_of_its_own_time_zone() {
        let berlin = r#"{"cron": "0 8 * * MON-FRI", "time-zone": "Europe/Berlin"}"#;
        // A Friday in summer (UTC+2) and a Monday in winter (UTC+1).
        check(berlin, None, "2026-07-17T05:00:00Z", "2026-07-17T06:00:00Z");
        check(berlin, None, "2026-11-20T12:00:00Z", "2026-11-23T07:00:00Z");
        // Missed over a weekend of downtime: once, now.
        let friday = Some("2026-11-20T07:00:00Z");
        check(
            berlin,
            friday,
            "2026-11-24T12:34:56Z",
            "2026-11-24T12:34:56Z",
        );
    }

    /// Europe/Berlin goes from 02:00 to 03:00 on 29 March 2026, and from 03:00 to
    /// 02:00 on 25 October 2026 (IANA time zone database).
    #[test]
    fn an_hour_that_is_skipped_or_comes_twice_runs_once() {
        let half_past_two = r#"{"cron": "30 2 * * *", "time-zone": "Europe/Berlin"}"#;
        let before = "2026-03-28T12:00:00Z";
        // There is no 02:30: at the change.
        let schedule = Schedule::new(&config(half_past_two), at(before)).unwrap();
        let skipped = schedule.next(Some(at(before)), at(before), 0).unwrap();
        assert!(
            (at("2026-03-29T01:00:00Z")..=at("2026-03-29T01:30:00Z")).contains(&skipped),
            "{skipped}"
        );
        let after = schedule.next(Some(skipped), skipped, 0).unwrap();
        assert_eq!(after, at("2026-03-30T00:30:00Z"));
        // 02:30 comes at 00:30 and at 01:30 UTC: the first is taken.
        let first = at("2026-10-25T00:30:00Z");
        let before = at("2026-10-24T12:00:00Z");
        assert_eq!(schedule.next(Some(before), before, 0), Some(first));
        let next = schedule.next(Some(first), first, 0).unwrap();
        assert_eq!(next, at("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn nothing_begins_in_quiet_time() {
        let nights = r#"{"every": "1h", "quiet": ["22:00-06:00", "06:00-06:30"],
                         "time-zone": "Europe/Berlin", "jitter": "0s"}"#;
        let last = Some("2026-11-23T19:30:00Z");
        // 21:30 in Berlin is not quiet, 22:30 is: until 06:30 the next day.
        check(nights, last, "2026-11-23T19:31:00Z", "2026-11-23T20:30:00Z");
        let last = Some("2026-11-23T20:30:00Z");
        check(nights, last, "2026-11-23T20:31:00Z", "2026-11-24T05:30:00Z");
    }

    #[test]
    fn chance_makes_a_start_late_by_no_more_than_was_said() {
        let text = r#"{"every": "10m", "jitter": "30s"}"#;
        let now = at("2026-11-23T08:00:00Z");
        let schedule = Schedule::new(&config(text), now).unwrap();
        for chance in [0, 1, 29_999_999, 123_456_789_012, u64::MAX] {
            let next = schedule.next(None, now, chance).unwrap();
            assert!(next >= now && next <= now.plus(Duration::from_secs(30)));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_next_step() {
        let now = at("2026-11-23T08:00:00Z");
        for (text, part) in [
            (r#"{"every": "soon"}"#, "like 15m"),
            (r#"{"every": "-5m"}"#, "like 15m"),
            (r#"{"every": "0s"}"#, "more often"),
            (r#"{"every": "5m", "cron": "* * * * *"}"#, "either"),
            (r#"{"cron": "every day"}"#, "Five fields"),
            (r#"{"cron": "61 * * * *"}"#, "Five fields"),
            // There is no 30 February.
            (r#"{"cron": "0 0 30 2 *"}"#, "is never"),
            (r#"{"time-zone": "Berlin"}"#, "Europe/Berlin"),
            (r#"{"quiet": ["at night"]}"#, "22:00-06:00"),
            (r#"{"quiet": ["00:00-12:00", "12:00-00:00"]}"#, "ever begin"),
        ] {
            let error = Schedule::new(&config(text), now).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
