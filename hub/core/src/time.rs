//! Time as a value.  Nothing in the project reads a clock but through the
//! `Clock` port.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// In microseconds.
const DAY: i64 = 86_400_000_000;

impl Timestamp {
    pub const ZERO: Timestamp = Timestamp(0);

    pub fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    pub fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    pub fn plus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    pub fn minus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// Days of UTC since 1970.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// The midnight of UTC that comes next.
    pub fn next_day(self) -> Self {
        Self(self.day().saturating_add(1).saturating_mul(DAY))
    }

    /// Reads RFC 3339 text with any offset.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|t| Self(t.as_microsecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{}µs", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_offsets_and_print_utc() {
        let time = Timestamp::parse("2026-11-21T12:00:00+02:00").unwrap();
        assert_eq!(time.to_string(), "2026-11-21T10:00:00Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn a_day_begins_at_midnight() {
        let noon = Timestamp::parse("1970-01-02T12:00:00Z").unwrap();
        let midnight = Timestamp::parse("1970-01-03T00:00:00Z").unwrap();
        assert_eq!((noon.day(), noon.next_day()), (1, midnight));
        assert_eq!((midnight.day(), Timestamp(-1).day()), (2, -1));
        assert_eq!(Timestamp(-1).next_day(), Timestamp::ZERO);
    }

    #[test]
    fn a_span_before_its_start_is_zero() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(9).since(Timestamp(5)), Duration::from_micros(4));
    }
}
