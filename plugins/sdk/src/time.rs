//! Text to microseconds since 1970 and back.

use jiff::fmt::{rfc2822, temporal};

/// Reads RFC 3339 text with any offset, to the microsecond.
pub fn parse(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(|time| time.as_microsecond())
}

/// Writes RFC 3339 in UTC, with as many digits of the second as are needed.
/// A moment outside of the years that RFC 3339 can write becomes empty text.
pub fn format(micros: i64) -> String {
    print(&temporal::DateTimePrinter::new(), micros)
}

/// Writes RFC 3339 in UTC with exactly three digits of the second, cut off.
pub fn format_millis(micros: i64) -> String {
    print(&temporal::DateTimePrinter::new().precision(Some(3)), micros)
}

fn print(printer: &temporal::DateTimePrinter, micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros)
        .map(|time| printer.timestamp_to_string(&time))
        .unwrap_or_default()
}

/// Reads the date of an HTTP header: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn parse_http_date(text: &str) -> Option<i64> {
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
        .map(|time| time.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_to_the_microsecond() {
        // Expected values from `date -u -d … +%s`.
        for (text, expect) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-21T10:00:00Z", Some(1_795_255_200_000_000)),
            ("2026-11-21T12:00:00+02:00", Some(1_795_255_200_000_000)),
            ("2026-11-21T10:00:00.123456Z", Some(1_795_255_200_123_456)),
            ("2026-11-21", None),
            ("soon", None),
        ] {
            assert_eq!(parse(text), expect, "{text}");
        }
    }

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(format(1_795_255_200_000_000), "2026-11-21T10:00:00Z");
        assert_eq!(
            format_millis(1_795_255_200_123_456),
            "2026-11-21T10:00:00.123Z"
        );
        assert_eq!(format(i64::MAX), "");
    }

    #[test]
    fn the_http_date_of_rfc_9110_is_read() {
        assert_eq!(
            parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777_000_000)
        );
        assert_eq!(parse_http_date("120"), None);
    }
}
