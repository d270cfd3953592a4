//! When work ends that is limited by what a vendor allows, and what it leaves of
//! the day.

use std::time::Duration;

use concord_core::ports::Allowance;
use concord_core::{Timestamp, manifest};
use serde::Serialize;

const DAY: Duration = Duration::from_secs(86_400);

/// What a call takes where nothing slows it: calls of a connection are made one
/// after another.
const CALL: Duration = Duration::from_millis(250);

/// What lies further ahead is not foretold.
const FURTHEST: u32 = 366;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// Calls of the connector that are needed.
    pub calls: u64,
    /// None where it is more than a year away.
    pub ends_at: Option<Timestamp>,
    /// What is left then of that day's calls, where a day has a number of them.
    pub leaves_per_cent: Option<u64>,
}

/// How much of today's calls is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Today {
    pub used: u64,
    pub limit: u64,
}

impl Today {
    /// What the hubs wrote down, or the manifest says before they did.
    pub fn of(quota: &manifest::Quota, known: Option<&Allowance>, now: Timestamp) -> Option<Self> {
        let limit = known.map(|known| known.limit).filter(|limit| *limit > 0);
        let limit = limit.or(quota.per_day)?;
        let today = now.day();
        let used = known.filter(|known| known.day == today);
        Some(Self {
            used: used.map_or(0, |known| known.used),
            limit,
        })
    }
}

impl Forecast {
    /// Of so many calls that begin now and are slowed by the limits alone.
    pub fn new(calls: u64, quota: &manifest::Quota, today: Option<Today>, now: Timestamp) -> Self {
        let gap = gap(quota);
        let Some(today) = today else {
            return Self {
                calls,
                ends_at: after(now, gap, calls),
                leaves_per_cent: None,
            };
        };
        let (mut begin, mut used, mut rest) = (now, today.used, calls);
        for _ in 0..FURTHEST {
            let midnight = begin.next_day();
            let in_time = midnight.since(begin).as_micros() / gap.as_micros().max(1);
            let most = today.limit.saturating_sub(used);
            let most = most.min(u64::try_from(in_time).unwrap_or(u64::MAX));
            if rest <= most {
                let left = today.limit.saturating_sub(used + rest);
                return Self {
                    calls,
                    ends_at: after(begin, gap, rest),
                    leaves_per_cent: Some(left.saturating_mul(100) / today.limit.max(1)),
                };
            }
            (begin, used, rest) = (midnight, 0, rest - most);
        }
        Self {
            calls,
            ends_at: None,
            leaves_per_cent: None,
        }
    }

    /// `ends Tue 04:00 UTC and leaves 38 % of that day's calls`.
    pub fn words(&self, now: Timestamp) -> String {
        let Some(ends_at) = self.ends_at else {
            return "does not end within a year".to_owned();
        };
        let is_today = ends_at.day() == now.day();
        let mut text = format!("ends {}", spoken(ends_at, now));
        if let Some(left) = self.leaves_per_cent {
            let day = if is_today { "today's" } else { "that day's" };
            text += &format!(" and leaves {left} % of {day} calls");
        }
        text
    }
}

/// A day of the week where it is one of the next, and a date further ahead.
fn spoken(at: Timestamp, now: Timestamp) -> String {
    let form = match at.day() - now.day() {
        ..6 => "%a %H:%M UTC",
        _ => "%Y-%m-%d %H:%M UTC",
    };
    match jiff::Timestamp::from_microsecond(at.0) {
        Ok(time) => time.strftime(form).to_string(),
        Err(_) => at.to_string(),
    }
}

/// The time from one call to the next.
fn gap(quota: &manifest::Quota) -> Duration {
    let rate = quota.requests.zip(quota.per_ms);
    let by_rate = rate.map(|(requests, ms)| Duration::from_millis(ms) / requests.max(1));
    let cost = quota.cost.as_ref();
    let by_cost = cost.map(|cost| Duration::from_secs(u64::from(cost.usual)) / cost.restore.max(1));
    by_rate.into_iter().chain(by_cost).fold(CALL, Duration::max)
}

fn after(begin: Timestamp, gap: Duration, calls: u64) -> Option<Timestamp> {
    let calls = u32::try_from(calls).ok()?;
    let span = gap.checked_mul(calls)?;
    (span < DAY * FURTHEST).then(|| begin.plus(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday at noon.
    const NOON: Timestamp = Timestamp(1_795_435_200_000_000);

    fn quota(text: &str) -> manifest::Quota {
        serde_json::from_str(text).unwrap()
    }

    fn said(quota: &manifest::Quota, used: u64, calls: u64) -> String {
        let known = Allowance {
            budget: "connection/1 ".into(),
            day: NOON.day(),
            used,
            limit: 250_000,
        };
        let known = (used > 0).then_some(&known);
        let today = Today::of(quota, known, NOON);
        Forecast::new(calls, quota, today, NOON).words(NOON)
    }

    #[test]
    fn the_end_and_what_is_left_are_said() {
        let day = quota(r#"{"requests": 100, "per-ms": 10000, "per-day": 250000}"#);
        assert_eq!(
            said(&day, 0, 14_400),
            "ends Mon 13:00 UTC and leaves 94 % of today's calls"
        );
        // 50,000 are left today, and 105,000 of tomorrow's come after midnight.
        assert_eq!(
            said(&day, 200_000, 155_000),
            "ends Tue 07:17 UTC and leaves 58 % of that day's calls"
        );
        // A rate that a day's calls outlast: half a day has room for 172,800.
        assert_eq!(
            said(&day, 0, 172_800 + 14_400),
            "ends Tue 01:00 UTC and leaves 94 % of that day's calls"
        );
    }

    #[test]
    fn without_a_day_only_the_end_is_said() {
        assert_eq!(said(&quota("{}"), 0, 4), "ends Mon 12:00 UTC");
        let slow = quota(r#"{"requests": 1, "per-ms": 3600000}"#);
        assert_eq!(said(&slow, 0, 24 * 30), "ends 2026-12-23 12:00 UTC");
        assert_eq!(said(&slow, 0, 24 * 400), "does not end within a year");
        let tiny = quota(r#"{"per-day": 10}"#);
        assert_eq!(said(&tiny, 0, 10_000), "does not end within a year");
        let points = quota(r#"{"cost": {"size": 1000, "restore": 50, "usual": 100}}"#);
        assert_eq!(said(&points, 0, 900), "ends Mon 12:30 UTC");
    }
}
