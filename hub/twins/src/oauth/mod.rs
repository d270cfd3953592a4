//! An OAuth 2.0 authorization server as a value: no socket, no clock, no chance.
//!
//! | request | RFC |
//! |---|---|
//! | `GET /authorize` | 6749 section 4.1.1, 7636 section 4.3 (`S256`) |
//! | `POST /token` with a code, a refresh token, client credentials or a device code | 6749 sections 4.1.3, 6, 4.4.2; 8628 section 3.4 |
//! | `POST /device` | 8628 section 3.1 |
//! | `POST /revoke` | 7009 |
//! | `POST /introspect` | 7662 |
//! | `GET /connections`, the accounts that a token reaches, as Xero has it | none |
//! | `GET /.well-known/oauth-authorization-server` | 8414 |
//!
//! The person never sees a page: an authorization request is approved at once,
//! and control requests say otherwise; see `screen.rs`.  Vendors' twins use the
//! same server with paths and words of their own, through
//! [`AuthorizationServer::authorize`] and [`AuthorizationServer::token`].

mod authorize;
mod client;
mod device;
mod form;
mod grants;
mod introspect;
mod metadata;
mod options;
mod pkce;
mod refusal;
mod screen;
mod tenants;
#[cfg(test)]
mod tests;
mod token;
mod twin;

use std::collections::BTreeMap;

use concord_core::Timestamp;

use crate::{Request, Response};
use authorize::Code;
use client::Clients;
use device::Device;
use grants::Grants;
use screen::Answer;
use tenants::Tenant;

pub use client::{CLIENT_ID, CLIENT_SECRET, PUBLIC_CLIENT_ID};
pub use grants::{Counts, Seen, Standing, Tokens};
pub use options::{Options, Rotation};
pub use refusal::Refusal;
pub use twin::OAuth;

#[derive(Debug)]
pub struct AuthorizationServer {
    options: Options,
    clients: Clients,
    /// What the person says to the next authorization requests.
    consent: Answer,
    codes: BTreeMap<String, Code>,
    devices: BTreeMap<String, Device>,
    grants: Grants,
    tenants: Vec<Tenant>,
}

impl AuthorizationServer {
    /// The name is the start of every token, by which the API beside this server
    /// knows its own.
    pub fn new(name: &'static str, seed: u64, options: Options) -> Self {
        Self {
            options,
            clients: Clients::default(),
            consent: Answer::Approve,
            codes: BTreeMap::new(),
            devices: BTreeMap::new(),
            grants: Grants::new(name, seed),
            tenants: Vec::new(),
        }
    }

    /// Answers a request to one of the endpoints, if it is one.
    pub fn handle(&mut self, now: Timestamp, request: &Request) -> Option<Response> {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/authorize") => Ok(self.authorize(now, request)),
            ("POST", "/token") => self.token(now, request).map(|tokens| tokens.answer()),
            ("POST", "/device") => self.device(now, request),
            ("GET", device::PAGE) => Ok(device::page()),
            ("POST", "/revoke") => self.revoke(request),
            ("POST", "/introspect") => self.introspect(now, request),
            ("GET", tenants::PATH) => Ok(self.tenants(now, request)),
            ("GET", metadata::PATH) => Ok(self.metadata(request)),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal.answer()))
    }

    /// What a bearer token is worth to the API beside this server.
    pub fn standing(&self, now: Timestamp, token: &str) -> Standing {
        match self.grants.standing(now, token) {
            Standing::Foreign if self.options.strict => Standing::Refused,
            standing => standing,
        }
    }
}
