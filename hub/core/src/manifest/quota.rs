//! What a vendor allows: rates, numbers at once, days and points, and where its
//! answers tell how much of it is left.

use serde::{Deserialize, Serialize};

/// The allowance of one class of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Quota {
    /// "" is the default class.
    #[serde(default)]
    pub class: String,
    /// Whose it is.
    #[serde(default)]
    pub scope: Scope,
    /// Requests in each span of `per-ms`; none means no known rate.
    #[serde(default)]
    pub requests: Option<u32>,
    #[serde(default)]
    pub per_ms: Option<u64>,
    /// The vendor itself keeps a bucket of so many requests that refills at this
    /// rate, in place of a window.
    #[serde(default)]
    pub burst: Option<u32>,
    /// Requests under way at once.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// Requests in a day of UTC.
    #[serde(default)]
    pub per_day: Option<u64>,
    /// Requests that cost points, more or fewer.
    #[serde(default)]
    pub cost: Option<Cost>,
    /// Which headers tell what is allowed and what is left.
    #[serde(default)]
    pub headers: QuotaHeaders,
    /// Which answers say that it was too much.
    #[serde(default)]
    pub throttled: Throttled,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Each account has its own.
    #[default]
    Connection,
    /// All accounts that one app asks for share it.
    App,
}

/// A bucket of points.  What a request costs is known from its answer only; each
/// place is a JSON pointer into the answer's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cost {
    pub size: u32,
    /// Points that come back each second.
    pub restore: u32,
    /// What is set aside for a request before any answer told better.
    #[serde(default = "one")]
    pub usual: u32,
    /// What the vendor sets aside before it answers.
    #[serde(default)]
    pub asked_at: Option<String>,
    /// What the request really cost.
    #[serde(default)]
    pub spent_at: Option<String>,
    /// What is left in the bucket.
    #[serde(default)]
    pub left_at: Option<String>,
    #[serde(default)]
    pub size_at: Option<String>,
    #[serde(default)]
    pub restore_at: Option<String>,
}

fn one() -> u32 {
    1
}

/// Names of headers, in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct QuotaHeaders {
    /// Requests allowed in the window.
    #[serde(default)]
    pub limit: Option<String>,
    /// Requests left in the window.
    #[serde(default)]
    pub remaining: Option<String>,
    /// How long the window is, in milliseconds; `per-ms` where it is missing.
    #[serde(default)]
    pub window_ms: Option<String>,
    /// Requests allowed each second, with a fraction.
    #[serde(default)]
    pub per_second: Option<String>,
    /// When the window ends.
    #[serde(default)]
    pub reset: Option<String>,
    #[serde(default)]
    pub reset_form: ResetForm,
    #[serde(default)]
    pub daily_limit: Option<String>,
    #[serde(default)]
    pub daily_remaining: Option<String>,
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetForm {
    /// Seconds from now.
    #[default]
    Seconds,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// RFC 3339.
    Iso,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Throttled {
    pub statuses: Vec<u16>,
    /// These too, but only where the body is no JSON: an edge before the API
    /// refused, and not the API a permission.
    pub bare_statuses: Vec<u16>,
    /// A body that says so under a status that does not.
    pub body: Option<BodySign>,
    /// How long to wait where the answer does not say.
    pub pause_ms: Option<u64>,
}

impl Default for Throttled {
    fn default() -> Self {
        Self {
            statuses: vec![429],
            bare_statuses: Vec::new(),
            body: None,
            pause_ms: None,
        }
    }
}

/// One entry of a list in the body has this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BodySign {
    /// A pointer to the list.
    pub list: String,
    /// A pointer within each entry.
    pub at: String,
    pub is: String,
}

impl Quota {
    /// What does not fit together, if anything does not.
    pub fn problem(&self) -> Option<String> {
        if self.requests.is_some() != self.per_ms.is_some() {
            return Some("'requests' and 'per-ms' make a rate together; give both or none".into());
        }
        if self.burst.is_some() && self.requests.is_none() {
            return Some("'burst' is the size of a bucket that 'requests' refills".into());
        }
        let zero = [
            ("requests", self.requests == Some(0)),
            ("per-ms", self.per_ms == Some(0)),
            ("burst", self.burst == Some(0)),
            ("concurrency", self.concurrency == Some(0)),
            ("per-day", self.per_day == Some(0)),
        ];
        if let Some((name, _)) = zero.iter().find(|(_, zero)| *zero) {
            return Some(format!("'{name}' of nothing lets no request leave"));
        }
        if self.cost.is_some() && self.requests.is_some() {
            return Some("a class counts requests or points, not both".into());
        }
        self.cost
            .as_ref()
            .and_then(Cost::problem)
            .or_else(|| self.throttled.body.as_ref().and_then(BodySign::problem))
    }
}

impl Cost {
    fn problem(&self) -> Option<String> {
        if self.size == 0 || self.restore == 0 || self.usual == 0 {
            return Some("'size', 'restore' and 'usual' of a cost start at 1".into());
        }
        if self.usual > self.size {
            return Some("a usual cost larger than the bucket never leaves".into());
        }
        let places = [
            &self.asked_at,
            &self.spent_at,
            &self.left_at,
            &self.size_at,
            &self.restore_at,
        ];
        places.into_iter().flatten().find_map(|at| unpointed(at))
    }
}

impl BodySign {
    fn problem(&self) -> Option<String> {
        unpointed(&self.list).or_else(|| unpointed(&self.at))
    }
}

/// RFC 6901: every pointer but the one to the whole begins with a slash.
fn unpointed(at: &str) -> Option<String> {
    let points = at.is_empty() || at.starts_with('/');
    (!points).then(|| format!("'{at}' is no JSON pointer: it begins with '/'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<String> {
        toml::from_str::<Quota>(text).unwrap().problem()
    }

    #[test]
    fn each_vendors_form_is_read() {
        for text in [
            "class = 'search'",
            "requests = 190\nper-ms = 10000\nper-day = 650000\n\
             headers = { limit = 'X-HubSpot-RateLimit-Max', daily-remaining = 'X-D' }",
            "concurrency = 10\nthrottled = { bare-statuses = [403] }",
            "requests = 1\nper-ms = 59880\nburst = 20\nscope = 'app'\n\
             headers = { per-second = 'x-amzn-RateLimit-Limit' }",
            "cost = { size = 2000, restore = 100, left-at = '/extensions/left' }\n\
             throttled = { statuses = [], body = { list = '/errors', at = '/code', is = 'T' } }",
        ] {
            assert_eq!(problem(text), None, "{text}");
        }
        let plain: Quota = toml::from_str("").unwrap();
        assert_eq!(plain, Quota::default());
        assert_eq!(plain.throttled.statuses, [429]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, part) in [
            ("requests = 5", "per-ms"),
            ("per-ms = 5", "requests"),
            ("requests = 0\nper-ms = 1", "'requests' of nothing"),
            ("concurrency = 0", "'concurrency' of nothing"),
            ("burst = 3", "'requests' refills"),
            ("cost = { size = 0, restore = 1 }", "start at 1"),
            (
                "cost = { size = 5, restore = 1, usual = 6 }",
                "never leaves",
            ),
            (
                "cost = { size = 5, restore = 1 }\nrequests = 1\nper-ms = 1",
                "not both",
            ),
            (
                "cost = { size = 5, restore = 1, left-at = 'a.b' }",
                "JSON pointer",
            ),
            (
                "throttled = { body = { list = 'errors', at = '/c', is = 'T' } }",
                "JSON pointer",
            ),
        ] {
            let found = problem(text).unwrap_or_default();
            assert!(found.contains(part), "{text}: {found}");
        }
    }
}
