//! The ways of a person to a grant: at a browser, and with a code that is typed in
//! somewhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use concord_core::manifest::Told;
use concord_core::ports::{Clock, HttpError};
use oauth2::{
    AuthorizationCode, CsrfToken, DeviceCodeErrorResponse, DeviceCodeErrorResponseType,
    PkceCodeChallenge, PkceCodeVerifier, RequestTokenError, Scope,
    StandardDeviceAuthorizationResponse,
};

use super::answer::{Answer, Refusal};
use super::app::{App, AppError, Library};
use super::grant::Grant;
use super::transport::{Transport, Troubled};

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error(transparent)]
    App(#[from] AppError),
    #[error("this system knows no sign-in in a browser: try `--device`")]
    NoBrowser,
    #[error("this system knows no sign-in with a code: leave `--device` out")]
    NoDevice,
    #[error(
        "the answer belongs to another sign-in (its 'state' is not the one that was sent): use \
         the page that was opened last"
    )]
    OtherState,
    #[error("the sign-in was turned down: {0}")]
    TurnedDown(Refusal),
    #[error("the address carries no code: copy the whole of it from where the browser ended")]
    NoCode,
    #[error("the code was not entered in time: begin again")]
    TooLate,
    #[error(
        "the sign-in server refuses the app: {0}. Compare 'client-id' and the secret \
         'client_secret' with what is registered there"
    )]
    Client(Refusal),
    #[error(
        "the sign-in server refuses the code: {0}. A code is good once and for a minute or so, \
         and 'redirect-uri' has to be the registered one: begin again"
    )]
    Code(Refusal),
    #[error("the sign-in server refuses: {0}")]
    Refused(Refusal),
    #[error("the sign-in server cannot be asked: {0}")]
    Troubled(#[from] Troubled),
    #[error("the sign-in server's answer is not what RFC 6749 describes")]
    Unreadable,
    #[error(
        "the redirect says that the account lives at '{server}', where this connector may not \
         send the code ({why}): nothing was sent. Begin again at the page that is shown; where \
         the vendor has a new server, the connector's manifest has to name it under \
         'accounts-server'"
    )]
    Astray { server: String, why: String },
}

pub struct SignIn {
    app: App,
    library: Library,
    transport: Transport,
    clock: Arc<dyn Clock>,
}

/// A sign-in that waits for the browser to come back.
pub struct Begun {
    /// Where the person agrees.
    pub url: String,
    pub(super) state: CsrfToken,
    pub(super) verifier: Option<PkceCodeVerifier>,
}

impl Begun {
    /// One that was begun elsewhere, where its page was shown.
    pub(super) fn again(state: String, verifier: Option<String>) -> Self {
        Self {
            url: String::new(),
            state: CsrfToken::new(state),
            verifier: verifier.map(PkceCodeVerifier::new),
        }
    }
}

/// A code that waits for somebody to enter it.
pub struct DeviceCode(StandardDeviceAuthorizationResponse);

impl DeviceCode {
    pub fn user_code(&self) -> &str {
        self.0.user_code().secret()
    }

    /// Where it is entered.
    pub fn page(&self) -> &str {
        self.0.verification_uri()
    }

    /// The same place with the code filled in, where the server has one.
    pub fn whole_page(&self) -> Option<&str> {
        self.0
            .verification_uri_complete()
            .map(|uri| uri.secret().as_str())
    }
}

impl SignIn {
    pub fn new(app: App, transport: Transport, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        Ok(Self {
            library: app.library()?,
            app,
            transport,
            clock,
        })
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.app.scopes.iter().cloned().map(Scope::new)
    }

    pub fn begin(&self) -> Result<Begun, SignInError> {
        let request = self.library.authorize_url(CsrfToken::new_random);
        let mut request = request
            .map_err(|_| SignInError::NoBrowser)?
            .add_scopes(self.scopes());
        for (name, value) in &self.app.manifest.authorize_params {
            request = request.add_extra_param(name.as_str(), value.as_str());
        }
        let mut verifier = None;
        if self.app.manifest.pkce {
            let (challenge, secret) = PkceCodeChallenge::new_random_sha256();
            request = request.set_pkce_challenge(challenge);
            verifier = Some(secret);
        }
        let (url, state) = request.url();
        Ok(Begun {
            url: url.into(),
            state,
            verifier,
        })
    }

    /// Whether an answer belongs to this sign-in; one that does not says nothing
    /// about it.
    pub fn check(begun: &Begun, query: &BTreeMap<String, String>) -> Result<(), SignInError> {
        // It lives for minutes and is answered on this machine alone: how long the
        // comparison takes helps nobody to guess it.
        if query.get("state").map(String::as_str) == Some(begun.state.secret()) {
            Ok(())
        } else {
            Err(SignInError::OtherState)
        }
    }

    /// Takes what the browser came back with: the redirect's query.
    pub async fn finish(
        &self,
        begun: Begun,
        query: &BTreeMap<String, String>,
    ) -> Result<Grant, SignInError> {
        Self::check(&begun, query)?;
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        if query.contains_key("error") {
            return Err(SignInError::TurnedDown(Refusal {
                code: text("error"),
                description: text("error_description"),
            }));
        }
        let code = query.get("code").filter(|code| !code.is_empty());
        let code = code.ok_or(SignInError::NoCode)?;
        let code = AuthorizationCode::new(code.clone());
        let named = self.app.manifest.accounts_server.as_ref();
        let server = named.and_then(|named| query.get(&named.parameter));
        let library = self.app.at(server.map(String::as_str))?.library()?;
        let mut request = library.exchange_code(code);
        if let Some(verifier) = begun.verifier {
            request = request.set_pkce_verifier(verifier);
        }
        let answer = request.request_async(&self.transport).await;
        let answer = answer.map_err(|error| match (error, server) {
            (RequestTokenError::Request(Troubled::Http(HttpError::Denied(why))), Some(server)) => {
                let server = server.clone();
                SignInError::Astray { server, why }
            }
            (error, _) => failed(error, SignInError::Code),
        })?;
        Ok(self.grant(&answer, query).living_at(server.cloned()))
    }

    /// Asks for a code that a person enters on any device.
    pub async fn device(&self) -> Result<DeviceCode, SignInError> {
        let request = self.library.exchange_device_code();
        let request = request.map_err(|_| SignInError::NoDevice)?;
        let request = request.add_scopes(self.scopes());
        let answer = request.request_async(&self.transport).await;
        answer
            .map(DeviceCode)
            .map_err(|error| failed(error, SignInError::Refused))
    }

    /// Waits until the code was entered, as often asking as the server allows.
    pub async fn entered(&self, code: &DeviceCode) -> Result<Grant, SignInError> {
        let clock = Arc::clone(&self.clock);
        let now = move || -> DateTime<Utc> {
            DateTime::from_timestamp_micros(clock.now().0).unwrap_or_default()
        };
        let sleep = |span| async move { self.clock.sleep(span).await };
        let answer = self
            .library
            .exchange_device_access_token(&code.0)
            .set_time_fn(now)
            .request_async(&self.transport, sleep, None)
            .await;
        let answer = answer.map_err(not_entered)?;
        Ok(self.grant(&answer, &BTreeMap::new()))
    }

    fn grant(&self, answer: &Answer, query: &BTreeMap<String, String>) -> Grant {
        let told = self.app.manifest.values.iter().filter_map(|value| {
            let text = match value.from {
                Told::Redirect => query.get(&value.name).cloned(),
                Told::Token => answer.told(&value.name),
            };
            Some((value.config.clone(), text?))
        });
        Grant::new(&self.app, answer, told.collect(), self.clock.now())
    }
}

fn failed(
    error: RequestTokenError<Troubled, Refusal>,
    refused: impl FnOnce(Refusal) -> SignInError,
) -> SignInError {
    match error {
        RequestTokenError::ServerResponse(refusal) => match refusal.code.as_str() {
            "invalid_client" | "unauthorized_client" => SignInError::Client(refusal),
            _ => refused(refusal),
        },
        RequestTokenError::Request(troubled) => SignInError::Troubled(troubled),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => SignInError::Unreadable,
    }
}

fn not_entered(error: RequestTokenError<Troubled, DeviceCodeErrorResponse>) -> SignInError {
    let error = match error {
        RequestTokenError::ServerResponse(answer) => {
            let refusal = Refusal {
                code: answer.error().as_ref().to_owned(),
                description: answer.error_description().cloned().unwrap_or_default(),
            };
            match answer.error() {
                DeviceCodeErrorResponseType::ExpiredToken => return SignInError::TooLate,
                DeviceCodeErrorResponseType::AccessDenied => {
                    return SignInError::TurnedDown(refusal);
                }
                _ => RequestTokenError::ServerResponse(refusal),
            }
        }
        RequestTokenError::Request(troubled) => RequestTokenError::Request(troubled),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            return SignInError::Unreadable;
        }
    };
    failed(error, SignInError::Refused)
}
