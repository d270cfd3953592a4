//! Asks a sign-in server for a new token, and sorts what it says by what is to be
//! done next.

use std::time::Duration;

use oauth2::{RefreshToken, RequestTokenError, Scope};

use super::answer::{Answer, Refusal};
use super::app::{App, AppError, Library};
use super::grant::Grant;
use super::transport::{Transport, Troubled};

/// What asking came to.
pub(super) enum Outcome {
    Renewed(Answer),
    /// The sign-in is over.
    Ended(Refusal),
    /// The app is refused; the sign-in may be fine.
    Refused(Refusal),
    /// Nothing can be said.
    Troubled {
        why: String,
        /// Whether the server may have taken the old token all the same.
        may_be_done: bool,
        wait: Option<Duration>,
    },
}

impl Outcome {
    /// What it is counted as.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Outcome::Renewed(_) => "renewed",
            Outcome::Ended(_) => "ended",
            Outcome::Refused(_) => "refused",
            Outcome::Troubled { .. } => "troubled",
        }
    }
}

pub(super) struct Asking {
    pub(super) app: App,
    pub(super) transport: Transport,
    library: Library,
}

impl Asking {
    pub(super) fn new(app: App, transport: Transport) -> Result<Self, AppError> {
        Ok(Self {
            library: app.library()?,
            app,
            transport,
        })
    }

    /// Renews a grant by a request that has ended after so long.
    pub(super) async fn renew(&self, grant: &Grant, within: Duration) -> Outcome {
        if within.is_zero() {
            return Outcome::Troubled {
                why: "the database took all the time that there was".into(),
                may_be_done: false,
                wait: None,
            };
        }
        let Some(text) = grant.refresh() else {
            return self.by_itself().await;
        };
        let transport = Transport {
            timeout: within,
            ..self.transport.clone()
        };
        let token = RefreshToken::new(text.to_owned());
        let at_home = self.app.at(grant.accounts_server());
        let library = match at_home.and_then(|app| app.library()) {
            Ok(library) => library,
            Err(error) => {
                return Outcome::Troubled {
                    why: error.to_string(),
                    may_be_done: false,
                    wait: None,
                };
            }
        };
        let request = library.exchange_refresh_token(&token);
        self.sorted(request.request_async(&transport).await)
    }

    /// A token for the app itself (RFC 6749 §4.4).
    pub(super) async fn by_itself(&self) -> Outcome {
        let scopes = self.app.scopes.iter().cloned().map(Scope::new);
        let request = self.library.exchange_client_credentials();
        let request = request.add_scopes(scopes);
        self.sorted(request.request_async(&self.transport).await)
    }

    fn sorted(&self, answer: Result<Answer, RequestTokenError<Troubled, Refusal>>) -> Outcome {
        match answer {
            Ok(answer) => Outcome::Renewed(answer),
            Err(RequestTokenError::ServerResponse(refusal)) => {
                let over = &self.app.manifest.over;
                if refusal.code == "invalid_grant" || over.contains(&refusal.code) {
                    Outcome::Ended(refusal)
                } else {
                    Outcome::Refused(refusal)
                }
            }
            Err(RequestTokenError::Request(troubled)) => Outcome::Troubled {
                why: troubled.to_string(),
                may_be_done: troubled.may_be_done(),
                wait: troubled.wait(),
            },
            // What could not be read may hold a token, and is not repeated.
            Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => Outcome::Troubled {
                why: "the sign-in server's answer is not what RFC 6749 describes".into(),
                may_be_done: true,
                wait: None,
            },
        }
    }
}
