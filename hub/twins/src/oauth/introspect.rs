//! Asking about a token (RFC 7662), and giving one back (RFC 7009).

use concord_core::Timestamp;
use serde_json::json;

use super::AuthorizationServer;
use super::form::Form;
use super::grants::Seen;
use super::refusal::{Refusal, secret_answer};
use crate::{Request, Response};

impl AuthorizationServer {
    pub(super) fn introspect(
        &mut self,
        now: Timestamp,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let body = match self.inspect(now, request)? {
            // Nothing more is told of a token that cannot be used (section 2.2).
            None => json!({"active": false}),
            Some(seen) => {
                let mut body = json!({
                    "active": true,
                    "client_id": seen.client,
                    "token_type": if seen.is_refresh { "refresh_token" } else { "Bearer" },
                    "iat": seconds(seen.issued),
                });
                if !seen.scope.is_empty() {
                    body["scope"] = seen.scope.into();
                }
                if let Some(at) = seen.expires {
                    body["exp"] = seconds(at).into();
                }
                body
            }
        };
        Ok(secret_answer(200, &body))
    }

    /// Looks at the token of an introspection request; none where it is not
    /// active.  Any client with a secret may ask about any token, since the one
    /// who asks is the API to which it was shown; a client without a secret cannot
    /// prove that it is one (section 2.1).
    pub fn inspect(&mut self, now: Timestamp, request: &Request) -> Result<Option<Seen>, Refusal> {
        let form = Form::of_body(request)?;
        let (_, client) = self.clients.authenticate(request, &form)?;
        if client.secret.is_none() {
            return Err(Refusal::WrongSecret);
        }
        let token = form.need("token")?;
        self.grants.counts.introspected += 1;
        Ok(self.grants.look(now, token))
    }

    /// 200 for a token that is revoked now, and for one that never was (RFC 7009
    /// section 2.2).
    pub fn revoke(&mut self, request: &Request) -> Result<Response, Refusal> {
        let form = Form::of_body(request)?;
        let (client, _) = self.clients.authenticate(request, &form)?;
        self.grants.give_back(form.need("token")?, &client)?;
        Ok(Response::empty(200))
    }
}

fn seconds(moment: Timestamp) -> i64 {
    moment.millis().div_euclid(1000)
}
