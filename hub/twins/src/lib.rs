//! Provider twins: stateful stand-ins for vendors' APIs, written from the
//! vendors' documentation and never from our connectors.
//!
//! A twin is a plain value: `handle` takes the time and a request and gives the
//! answer, so a simulation can call it without a socket.  The HTTP shell in
//! [`serve()`] is thin.  What a vendor sends by itself, its webhooks, waits in the
//! twin until somebody carries it: the shell, or a simulation.  Everything below `/_twin/` is the control API, with
//! which a test acts as a person would at the vendor's own screen.

pub mod control;
mod digest;
mod guard;
pub mod http;
pub mod hubspot;
pub mod mailchimp;
pub mod metered;
pub mod oauth;
mod outbox;
pub mod people;
pub mod serve;
mod tls;

use concord_core::Timestamp;

pub use guard::Guard;
pub use http::{Request, Response};
pub use outbox::{Outcome, OutgoingRequest, Unanswered};
pub use serve::{HttpsOptions, Running, ServeError, ServeOptions, serve};
pub use tls::CertificateError;

use people::{Side, known_to};

/// A vendor's API on state of its own.
pub trait Twin: Send {
    /// Answers one request at a moment that the caller chooses.
    fn handle(&mut self, now: Timestamp, request: Request) -> Response;

    /// Whether a guard lets this request pass without a token: the control API,
    /// and what a vendor has for those who have no token yet.
    fn is_open(&self, request: &Request) -> bool {
        request.path.starts_with("/_twin/")
    }

    /// The vendor's answer to a token that is missing or not good; without words
    /// of its own, that of RFC 6750 section 3.1.
    fn refuse_token(&mut self) -> Response {
        let mut answer = Response::empty(401);
        let challenge = "Bearer error=\"invalid_token\"".to_owned();
        answer.headers.push(("www-authenticate".into(), challenge));
        answer
    }

    /// The vendor's own requests that are to leave by now.  Each is given once,
    /// and whoever takes it says in `delivered` how it ended.
    fn due_deliveries(&mut self, _now: Timestamp) -> Vec<OutgoingRequest> {
        Vec::new()
    }

    /// How a delivery ended.  Where a client's request waited for it, see
    /// [`Response::postponed`], this gives that request's answer.
    fn delivered(&mut self, _id: u64, _now: Timestamp, _outcome: Outcome) -> Option<Response> {
        None
    }

    /// When the next delivery is due, if one is known of.
    fn next_delivery(&self) -> Option<Timestamp> {
        None
    }
}

/// The names that [`by_name`] knows.
pub const NAMES: &[&str] = &["hubspot", "mailchimp", "oauth"];

/// A twin by the vendor's name, with people of the data set: HubSpot knows the
/// first side of them, Mailchimp the second.  `oauth` is an authorization server
/// and knows nobody.
pub fn by_name(name: &str, seed: u64, count: usize) -> Option<Box<dyn Twin>> {
    // The people became known when the data set says.
    let now = Timestamp(i64::MAX);
    match name {
        "hubspot" => {
            let mut account = hubspot::HubSpot::default();
            account.add_people(now, &known_to(Side::First, seed, count));
            Some(Box::new(account))
        }
        "mailchimp" => {
            let mut account = mailchimp::Mailchimp::default();
            account.add_people(now, &known_to(Side::Second, seed, count));
            Some(Box::new(account))
        }
        "oauth" => Some(Box::new(oauth::OAuth::new(seed))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_gives_a_twin_with_people() {
        for name in NAMES {
            let mut twin = by_name(name, 1, 50).unwrap();
            let books = twin.handle(Timestamp::ZERO, Request::plain("GET", "/_twin/writes"));
            // Letting people in is nobody's write.
            let none = serde_json::json!({"requests": 0, "records": 0});
            assert_eq!(books.value(), none);
        }
        assert!(by_name("nobody", 1, 50).is_none());
    }
}
