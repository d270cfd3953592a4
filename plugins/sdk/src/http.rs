//! Requests and answers.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::{Fault, Request, Response, time};

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Text as one segment of a path or one value of a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Escaped text as it was.  None where the bytes are not UTF-8.
pub fn decode(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

impl Request {
    /// A request with any method.  Those that RFC 9110, 4918 and 3253 define as
    /// safe are taken to be repeatable.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            quota: String::new(),
            repeatable: matches!(method, "GET" | "HEAD" | "OPTIONS" | "PROPFIND" | "REPORT"),
        }
    }

    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds `name=value` to the URL's query.
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.url
            .push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&encode(name));
        self.url.push('=');
        self.url.push_str(&encode(&value.to_string()));
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Result<Self, Fault> {
        let text = serde_json::to_vec(body)
            .map_err(|error| Fault::Bug(format!("the body cannot be written: {error}")))?;
        Ok(self.body("application/json", text))
    }

    /// The class of the manifest's quotas that this request spends.
    pub fn quota(mut self, class: &str) -> Self {
        class.clone_into(&mut self.quota);
        self
    }

    /// Says that a lost answer does no harm: the request only reads, though
    /// its method does not say so.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

impl Response {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value; names are compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Reads the body as JSON.  The result may borrow from the body, so that a
    /// record can be passed on as a `&RawValue` without being parsed.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Fault::Bug(format!(
                "the answer is not the JSON that was expected ({error}): {}",
                self.summary()
            ))
        })
    }

    pub fn text(&self) -> Result<&str, Fault> {
        std::str::from_utf8(&self.body)
            .map_err(|error| Fault::Bug(format!("the answer is not UTF-8 text: {error}")))
    }

    /// When the system wants to be asked again: seconds from now or a date.
    pub fn retry_after(&self, now: i64) -> Option<i64> {
        let text = self.header("retry-after")?.trim();
        match text.parse::<u32>() {
            Ok(seconds) => Some(now.saturating_add(i64::from(seconds) * 1_000_000)),
            Err(_) => time::parse_http_date(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded_as_rfc_3986_says() {
        let request = Request::get("https://api.example.com/a")
            .query("q", "Ann & Bob+ü")
            .query("limit", 100);
        assert_eq!(
            request.url,
            "https://api.example.com/a?q=Ann%20%26%20Bob%2B%C3%BC&limit=100"
        );
        assert!(request.repeatable);
        assert!(!Request::post("https://api.example.com/a").repeatable);
        assert_eq!(decode("a%2Fb%C3%BC").as_deref(), Some("a/bü"));
        assert_eq!(decode("%FF"), None);
    }

    #[test]
    fn a_json_answer_that_is_not_json_shows_its_beginning() {
        let response = Response {
            status: 200,
            headers: vec![("Content-Type".into(), "text/html".into())],
            body: b"<html>maintenance".to_vec(),
        };
        let Err(Fault::Bug(message)) = response.json::<Vec<u8>>() else {
            panic!("HTML was read as JSON");
        };
        assert!(message.contains("<html>maintenance"), "{message}");
        assert_eq!(response.header("content-type"), Some("text/html"));
    }
}
