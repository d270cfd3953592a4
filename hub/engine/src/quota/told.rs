//! What an answer tells of the limits, where the manifest says to look.

use std::time::Duration;

use concord_core::Timestamp;
use concord_core::manifest::{BodySign, Cost, Quota};
use concord_core::ports::HttpResponse;
use serde_json::Value;

use super::wait::{header, reset, retry_after};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    /// It was too much.
    pub throttled: bool,
    /// How long to wait, where it says so.
    pub wait: Option<Duration>,
    pub limit: Option<u32>,
    pub remaining: Option<u64>,
    pub window: Option<Duration>,
    pub reset: Option<Duration>,
    pub per_second: Option<f64>,
    pub daily_limit: Option<u64>,
    pub daily_remaining: Option<u64>,
    pub points: Points,
}

/// What a request cost, in points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Points {
    pub asked: Option<u32>,
    pub spent: Option<u32>,
    pub left: Option<u32>,
    pub size: Option<u32>,
    pub restore: Option<u32>,
}

impl Told {
    pub fn read(quota: &Quota, response: &HttpResponse, now: Timestamp) -> Self {
        let names = &quota.headers;
        let find = |name: &Option<String>| name.as_ref().and_then(|name| header(response, name));
        let number = |name| find(name).and_then(|value| value.parse::<u64>().ok());
        let signs = &quota.throttled;
        let is_bare = signs.bare_statuses.contains(&response.status);
        let wants_body = quota.cost.is_some() || signs.body.is_some() || is_bare;
        let body: Option<Value> = wants_body
            .then(|| serde_json::from_slice(&response.body).ok())
            .flatten();
        let throttled = signs.statuses.contains(&response.status)
            || (is_bare && body.is_none())
            || signs
                .body
                .as_ref()
                .zip(body.as_ref())
                .is_some_and(|(sign, body)| is_signed(sign, body));
        let reset = find(&names.reset).and_then(|value| reset(value, names.reset_form, now));
        // A system that is closed may say for how long (RFC 9110 §15.6.4).
        let wait = (throttled || response.status == 503)
            .then(|| retry_after(response, Some(now)))
            .flatten()
            .or(reset.filter(|_| throttled));
        Self {
            throttled,
            wait,
            limit: number(&names.limit).and_then(|n| u32::try_from(n).ok()),
            remaining: number(&names.remaining),
            window: number(&names.window_ms).map(Duration::from_millis),
            reset,
            per_second: find(&names.per_second)
                .and_then(|value| value.parse().ok())
                .filter(|rate: &f64| rate.is_finite() && *rate > 0.0),
            daily_limit: number(&names.daily_limit),
            daily_remaining: number(&names.daily_remaining),
            points: quota
                .cost
                .as_ref()
                .zip(body.as_ref())
                .map(|(cost, body)| Points::read(cost, body))
                .unwrap_or_default(),
        }
    }
}

impl Points {
    fn read(cost: &Cost, body: &Value) -> Self {
        let find = |at: &Option<String>| {
            let found = body.pointer(at.as_ref()?)?.as_f64()?;
            (0.0..=f64::from(u32::MAX))
                .contains(&found)
                .then_some(found)
        };
        // What is spent is rounded up and what is left down.
        let whole = |at| find(at).map(|found| found.ceil() as u32);
        let at_most = |at| find(at).map(|found| found.floor() as u32);
        Self {
            asked: whole(&cost.asked_at),
            spent: whole(&cost.spent_at),
            left: at_most(&cost.left_at),
            size: at_most(&cost.size_at).filter(|size| *size > 0),
            restore: at_most(&cost.restore_at).filter(|restore| *restore > 0),
        }
    }
}

fn is_signed(sign: &BodySign, body: &Value) -> bool {
    let list = body.pointer(&sign.list).and_then(Value::as_array);
    let is = |entry: &Value| entry.pointer(&sign.at).and_then(Value::as_str) == Some(&sign.is);
    list.is_some_and(|list| list.iter().any(is))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(quota: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Told {
        let quota: Quota = serde_json::from_str(quota).unwrap();
        let headers = headers.iter();
        let response = HttpResponse {
            status,
            headers: headers.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            body: body.into(),
        };
        Told::read(&quota, &response, Timestamp::ZERO)
    }

    #[test]
    fn headers_are_read_where_the_manifest_names_them() {
        let quota = r#"{"headers": {"limit": "X-Max", "remaining": "X-Left", "reset": "X-Reset",
            "window-ms": "X-Ms", "per-second": "X-Rate", "daily-remaining": "X-Day"}}"#;
        let headers = [
            ("x-max", "190"),
            ("x-left", "0"),
            ("x-reset", "12"),
            ("x-ms", "10000"),
            ("x-rate", "0.0167"),
            ("x-day", "many"),
        ];
        let found = told(quota, 200, &headers, "");
        assert!(!found.throttled && found.wait.is_none());
        assert_eq!((found.limit, found.remaining), (Some(190), Some(0)));
        assert_eq!(found.reset, Some(Duration::from_secs(12)));
        assert_eq!(found.window, Some(Duration::from_secs(10)));
        assert_eq!(found.per_second, Some(0.0167));
        assert_eq!(found.daily_remaining, None);
        assert_eq!(told("{}", 200, &headers, ""), Told::default());
        // A refusal is over when the window is, unless it says otherwise.
        assert_eq!(told(quota, 429, &headers, "").wait, found.reset);
        let later = [("x-reset", "12"), ("retry-after", "40")];
        let wait = told(quota, 429, &later, "").wait;
        assert_eq!(wait, Some(Duration::from_secs(40)));
        assert_eq!(told(quota, 503, &later, "").wait, wait);
        assert_eq!(told(quota, 500, &later, "").wait, None);
    }

    #[test]
    fn a_bare_403_is_a_refusal_and_one_with_a_reason_is_not() {
        let quota = r#"{"throttled": {"bare-statuses": [403]}}"#;
        assert!(told(quota, 403, &[], "<html>").throttled);
        assert!(!told(quota, 403, &[], r#"{"title": "Forbidden"}"#).throttled);
        assert!(told(quota, 429, &[], "{}").throttled);
        assert!(!told("{}", 403, &[], "<html>").throttled);
    }

    #[test]
    fn points_and_a_refusal_in_the_body_are_read() {
        let quota = r#"{"cost": {"size": 1000, "restore": 50, "asked-at": "/e/asked",
            "spent-at": "/e/spent", "left-at": "/e/left", "restore-at": "/e/rate"},
            "throttled": {"body": {"list": "/errors", "at": "/x/code", "is": "THROTTLED"}}}"#;
        let body = r#"{"e": {"asked": 12, "spent": 7.2, "left": 99.9, "rate": 100.0}}"#;
        let found = told(quota, 200, &[], body);
        let points = Points {
            asked: Some(12),
            spent: Some(8),
            left: Some(99),
            size: None,
            restore: Some(100),
        };
        assert!(!found.throttled);
        assert_eq!(found.points, points);
        let refused = r#"{"errors": [{}, {"x": {"code": "THROTTLED"}}], "e": {"spent": null}}"#;
        let found = told(quota, 200, &[], refused);
        assert!(found.throttled);
        assert_eq!(found.points, Points::default());
        assert!(!told(quota, 200, &[], r#"{"errors": [{"x": {"code": "OTHER"}}]}"#).throttled);
    }
}
