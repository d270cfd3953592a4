//! Requests and answers as values.

use serde::Serialize;

/// The shell says in this header how many requests it has in hand; without a
/// shell there is one at a time.  It is no header of any vendor's.
pub const IN_FLIGHT_HEADER: &str = "x-twin-in-flight";

/// The shell says in this header by which scheme it was asked; without a shell it
/// is `http`.  It is no header of any vendor's either.
pub const SCHEME_HEADER: &str = "x-twin-scheme";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// In capitals: `GET`.
    pub method: String,
    /// Without the query, not decoded: `/3.0/lists/a1/members`.
    pub path: String,
    /// Without the `?`, not decoded.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// A request with a JSON body, for callers that have no socket.
    pub fn json(method: &str, target: &str, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self {
            headers: vec![("content-type".into(), "application/json".into())],
            body,
            ..Self::plain(method, target)
        }
    }

    /// A request without a body; `target` is the path with its query.
    pub fn plain(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            ..Self::default()
        }
    }

    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// A request with a form-encoded body.
    pub fn form(method: &str, target: &str, fields: &[(&str, &str)]) -> Self {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let kind = "application/x-www-form-urlencoded";
        Self {
            headers: vec![("content-type".into(), kind.into())],
            body: body.finish().into_bytes(),
            ..Self::plain(method, target)
        }
    }

    /// The address by which the twin was asked, without a path: `http://127.0.0.1:7101`.
    pub fn origin(&self) -> String {
        let scheme = self.header(SCHEME_HEADER).unwrap_or("http");
        format!("{scheme}://{}", self.header("host").unwrap_or("localhost"))
    }

    /// Every value of a query parameter, decoded.
    pub fn parameters(&self, name: &str) -> Vec<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    /// The first value of a query parameter, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The path's parts, decoded; `/a/b%40c` gives `a` and `b@c`.
    pub fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect()
    }
}

/// Percent-decodes one part of a path, where a plus sign stands for itself.
fn decode(part: &str) -> String {
    percent_encoding::percent_decode_str(part)
        .decode_utf8_lossy()
        .into_owned()
}

/// No status of HTTP's: there is no answer yet.
const POSTPONED: u16 = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self {
            status,
            headers,
            body,
        }
    }

    pub fn empty(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// The request was carried out, and its answer is lost on the way.  The
    /// shell closes the connection; a simulation sees that no answer came.
    pub fn lost() -> Self {
        Self::empty(0)
    }

    pub fn is_lost(&self) -> bool {
        self.status == 0
    }

    /// The answer is known when this delivery has ended, and comes from
    /// [`crate::Twin::delivered`].
    pub fn postponed(delivery: u64) -> Self {
        Self {
            body: delivery.to_string().into_bytes(),
            ..Self::empty(POSTPONED)
        }
    }

    /// The delivery for which the answer waits.
    pub fn waits_for(&self) -> Option<u64> {
        if self.status != POSTPONED {
            return None;
        }
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as JSON; null where it is none.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_decoded_by_their_own_rules() {
        // RFC 3986 §2.1 for the path; the WHATWG URL standard for form-encoded queries.
        let request = Request::plain("GET", "/x/ann%40lee.test/a+b?q=a+b&q=%26&r");
        assert_eq!(request.segments(), ["x", "ann@lee.test", "a+b"]);
        assert_eq!(request.parameters("q"), ["a b", "&"]);
        assert_eq!(request.parameter("r").as_deref(), Some(""));
        assert_eq!(request.parameter("s"), None);
    }
}
