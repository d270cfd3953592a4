//! HubSpot's OAuth endpoints, and what an access token of them is worth.
//!
//! "changelog" and "reference" are pages below `developers.hubspot.com`, "SDK" is
//! the vendor's own client as in the module above; (u) marks what no source says.
//!
//! | behaviour | source |
//! |---|---|
//! | `GET /oauth/authorize` with `client_id`, `redirect_uri`, `scope`, `state` and no `response_type` | reference, auth-oauth-v3 guide |
//! | `POST /oauth/2026-03/token` and `…/introspect`, form bodies with `client_id` and `client_secret` | changelog, v1-oauth-api-deprecation; legacy, v1 migration guide |
//! | 30 minutes; grants `authorization_code`, `refresh_token`, `client_credentials` | reference, manage-oauth-tokens; its OpenAPI text of 2026-09 |
//! | `{access_token, refresh_token, expires_in, token_type, token_use, hub_id, scopes, user_id}`; with client credentials, no refresh token and another `token_use` | SDK, `AccessTokenResponse`, `ClientCredentialsTokenResponse` |
//! | refresh tokens stay as they are | users' notes; the reference says nothing (u) |
//! | errors `{error, error_description, status, message}`; `BAD_REFRESH_TOKEN` with its text | changelog, new-oauth-v3-api-endpoints-and-standardized-error-responses |
//! | 400 with `BAD_REFRESH_TOKEN` and `BAD_AUTH_CODE` | nango.dev/blog/hubspot-oauth-bad-refresh-token; HGData/mk-node-hubspot#64, #87 |
//! | `EXPIRED_AUTH_CODE`; `MISMATCH_REDIRECT_URI_AUTH_CODE` | HubSpot/hubspot-api-python#115; a public client's list of statuses |
//! | the other statuses and their texts; 401 for an unknown client (u) | – |
//! | introspection: the fields; 200 with `active: false` for an unknown token | SDK, `PublicAccessTokenInfoResponse`, `PublicRefreshTokenInfoResponse`; usertour/usertour#490 |
//! | 401 `EXPIRED_AUTHENTICATION` with its text and `expire time` | airbytehq/airbyte#74726 |
//! | any unknown token: `Authentication credentials not found` | HubSpot/hubspot-api-php#363 |
//!
//! Not here: `optional_scope`, id tokens, and `/token/revoke`, whose effect on
//! access tokens no page of this version tells.

use std::time::Duration;

use concord_core::Timestamp;
use serde_json::{Value, json};

use super::HubSpot;
use super::catalogue::iso;
use super::refusal::Refusal;
use super::{ACCOUNT_ID, no_such_path};
use crate::oauth::{self, AuthorizationServer, Options, Standing, Tokens};
use crate::{Request, Response};

/// Below this nothing is an API call, so that no bearer token is due.
pub(super) const PATH: &str = "/oauth/";

/// The person who grants, and the app that is granted to.
const USER_ID: u64 = 1_001;
const APP_ID: u64 = 7_007;

pub(super) fn server() -> AuthorizationServer {
    let options = Options {
        access_life: Some(Duration::from_secs(1800)),
        wants_response_type: false,
        grant_types: &["authorization_code", "refresh_token", "client_credentials"],
        ..Options::default()
    };
    AuthorizationServer::new("hubspot", 0, options)
}

impl HubSpot {
    pub(super) fn oauth(&mut self, now: Timestamp, request: &Request) -> Result<Response, Refusal> {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/oauth/authorize") => Ok(self.server.authorize(now, request)),
            ("POST", "/oauth/2026-03/token") => {
                self.server.token(now, request).map(|tokens| told(&tokens))
            }
            ("POST", "/oauth/2026-03/token/introspect") => self.inspect(now, request),
            _ => return Err(no_such_path(request)),
        };
        Ok(answer.unwrap_or_else(|refusal| refused(&refusal)))
    }

    fn inspect(&mut self, now: Timestamp, request: &Request) -> Result<Response, oauth::Refusal> {
        let Some(seen) = self.server.inspect(now, request)? else {
            return Ok(Response::json(200, &json!({"active": false})));
        };
        let kind = if seen.is_refresh {
            "refresh_token"
        } else {
            "access_token"
        };
        let mut body = json!({
            "token": seen.token,
            "active": true,
            "app_id": APP_ID,
            "client_id": seen.client,
            "hub_id": ACCOUNT_ID,
            "hub_domain": "twin.example.org",
            "scopes": list(&seen.scope),
            "token_type": "bearer",
            "token_use": kind,
            "user": "twin@example.org",
            "user_id": USER_ID,
        });
        if !seen.is_refresh {
            let left = seen.expires.map(|at| at.since(now).as_secs());
            body["expires_in"] = left.into();
            body["is_private_distribution"] = true.into();
        }
        Ok(Response::json(200, &body))
    }

    /// Lets a request in, or says why not.
    pub(super) fn admit(&self, now: Timestamp, request: &Request) -> Result<(), Refusal> {
        let header = request.header("authorization").unwrap_or_default();
        let token = header.strip_prefix("Bearer ").map(str::trim);
        let token = token.filter(|token| !token.is_empty());
        let token = token.ok_or_else(Refusal::unauthenticated)?;
        if let Some(wanted) = &self.token {
            return if token == wanted {
                Ok(())
            } else {
                Err(Refusal::unauthenticated())
            };
        }
        match self.server.standing(now, token) {
            Standing::Live | Standing::Foreign => Ok(()),
            Standing::Refused => Err(Refusal::unauthenticated()),
            Standing::Expired { at } => Err(expired(now, at)),
        }
    }
}

fn expired(now: Timestamp, at: Timestamp) -> Refusal {
    let age = now.since(at).as_secs();
    let (count, unit) = match age {
        0..60 => (age, "second"),
        60..3600 => (age / 60, "minute"),
        3600..86_400 => (age / 3600, "hour"),
        _ => (age / 86_400, "day"),
    };
    let message = format!("The OAuth token used to make this call expired {count} {unit}(s) ago.");
    Refusal::new(401, "EXPIRED_AUTHENTICATION", message)
        .with_context("expire time", &[&iso(at.millis())])
}

fn told(tokens: &Tokens) -> Response {
    let kind = if tokens.of_the_client {
        "client_credentials"
    } else {
        "access_token"
    };
    let mut body = json!({
        "access_token": tokens.access,
        "token_type": "bearer",
        "token_use": kind,
        "hub_id": ACCOUNT_ID,
        "scopes": list(&tokens.scope),
        "user_id": USER_ID,
    });
    if let Some(life) = tokens.expires_in {
        body["expires_in"] = life.into();
    }
    if let Some(refresh) = &tokens.refresh {
        body["refresh_token"] = refresh.as_str().into();
    }
    Response::json(200, &body)
}

fn list(scope: &str) -> Vec<&str> {
    scope.split_whitespace().collect()
}

/// The RFC's two fields, and HubSpot's own two from before it had them.
fn refused(refusal: &oauth::Refusal) -> Response {
    use oauth::Refusal as R;
    let bad_code = ("BAD_AUTH_CODE", "missing or unknown auth code");
    let bad_refresh = (
        "BAD_REFRESH_TOKEN",
        "refresh token is invalid, expired or revoked",
    );
    let other = refusal.to_string();
    let (status, message) = match refusal {
        R::UnknownCode | R::UsedCode | R::Missing("code") => bad_code,
        R::ExpiredCode => ("EXPIRED_AUTH_CODE", "auth code is expired"),
        R::OtherRedirect => (
            "MISMATCH_REDIRECT_URI_AUTH_CODE",
            "redirect URI does not match that of the auth code",
        ),
        R::DeadRefreshToken | R::OtherClient | R::Missing("refresh_token") => bad_refresh,
        R::UnknownClient => ("BAD_CLIENT_ID", "missing or unknown client id"),
        R::WrongSecret => ("BAD_CLIENT_SECRET", "missing or invalid client secret"),
        R::UnsupportedGrant(_) | R::Missing("grant_type") => {
            ("BAD_GRANT_TYPE", "missing or unknown grant type")
        }
        _ => ("BAD_REQUEST", other.as_str()),
    };
    let body: Value = json!({
        "error": refusal.error(),
        "error_description": message,
        "status": status,
        "message": message,
    });
    Response::json(refusal.status(), &body)
}
