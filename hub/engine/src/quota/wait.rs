//! When a system says to come back: `Retry-After` in both of its forms, and its
//! vendors' cousins.

use std::time::{Duration, UNIX_EPOCH};

use concord_core::Timestamp;
use concord_core::manifest::ResetForm;
use concord_core::ports::HttpResponse;

/// RFC 9110 §10.2.3.  A date is held against the answer's own `Date`, so that a
/// clock that is wrong does no harm; without that one against our own, and where
/// that is not known it says nothing.
pub(crate) fn retry_after(response: &HttpResponse, now: Option<Timestamp>) -> Option<Duration> {
    let value = header(response, "retry-after")?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = date(value)?;
    let now = header(response, "date").and_then(date).or(now)?;
    Some(then.since(now))
}

/// How long it is until the moment that a header of this form names.
pub(super) fn reset(value: &str, form: ResetForm, now: Timestamp) -> Option<Duration> {
    let number = || value.parse::<f64>().ok().filter(|n| *n >= 0.0 && *n < 1e15);
    match form {
        ResetForm::Seconds => number().and_then(|n| Duration::try_from_secs_f64(n).ok()),
        ResetForm::Unix => number().map(|n| Timestamp::from_millis((n * 1e3) as i64).since(now)),
        ResetForm::UnixMs => number().map(|n| Timestamp::from_millis(n as i64).since(now)),
        ResetForm::Iso => Timestamp::parse(value).map(|then| then.since(now)),
    }
}

pub(super) fn header<'r>(response: &'r HttpResponse, name: &str) -> Option<&'r str> {
    let mut headers = response.headers.iter();
    let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

fn date(value: &str) -> Option<Timestamp> {
    let then = httpdate::parse_http_date(value).ok()?;
    let since = then.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::ZERO.plus(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&str, &str)], now: Option<i64>) -> Option<u64> {
        let headers = headers.iter();
        let response = HttpResponse {
            status: 429,
            headers: headers.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            body: Vec::new(),
        };
        let now = now.map(|seconds| Timestamp::from_millis(seconds * 1_000));
        retry_after(&response, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_told() {
        // RFC 9110's own examples; the date is 784111777 seconds after 1970.
        let then = ("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(told(&[("retry-after", " 120 ")], None), Some(120));
        assert_eq!(told(&[then], Some(784_111_770)), Some(7));
        assert_eq!(told(&[then], Some(784_111_780)), Some(0));
        assert_eq!(told(&[then], None), None);
        let served = ("Date", "Sun, 06 Nov 1994 08:49:00 GMT");
        assert_eq!(told(&[then, served], Some(5)), Some(37));
        assert_eq!(told(&[("Retry-After", "soon")], Some(0)), None);
        assert_eq!(told(&[("Retry-After", "-5")], Some(0)), None);
    }

    #[test]
    fn a_reset_is_read_in_each_form() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let wait = |value, form| reset(value, form, now).map(|wait| wait.as_millis());
        assert_eq!(wait("1.5", ResetForm::Seconds), Some(1_500));
        assert_eq!(wait("1700000030", ResetForm::Unix), Some(30_000));
        assert_eq!(wait("1700000000250", ResetForm::UnixMs), Some(250));
        assert_eq!(wait("2023-11-14T22:13:25Z", ResetForm::Iso), Some(5_000));
        assert_eq!(wait("1600000000", ResetForm::Unix), Some(0));
        for form in [ResetForm::Seconds, ResetForm::Unix, ResetForm::Iso] {
            assert_eq!(wait("later", form), None);
            assert_eq!(wait("NaN", form), None);
        }
    }
}
