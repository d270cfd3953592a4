//! The control API of an authorization server: the person, who has no page to
//! look at, and the vendor, who changes the rules.
//!
//! | request | meaning |
//! |---|---|
//! | `POST /_twin/consent {"answer": "approve"\|"deny"}` | what the person says to the authorization requests from now on |
//! | `POST /_twin/device {"user_code", "answer"}` | the person types a device's code and answers; 404 where no device waits for it |
//! | `POST /_twin/grants {"revoke": "all"}` | the person withdraws the app: every grant ends, and every code that is on its way |
//! | `GET /_twin/grants` | `{grants, live, refreshed, reused, revoked, introspected}`, counted since the start |
//! | `POST /_twin/oauth {access_life_s?, refresh_life_s?, rotation?, states_life?, strict?, home?}` | other rules from now on; answers with all of them |
//! | `POST /_twin/tenants {"tenants": [{tenantId, tenantName}]}` | the accounts that every token reaches from now on |
//! | `POST /_twin/clients {client_id, client_secret?, redirect_uris, pkce?}` | registers a client, or replaces it |
//!
//! Lives are seconds, and null is for ever; tokens that are out keep theirs.
//! `rotation` is `never`, `always`, `grace` or `daily`.  `states_life: false`
//! leaves `expires_in` out.  With `strict`, the API beside this server takes no
//! token that this server has not issued.  `home: {location, accounts-server}` is
//! what redirects name as the account's data centre.  A client without a secret is public
//! and needs PKCE, unless `pkce` says otherwise.

use std::time::Duration;

use concord_core::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::client::Client;
use super::options::{Home, Rotation};
use super::{AuthorizationServer, Options};
use crate::control::{done, read, refused};
use crate::{Request, Response};

/// What a person says when asked for access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    Approve,
    Deny,
}

impl AuthorizationServer {
    /// Answers a request below `/_twin/` that is about this server.
    pub fn screen(&mut self, now: Timestamp, request: &Request) -> Option<Response> {
        let name = request.path.strip_prefix("/_twin/")?;
        let answer = match (request.method.as_str(), name) {
            ("POST", "consent") => self.set_consent(request),
            ("POST", "device") => self.type_code(now, request),
            ("POST", "grants") => self.withdraw(request),
            ("GET", "grants") => Ok(Response::json(200, &self.grants.counts)),
            ("POST", "oauth") => self.set_options(request),
            ("POST", "tenants") => self.set_tenants(request),
            ("POST", "clients") => self.add_client(request),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    fn set_consent(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wish {
            answer: Answer,
        }
        let wish: Wish = read(request)?;
        self.consent = wish.answer;
        Ok(done())
    }

    fn type_code(&mut self, now: Timestamp, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Typed {
            user_code: String,
            answer: Answer,
        }
        let typed: Typed = read(request)?;
        if self.answer_device(now, &typed.user_code, typed.answer) {
            Ok(done())
        } else {
            Err(refused(404, "no device waits for this code"))
        }
    }

    fn withdraw(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Which {
            All,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wish {
            revoke: Which,
        }
        let Wish { revoke: Which::All } = read(request)?;
        self.codes.clear();
        self.devices.clear();
        self.grants.revoke_all();
        Ok(Response::json(200, &self.grants.counts))
    }

    fn set_options(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wish {
            #[serde(default, deserialize_with = "given")]
            access_life_s: Option<Option<u64>>,
            #[serde(default, deserialize_with = "given")]
            refresh_life_s: Option<Option<u64>>,
            rotation: Option<Rotation>,
            states_life: Option<bool>,
            strict: Option<bool>,
            home: Option<Home>,
        }
        let wish: Wish = read(request)?;
        let options = &mut self.options;
        if let Some(life) = wish.access_life_s {
            options.access_life = life.map(Duration::from_secs);
        }
        if let Some(life) = wish.refresh_life_s {
            options.refresh_life = life.map(Duration::from_secs);
        }
        options.rotation = wish.rotation.unwrap_or(options.rotation);
        options.states_life = wish.states_life.unwrap_or(options.states_life);
        options.strict = wish.strict.unwrap_or(options.strict);
        options.home = wish.home.or_else(|| options.home.take());
        Ok(show(options))
    }

    fn add_client(&mut self, request: &Request) -> Result<Response, Response> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wish {
            client_id: String,
            client_secret: Option<String>,
            redirect_uris: Vec<String>,
            pkce: Option<bool>,
        }
        let wish: Wish = read(request)?;
        if let Some(text) = wish.redirect_uris.iter().find(|text| !is_address(text)) {
            return Err(refused(400, &format!("{text} is no absolute URL")));
        }
        let client = Client {
            pkce: wish.pkce.unwrap_or(wish.client_secret.is_none()),
            secret: wish.client_secret,
            redirect_uris: wish.redirect_uris,
        };
        self.clients.add(wish.client_id, client);
        Ok(done())
    }
}

/// Absolute and without a fragment (RFC 6749 section 3.1.2).
fn is_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.fragment().is_none())
}

/// Tells a null from a field that is left out.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

fn show(options: &Options) -> Response {
    Response::json(
        200,
        &json!({
            "access_life_s": options.access_life.map(|life| life.as_secs()),
            "refresh_life_s": options.refresh_life.map(|life| life.as_secs()),
            "rotation": options.rotation,
            "states_life": options.states_life,
            "strict": options.strict,
            "home": options.home,
        }),
    )
}
