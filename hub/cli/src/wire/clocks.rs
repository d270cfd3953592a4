//! What the systems' clocks say beside ours.  A hub whose clock is wrong refuses
//! good webhooks, takes dead tokens for living ones, and asks for the wrong
//! changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse};
use jiff::fmt::rfc2822::DateTimeParser;

use super::flight::Lookout;

/// By connection, by how many seconds the system's clock is ahead of ours.
#[derive(Clone, Default)]
pub struct Clocks(Arc<Mutex<BTreeMap<String, i64>>>);

impl Clocks {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In seconds; none where the system has not said what time it is.
    pub fn ahead(&self, connection: &str) -> Option<i64> {
        self.all().get(connection).copied()
    }

    fn note(&self, connection: &str, ahead: i64) {
        self.all().insert(connection.to_owned(), ahead);
    }
}

impl Lookout for Clocks {
    fn at(&self, connection: &str, http: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Arc<dyn Http> {
        Arc::new(Dated {
            inner: http,
            clock,
            clocks: self.clone(),
            connection: connection.to_owned(),
        })
    }
}

/// One connection's way out, with the `Date` of each answer looked at.
struct Dated {
    inner: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    clocks: Clocks,
    connection: String,
}

#[async_trait]
impl Http for Dated {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let before = self.clock.now();
        let answer = self.inner.send(request).await;
        if let Ok(response) = &answer
            && let Some(ahead) = ahead(response, before, self.clock.now())
        {
            self.clocks.note(&self.connection, ahead);
        }
        answer
    }
}

/// By how many seconds the answer's clock is ahead of ours: nothing, where it was
/// at some moment between the request and its answer.
fn ahead(response: &HttpResponse, before: Timestamp, after: Timestamp) -> Option<i64> {
    let mut headers = response.headers.iter();
    let (_, date) = headers.find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
    let date = DateTimeParser::new()
        .parse_timestamp(date)
        .ok()?
        .as_second();
    let (first, last) = (
        before.0.div_euclid(1_000_000),
        after.0.div_euclid(1_000_000),
    );
    Some(date - date.clamp(first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110, 5.6.7 has this date.
    #[test]
    fn a_date_within_the_exchange_is_right_and_any_other_is_off() {
        let response = |date: &str| HttpResponse {
            status: 200,
            headers: vec![("Date".into(), date.into())],
            body: Vec::new(),
        };
        let at = |second: i64| Timestamp((784_111_777 + second) * 1_000_000);
        let date = response("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(ahead(&date, at(-2), at(3)), Some(0));
        assert_eq!(ahead(&date, at(0), at(0)), Some(0));
        assert_eq!(ahead(&date, at(-90), at(-60)), Some(60));
        assert_eq!(ahead(&date, at(60), at(61)), Some(-60));
        assert_eq!(ahead(&response("yesterday"), at(0), at(0)), None);
    }
}
