//! Mailchimp's OAuth endpoints, which the vendor has at `login.mailchimp.com`.
//!
//! "guide" is mailchimp.com/developer/marketing/guides/access-user-data-oauth-2
//! with its older text at
//! developer.mailchimp.com/documentation/mailchimp/guides/how-to-use-oauth2; (u)
//! marks what no source says.
//!
//! | behaviour | source |
//! |---|---|
//! | `GET /oauth2/authorize` with `response_type`, `client_id`, `redirect_uri`; no scopes | guide |
//! | `POST /oauth2/token` with the client in the body; tokens do not expire, and there is no refresh token | guide |
//! | `{access_token, expires_in: 0, scope: null}` | requests/requests-oauthlib#169, "well documented" by the vendor then |
//! | errors of both as in RFC 6749 (u) | – |
//! | `GET /oauth2/metadata` with `Authorization: OAuth` or `Bearer` | guide; its users' code |
//! | `{dc, login_url, api_endpoint, …}`; the other fields | thorning/node-mailchimp#17; a test of python-social-auth |
//! | 200 with `error: "invalid_token"` for a token that is none | airbyte's source-mailchimp |
//! | a token works as `Bearer`, and as a key, with the data centre behind it | guide; thorning/node-mailchimp#17 |
//!
//! Not here: the wildcards that the vendor allows in a `redirect_uri`.  All
//! addresses in the metadata are the twin's, so that a client that follows them
//! stays with it.

use concord_core::Timestamp;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{ACCOUNT_ID, Mailchimp};
use crate::http::{Request, Response};
use crate::oauth::{AuthorizationServer, Options, Standing};

/// Below this nothing is an API call, so that no key is due.
pub(super) const PATH: &str = "/oauth2/";

/// The data centre, which keys carry after a dash.
const DATA_CENTRE: &str = "us1";

pub(super) fn server() -> AuthorizationServer {
    let options = Options {
        access_life: None,
        grant_types: &["authorization_code"],
        ..Options::default()
    };
    AuthorizationServer::new("mailchimp", 0, options)
}

impl Mailchimp {
    pub(super) fn oauth(&mut self, now: Timestamp, request: &Request) -> Result<Response, Problem> {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/oauth2/authorize") => Ok(self.server.authorize(now, request)),
            ("POST", "/oauth2/token") => Ok(match self.server.token(now, request) {
                Ok(tokens) => Response::json(
                    200,
                    &json!({"access_token": tokens.access, "expires_in": 0, "scope": null}),
                ),
                Err(refusal) => refusal.answer(),
            }),
            ("GET", "/oauth2/metadata") => Ok(self.metadata(now, request)),
            _ => Err(Problem::not_found()),
        }
    }

    fn metadata(&self, now: Timestamp, request: &Request) -> Response {
        let header = request.header("authorization").unwrap_or_default();
        let known = header.split_once(' ').is_some_and(|(scheme, token)| {
            let schemes = ["oauth", "bearer"];
            let named = schemes.iter().any(|s| scheme.eq_ignore_ascii_case(s));
            named && self.takes(now, token.trim())
        });
        if !known {
            return Response::json(200, &json!({"error": "invalid_token"}));
        }
        let origin = request.origin();
        Response::json(
            200,
            &json!({
                "dc": DATA_CENTRE,
                "role": "owner",
                "accountname": "Twin Company",
                "user_id": ACCOUNT_ID,
                "login": {
                    "email": "twin@example.org",
                    "avatar": Value::Null,
                    "login_id": 1001,
                    "login_name": "twin",
                    "login_email": "twin@example.org",
                },
                "login_url": origin,
                "api_endpoint": origin,
            }),
        )
    }

    /// Whether this key or token is one of the account's.
    pub(super) fn takes(&self, now: Timestamp, key: &str) -> bool {
        if let Some(wanted) = &self.token {
            return key == wanted;
        }
        let bare = key.strip_suffix(DATA_CENTRE);
        let token = bare.and_then(|key| key.strip_suffix('-')).unwrap_or(key);
        match self.server.standing(now, token) {
            Standing::Live | Standing::Foreign => !token.is_empty(),
            Standing::Expired { .. } | Standing::Refused => false,
        }
    }
}
