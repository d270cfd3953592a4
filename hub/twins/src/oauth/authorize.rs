//! The authorization endpoint: a browser comes, a person answers, and the
//! browser goes back to the client with a code.

use std::time::Duration;

use concord_core::Timestamp;
use url::Url;

use super::AuthorizationServer;
use super::form::Form;
use super::grants::GrantId;
use super::pkce;
use super::refusal::Refusal;
use super::screen::Answer;
use crate::{Request, Response};

/// RFC 6749 section 4.1.2 allows ten minutes; clients that need more than one
/// are found out earlier by this.
const CODE_LIFE: Duration = Duration::from_secs(60);

/// A code, with what the token request has to match.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) client: String,
    /// As the authorization request had it; the token request has to have the
    /// same, or none either (RFC 6749 section 4.1.3).
    pub(super) redirect: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) scope: String,
    pub(super) expires: Timestamp,
    /// What came of it once it was used.
    pub(super) grant: Option<GrantId>,
}

impl AuthorizationServer {
    /// A redirect with a code or an error; or a page, where it is not certain that
    /// the address to go to is the client's (RFC 6749 section 4.1.2.1).
    pub fn authorize(&mut self, now: Timestamp, request: &Request) -> Response {
        let form = Form::of_query(request);
        let id = form.get("client_id").unwrap_or_default();
        let Some(client) = self.clients.get(id) else {
            return page("There is no client of this id.");
        };
        let Some(target) = client.redirect(form.get("redirect_uri")) else {
            return page("This redirect_uri is not registered for the client.");
        };
        let pkce = client.pkce;
        let outcome = self.decide(now, &form, id, pkce);
        let mut told = match &outcome {
            Ok(code) => vec![("code", code.clone())],
            Err(refusal) => vec![
                ("error", refusal.error().to_owned()),
                ("error_description", refusal.to_string()),
            ],
        };
        if let (Ok(_), Some(home)) = (&outcome, &self.options.home) {
            told.push(("location", home.location.clone()));
            told.push(("accounts-server", home.accounts_server.clone()));
        }
        if let Some(state) = form.get("state") {
            told.push(("state", state.to_owned()));
        }
        redirect(&target, &told)
    }

    fn decide(
        &mut self,
        now: Timestamp,
        form: &Form,
        client: &str,
        pkce: bool,
    ) -> Result<String, Refusal> {
        form.check()?;
        match form.get("response_type") {
            Some("code") => {}
            Some(_) => return Err(Refusal::UnsupportedResponse),
            None if self.options.wants_response_type => {
                return Err(Refusal::Missing("response_type"));
            }
            None => {}
        }
        let scope = form.scope()?.unwrap_or_default().to_owned();
        let challenge = pkce::challenge(form, pkce)?;
        if self.consent == Answer::Deny {
            return Err(Refusal::Denied);
        }
        let code = self.grants.mint("code");
        self.codes.insert(
            code.clone(),
            Code {
                client: client.to_owned(),
                redirect: form.get("redirect_uri").map(str::to_owned),
                challenge,
                scope,
                expires: now.plus(CODE_LIFE),
                grant: None,
            },
        );
        Ok(code)
    }
}

/// Adds the parameters to what the address has already (RFC 6749 section 3.1.2).
fn redirect(target: &str, told: &[(&str, String)]) -> Response {
    let Ok(mut url) = Url::parse(target) else {
        return page("The registered redirect_uri is no address.");
    };
    url.query_pairs_mut().extend_pairs(told);
    let mut answer = Response::empty(302);
    answer.headers.push(("location".into(), url.into()));
    answer
}

/// A page for the person, who alone is told: there is nobody to redirect to.
fn page(problem: &str) -> Response {
    html(400, problem)
}

pub(super) fn html(status: u16, text: &str) -> Response {
    let kind = ("content-type".into(), "text/html; charset=utf-8".into());
    Response {
        status,
        headers: vec![kind],
        body: format!("<!doctype html><title>Twin</title><p>{text}</p>").into_bytes(),
    }
}
