//! Why a request was not granted, with the error code of the RFC that names it.
//! A vendor with words of its own renders these itself.

use serde_json::json;

use crate::Response;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the body is not application/x-www-form-urlencoded")]
    NotAForm,
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    #[error("the parameter {0} is given more than once")]
    Repeated(String),
    #[error("the client authenticates in more than one way")]
    TwoAuthentications,
    #[error("the client must send a code_challenge")]
    ChallengeMissing,
    #[error("the only code_challenge_method is S256")]
    ChallengeMethod,

    #[error("the client is not known")]
    UnknownClient,
    #[error("the client's secret is missing or wrong")]
    WrongSecret,

    #[error("the code is not known")]
    UnknownCode,
    #[error("the code has expired")]
    ExpiredCode,
    #[error("the code was used before, and what came of it is revoked")]
    UsedCode,
    #[error("redirect_uri is not that of the authorization request")]
    OtherRedirect,
    #[error("code_verifier is missing or does not fit its challenge")]
    WrongVerifier,
    #[error("the refresh token is invalid, expired or revoked")]
    DeadRefreshToken,
    #[error("the token was issued to another client")]
    OtherClient,

    #[error("this client may not use this grant type")]
    NotForThisClient,
    #[error("the grant type {0} is not supported")]
    UnsupportedGrant(String),
    #[error("the only response_type is code")]
    UnsupportedResponse,
    #[error("the scope is malformed, or wider than what was granted")]
    Scope,
    #[error("the person denied the request")]
    Denied,

    #[error("the person has not answered yet")]
    Pending,
    #[error("the client asks too often; five seconds more from now on")]
    TooFast,
    #[error("the device code has expired")]
    ExpiredDevice,
}

impl Refusal {
    /// The error code: RFC 6749 sections 5.2 and 4.1.2.1, RFC 7636 section 4.4.1
    /// and RFC 8628 section 3.5.
    pub fn error(&self) -> &'static str {
        match self {
            Self::NotAForm
            | Self::Missing(_)
            | Self::Repeated(_)
            | Self::TwoAuthentications
            | Self::ChallengeMissing
            | Self::ChallengeMethod => "invalid_request",
            Self::UnknownClient | Self::WrongSecret => "invalid_client",
            Self::UnknownCode
            | Self::ExpiredCode
            | Self::UsedCode
            | Self::OtherRedirect
            | Self::WrongVerifier
            | Self::DeadRefreshToken
            | Self::OtherClient => "invalid_grant",
            Self::NotForThisClient => "unauthorized_client",
            Self::UnsupportedGrant(_) => "unsupported_grant_type",
            Self::UnsupportedResponse => "unsupported_response_type",
            Self::Scope => "invalid_scope",
            Self::Denied => "access_denied",
            Self::Pending => "authorization_pending",
            Self::TooFast => "slow_down",
            Self::ExpiredDevice => "expired_token",
        }
    }

    /// 401 for a client that could not be authenticated, else 400.
    pub fn status(&self) -> u16 {
        match self.error() {
            "invalid_client" => 401,
            _ => 400,
        }
    }

    /// The answer of RFC 6749 section 5.2.  Its 401 names the scheme that a client
    /// may use, as every 401 must.
    pub fn answer(&self) -> Response {
        let body = json!({"error": self.error(), "error_description": self.to_string()});
        let mut answer = secret_answer(self.status(), &body);
        if answer.status == 401 {
            let scheme = ("www-authenticate", "Basic realm=\"twin\"");
            answer.headers.push((scheme.0.into(), scheme.1.into()));
        }
        answer
    }
}

/// An answer that no cache may keep (RFC 6749 section 5.1).
pub(crate) fn secret_answer(status: u16, body: &serde_json::Value) -> Response {
    let mut answer = Response::json(status, body);
    for (name, value) in [("cache-control", "no-store"), ("pragma", "no-cache")] {
        answer.headers.push((name.into(), value.into()));
    }
    answer
}
