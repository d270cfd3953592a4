//! Rate limits of a private app on a professional plan, in HubSpot's own words:
//! 190 calls in any ten seconds, 650,000 a day, and searches apart from these
//! with five a second.

use std::collections::VecDeque;

use concord_core::Timestamp;
use serde_json::json;

use crate::Response;

const BURST: usize = 190;
const BURST_MS: i64 = 10_000;
const DAILY: u32 = 650_000;
const DAY_MS: i64 = 86_400_000;
const SEARCHES: usize = 5;
const SEARCH_MS: i64 = 1_000;

#[derive(Debug)]
pub(crate) struct Limits {
    /// Calls a day of this account's plan.
    pub daily: u32,
    calls: VecDeque<i64>,
    searches: VecDeque<i64>,
    day: i64,
    today: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            daily: DAILY,
            calls: VecDeque::new(),
            searches: VecDeque::new(),
            day: 0,
            today: 0,
        }
    }
}

impl Limits {
    /// Takes one call off the allowance.  Gives the headers of its answer, or
    /// the answer that refuses it.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        is_search: bool,
        correlation_id: &str,
    ) -> Result<Vec<(String, String)>, Response> {
        let ms = now.millis();
        if self.day != ms.div_euclid(DAY_MS) {
            self.day = ms.div_euclid(DAY_MS);
            self.today = 0;
        }
        if is_search {
            return self.take_search(ms, correlation_id);
        }
        forget(&mut self.calls, ms - BURST_MS);
        if self.today >= self.daily {
            return Err(self.refuse(
                "DAILY",
                "You have reached your daily limit.",
                correlation_id,
            ));
        }
        if self.calls.len() >= BURST {
            let message = "You have reached your ten_secondly_rolling limit.";
            return Err(self.refuse("TEN_SECONDLY_ROLLING", message, correlation_id));
        }
        self.calls.push_back(ms);
        self.today += 1;
        Ok(self.headers())
    }

    /// Answers of searches carry no rate headers, and neither do their refusals.
    fn take_search(
        &mut self,
        ms: i64,
        correlation_id: &str,
    ) -> Result<Vec<(String, String)>, Response> {
        forget(&mut self.searches, ms - SEARCH_MS);
        if self.searches.len() >= SEARCHES {
            let message = "You have reached your secondly limit.";
            return Err(refusal("SECONDLY", message, correlation_id));
        }
        self.searches.push_back(ms);
        self.today += 1;
        Ok(Vec::new())
    }

    fn refuse(&self, policy: &str, message: &str, correlation_id: &str) -> Response {
        let mut answer = refusal(policy, message, correlation_id);
        answer.headers.extend(self.headers());
        answer
    }

    fn headers(&self) -> Vec<(String, String)> {
        let header =
            |name: &str, value: usize| (format!("x-hubspot-ratelimit-{name}"), value.to_string());
        let left_today = self.daily - self.today.min(self.daily);
        vec![
            header("daily", self.daily as usize),
            header("daily-remaining", left_today as usize),
            header("interval-milliseconds", BURST_MS as usize),
            header("max", BURST),
            header("remaining", BURST - self.calls.len()),
            header("secondly", BURST / 10),
            header(
                "secondly-remaining",
                (BURST - self.calls.len()).min(BURST / 10),
            ),
        ]
    }
}

fn forget(calls: &mut VecDeque<i64>, until: i64) {
    while calls.front().is_some_and(|moment| *moment <= until) {
        calls.pop_front();
    }
}

fn refusal(policy: &str, message: &str, correlation_id: &str) -> Response {
    Response::json(
        429,
        &json!({
            "status": "error",
            "message": message,
            "errorType": "RATE_LIMIT",
            "correlationId": correlation_id,
            "policyName": policy,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies as quoted in HGData/mk-node-hubspot#89 and in the RetryDecorator of
    /// HubSpot/hubspot-api-nodejs; limits from the changelogs "Increasing our API
    /// limits" and the search guide's section on limits.
    fn refused(limits: &mut Limits, ms: i64, is_search: bool) -> Option<String> {
        let answer = limits.take(Timestamp::from_millis(ms), is_search, "c");
        answer.err().map(|answer| {
            assert_eq!(answer.status, 429);
            assert_eq!(answer.value()["errorType"], "RATE_LIMIT");
            answer.value()["policyName"].as_str().unwrap().to_owned()
        })
    }

    #[test]
    fn ten_seconds_roll() {
        let mut limits = Limits::default();
        for ms in 0..190 {
            assert_eq!(refused(&mut limits, ms, false), None);
        }
        let policy = Some("TEN_SECONDLY_ROLLING".to_owned());
        assert_eq!(refused(&mut limits, 9_999, false), policy);
        assert_eq!(refused(&mut limits, 10_000, false), None);
        assert_eq!(refused(&mut limits, 10_000, false), policy);
    }

    #[test]
    fn searches_have_a_bucket_of_their_own() {
        let mut limits = Limits::default();
        for _ in 0..5 {
            assert_eq!(refused(&mut limits, 0, true), None);
        }
        assert_eq!(refused(&mut limits, 999, true), Some("SECONDLY".into()));
        assert_eq!(refused(&mut limits, 999, false), None);
        assert_eq!(refused(&mut limits, 1_000, true), None);
    }

    #[test]
    fn the_day_has_an_end() {
        let mut limits = Limits {
            today: DAILY,
            ..Limits::default()
        };
        assert_eq!(refused(&mut limits, 5, false), Some("DAILY".into()));
        assert_eq!(refused(&mut limits, DAY_MS, false), None);
    }

    #[test]
    fn the_headers_tell_what_is_left() {
        let mut limits = Limits::default();
        let headers = limits.take(Timestamp::ZERO, false, "c").unwrap();
        let value = |name: &str| {
            let found = headers.iter().find(|(n, _)| n == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("x-hubspot-ratelimit-daily"), Some("650000"));
        assert_eq!(value("x-hubspot-ratelimit-daily-remaining"), Some("649999"));
        assert_eq!(value("x-hubspot-ratelimit-max"), Some("190"));
        assert_eq!(value("x-hubspot-ratelimit-remaining"), Some("189"));
        assert!(limits.take(Timestamp::ZERO, true, "c").unwrap().is_empty());
    }
}
