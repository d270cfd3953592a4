//! The token endpoint: a grant comes in, tokens go out.

use concord_core::Timestamp;
use serde_json::{Value, json};

use super::AuthorizationServer;
use super::client::Client;
use super::form::Form;
use super::grants::Tokens;
use super::options::DEVICE_GRANT;
use super::pkce;
use super::refusal::{Refusal, secret_answer};
use crate::{Request, Response};

impl AuthorizationServer {
    /// Tokens, or why there are none; whose words the answer is in is the
    /// caller's to choose.
    pub fn token(&mut self, now: Timestamp, request: &Request) -> Result<Tokens, Refusal> {
        let form = Form::of_body(request)?;
        let (id, client) = self.clients.authenticate(request, &form)?;
        let client = client.clone();
        let kind = form.need("grant_type")?;
        if !self.options.grant_types.contains(&kind) {
            return Err(Refusal::UnsupportedGrant(kind.to_owned()));
        }
        match kind {
            "authorization_code" => self.redeem(now, &id, &form),
            "refresh_token" => {
                let token = form.need("refresh_token")?;
                let scope = form.scope()?;
                self.grants.renew(now, token, &id, scope, &self.options)
            }
            "client_credentials" => self.for_itself(now, &id, &client, &form),
            DEVICE_GRANT => self.poll(now, &id, &form),
            other => Err(Refusal::UnsupportedGrant(other.to_owned())),
        }
    }

    /// A code for tokens (RFC 6749 section 4.1.3).
    fn redeem(&mut self, now: Timestamp, client: &str, form: &Form) -> Result<Tokens, Refusal> {
        let text = form.need("code")?;
        let code = self.codes.get_mut(text).ok_or(Refusal::UnknownCode)?;
        if code.client != client {
            return Err(Refusal::UnknownCode);
        }
        if let Some(grant) = code.grant {
            // Somebody else has the code, so nobody may keep what came of it
            // (section 4.1.2).
            self.grants.counts.reused += 1;
            self.grants.revoke(grant);
            return Err(Refusal::UsedCode);
        }
        if code.expires <= now {
            return Err(Refusal::ExpiredCode);
        }
        if code.redirect.as_deref() != form.get("redirect_uri") {
            return Err(Refusal::OtherRedirect);
        }
        if !pkce::fits(code.challenge.as_deref(), form.get("code_verifier")) {
            return Err(Refusal::WrongVerifier);
        }
        let grant = self.grants.grant(client, &code.scope);
        code.grant = Some(grant);
        Ok(self.grants.first(now, grant, &self.options))
    }

    /// RFC 6749 section 4.4: only for clients that can keep a secret.
    fn for_itself(
        &mut self,
        now: Timestamp,
        id: &str,
        client: &Client,
        form: &Form,
    ) -> Result<Tokens, Refusal> {
        if client.secret.is_none() {
            return Err(Refusal::NotForThisClient);
        }
        let scope = form.scope()?.unwrap_or_default();
        Ok(self.grants.of_client(now, id, scope, &self.options))
    }
}

impl Tokens {
    /// The answer of RFC 6749 section 5.1.
    pub fn answer(&self) -> Response {
        let mut body = json!({"access_token": self.access, "token_type": "Bearer"});
        let told = [
            ("expires_in", self.expires_in.map(Value::from)),
            ("refresh_token", self.refresh.clone().map(Value::from)),
            (
                "scope",
                (!self.scope.is_empty()).then(|| self.scope.as_str().into()),
            ),
        ];
        for (name, value) in told {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        secret_answer(200, &body)
    }
}
