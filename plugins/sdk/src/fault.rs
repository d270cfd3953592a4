//! Faults from what went wrong on the wire.

use crate::{Delay, Fault, FieldFault, HttpError, Response};

impl Fault {
    pub fn bug(message: impl Into<String>) -> Self {
        Fault::Bug(message.into())
    }

    /// The system refuses one field; an empty name speaks of the whole record.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Fault::Invalid(vec![FieldFault {
            field: field.into(),
            message: message.into(),
        }])
    }

    /// Nothing was done; trying again may help.
    pub fn transient(message: impl Into<String>) -> Self {
        Fault::Transient(Delay {
            until: None,
            message: message.into(),
        })
    }

    /// The stream is not in the manifest; the hub asked for the wrong one.
    pub fn unknown_stream(stream: &str) -> Self {
        Fault::NotFound(format!("this connector has no stream '{stream}'"))
    }

    /// What no answer means.  Where the request may have been carried out and
    /// must not be repeated, only the hub can find out.
    pub fn from_http(error: HttpError, repeatable: bool) -> Self {
        match error {
            HttpError::Denied(why) => Fault::Forbidden(why),
            HttpError::Unreachable(why) | HttpError::Exhausted(why) => Fault::transient(why),
            HttpError::NoAnswer(why) if repeatable => Fault::transient(why),
            HttpError::TooLarge(why) if repeatable => Fault::Bug(why),
            HttpError::NoAnswer(why) | HttpError::TooLarge(why) => Fault::UnknownOutcome(why),
            HttpError::Unauthorised(why) => Fault::AuthRevoked(why),
        }
    }
}

impl Response {
    /// What a status means where the system says nothing better (RFC 9110,
    /// RFC 6585).  `now` turns a relative Retry-After into a moment.
    pub fn fault(&self, now: i64, repeatable: bool) -> Fault {
        let message = self.summary();
        match self.status {
            401 => Fault::AuthExpired(message),
            402 | 403 | 451 => Fault::Forbidden(message),
            404 | 410 => Fault::NotFound(message),
            409 | 412 => Fault::VersionConflict(None),
            400 | 406 | 411 | 413..=415 | 422 => Fault::invalid("", message),
            429 => Fault::RateLimited(Delay {
                until: self.retry_after(now),
                message,
            }),
            // Both say that the request was not carried out.
            408 | 425 => Fault::transient(message),
            // A server that names a moment has refused; one that does not may
            // have failed half way.
            500..=599 if repeatable || (self.status == 503 && self.retry_after(now).is_some()) => {
                Fault::Transient(Delay {
                    until: self.retry_after(now),
                    message,
                })
            }
            500..=599 => Fault::UnknownOutcome(message),
            _ => Fault::Bug(message),
        }
    }

    /// The status and the beginning of the body, for a person to read.
    pub fn summary(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.trim().chars().take(300).collect();
        if text.is_empty() {
            format!("HTTP {}", self.status)
        } else {
            format!("HTTP {}: {text}", self.status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 784_111_777_000_000;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Response {
        Response {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: b"no".to_vec(),
        }
    }

    #[test]
    fn a_lost_answer_to_a_write_is_never_called_harmless() {
        let lost = || HttpError::NoAnswer("reset".into());
        assert!(matches!(
            Fault::from_http(lost(), true),
            Fault::Transient(_)
        ));
        assert!(matches!(
            Fault::from_http(lost(), false),
            Fault::UnknownOutcome(_)
        ));
        for status in [500, 502, 503, 504] {
            let fault = answer(status, &[]).fault(NOW, false);
            assert!(
                matches!(fault, Fault::UnknownOutcome(_)),
                "{status}: {fault:?}"
            );
        }
        let unsent = HttpError::Unreachable("refused".into());
        assert!(matches!(
            Fault::from_http(unsent, false),
            Fault::Transient(_)
        ));
    }

    #[test]
    fn statuses_have_the_meaning_of_rfc_9110() {
        let name = |status| match answer(status, &[]).fault(NOW, true) {
            Fault::AuthExpired(_) => "auth-expired",
            Fault::Forbidden(_) => "forbidden",
            Fault::NotFound(_) => "not-found",
            Fault::VersionConflict(None) => "version-conflict",
            Fault::Invalid(_) => "invalid",
            Fault::RateLimited(_) => "rate-limited",
            Fault::Transient(_) => "transient",
            Fault::Bug(_) => "bug",
            _ => "other",
        };
        for (status, expect) in [
            (401, "auth-expired"),
            (403, "forbidden"),
            (404, "not-found"),
            (410, "not-found"),
            (412, "version-conflict"),
            (422, "invalid"),
            (429, "rate-limited"),
            (503, "transient"),
            (302, "bug"),
        ] {
            assert_eq!(name(status), expect, "{status}");
        }
    }

    #[test]
    fn a_wait_that_the_system_asks_for_is_a_moment() {
        for (value, expect) in [
            ("120", Some(NOW + 120_000_000)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some(NOW + 20_000_000)),
            ("later", None),
        ] {
            let Fault::RateLimited(delay) = answer(429, &[("Retry-After", value)]).fault(NOW, true)
            else {
                panic!("{value}");
            };
            assert_eq!(delay.until, expect, "{value}");
        }
    }
}
