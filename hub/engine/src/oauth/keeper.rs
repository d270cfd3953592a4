//! Keeps one connection's access token alive: the port `Tokens`.
//!
//! A refresh has three steps, each durable before the next: the grant is marked as
//! being refreshed, the server is asked, the answer takes the place of the mark.
//! Only then is the new token used.  Whoever finds a mark whose time is over knows
//! that its hub is gone, and tries the old token in its place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::{Clock, Rng, Secret, SecretHeader, TokenError, Tokens};
use concord_core::secret::{KeepError, Kept, KeptSecret};
use oauth2::{RefreshToken, RequestTokenError};

use super::answer::{Answer, Refusal};
use super::app::{App, AppError, Library};
use super::grant::{Grant, State};
use super::transport::{Transport, Troubled};
use crate::backoff::backoff;

/// How far the clocks of two hubs may be apart.
const SKEW: Duration = Duration::from_secs(2);

/// How soon to look again whether another's refresh is through.
const LOOK: Duration = Duration::from_millis(100);

/// A token that was given a moment ago is not refused for its age: another one
/// would be refused as well.
const YOUNG: Duration = Duration::from_secs(60);

/// How often a new token is tried to be kept before the caller is told; it is not
/// forgotten after that.
const SAVES: u32 = 6;

pub struct KeeperParts {
    pub app: App,
    /// The header that carries the token, and what stands before the token in it.
    pub header: (String, String),
    pub kept: Arc<dyn KeptSecret>,
    pub transport: Transport,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
}

pub struct Keeper(Arc<Core>);

struct Core {
    parts: KeeperParts,
    library: Library,
    /// Whoever holds it is the only one here that asks for a new token.
    memory: tokio::sync::Mutex<Memory>,
    /// What is to be struck out of texts.
    hidden: Mutex<Vec<Secret>>,
}

#[derive(Default)]
struct Memory {
    /// The grant as it was last read or kept.
    grant: Option<Grant>,
    /// What a server gave and the database has not taken yet.
    unsaved: Option<Unsaved>,
    /// Why and until when the server is left alone.
    rest: Option<(Timestamp, String)>,
    failures: u32,
}

struct Unsaved {
    /// Whose place it takes.
    mark: u64,
    revision: i64,
    grant: Grant,
}

/// What a refresh came to.
enum Outcome {
    Renewed(Answer),
    /// The sign-in is over.
    Ended(Refusal),
    /// The app is refused; the sign-in may be fine.
    Refused(Refusal),
    /// Nothing can be said.
    Troubled {
        why: String,
        may_be_done: bool,
        wait: Option<Duration>,
    },
}

impl Keeper {
    pub fn new(parts: KeeperParts) -> Result<Self, AppError> {
        let library = parts.app.library()?;
        let hidden = parts.app.client_secret.iter().cloned().collect();
        Ok(Self(Arc::new(Core {
            parts,
            library,
            memory: tokio::sync::Mutex::default(),
            hidden: Mutex::new(hidden),
        })))
    }

    /// In a task of its own: a caller that gives up must not take a new token
    /// along that is not kept yet.
    async fn current(&self, refused: Option<SecretHeader>) -> Result<Grant, TokenError> {
        let core = Arc::clone(&self.0);
        let task = tokio::spawn(async move { core.current(refused.as_ref()).await });
        let stopped = |_| TokenError::Passing("the hub is stopping".into());
        task.await.map_err(stopped)?
    }
}

#[async_trait]
impl Tokens for Keeper {
    async fn header(&self) -> Result<Option<SecretHeader>, TokenError> {
        let now = self.0.parts.clock.now();
        if let Some(grant) = &self.0.memory.lock().await.grant
            && grant.is_fresh(now)
        {
            return Ok(Some(self.0.header_of(grant)));
        }
        let grant = self.current(None).await?;
        Ok(Some(self.0.header_of(&grant)))
    }

    async fn instead_of(&self, refused: &SecretHeader) -> Result<Option<SecretHeader>, TokenError> {
        let grant = self.current(Some(refused.clone())).await?;
        let header = self.0.header_of(&grant);
        Ok((header.value != refused.value).then_some(header))
    }

    fn secrets(&self) -> Vec<Secret> {
        self.0.hidden().clone()
    }
}

impl Core {
    /// A grant to send requests with: that which is kept, or a renewed one.
    async fn current(&self, refused: Option<&SecretHeader>) -> Result<Grant, TokenError> {
        let mut memory = self.memory.lock().await;
        loop {
            if let Some(unsaved) = memory.unsaved.take() {
                self.save(&mut memory, unsaved).await?;
            }
            let Some(kept) = self.parts.kept.read().await.map_err(unreadable)? else {
                self.sign_in_alone(&mut memory).await?;
                continue;
            };
            let grant = Grant::parse(&kept.text).map_err(|error| self.person(error))?;
            self.hide(&grant);
            let now = self.parts.clock.now();
            match grant.state() {
                State::Over { reason } => return Err(self.person(reason)),
                State::Refreshing { until, .. } if now < until.plus(SKEW) => {
                    // The old token serves until the new one is there.
                    if grant.lives(now) && !self.is_refused(&grant, refused, now) {
                        return Ok(grant);
                    }
                    self.parts.clock.sleep(LOOK).await;
                    continue;
                }
                State::Ready if self.serves(&grant, refused, now) => {
                    memory.grant = Some(grant.clone());
                    return Ok(grant);
                }
                State::Ready | State::Refreshing { .. } => {}
            }
            if let Some(fallback) = self.renew(&mut memory, kept, grant, refused).await? {
                return Ok(fallback);
            }
        }
    }

    fn serves(&self, grant: &Grant, refused: Option<&SecretHeader>, now: Timestamp) -> bool {
        // Without a way to a new one, an old token is tried to its end.
        let is_fresh = grant.is_fresh(now) || (!self.renews(grant) && grant.lives(now));
        is_fresh && !self.is_refused(grant, refused, now)
    }

    fn renews(&self, grant: &Grant) -> bool {
        grant.refresh().is_some() || self.parts.app.by_itself
    }

    /// Whether the system refused this very token, and a new one may help.
    fn is_refused(&self, grant: &Grant, refused: Option<&SecretHeader>, now: Timestamp) -> bool {
        let is_it = refused.is_some_and(|header| header.value == self.header_of(grant).value);
        is_it && self.renews(grant) && !grant.is_young(now, YOUNG)
    }

    /// Renews a grant.  Gives one where the old token has to do for now; none
    /// where everything is to be looked at anew.
    async fn renew(
        &self,
        memory: &mut Memory,
        kept: Kept,
        grant: Grant,
        refused: Option<&SecretHeader>,
    ) -> Result<Option<Grant>, TokenError> {
        let now = self.parts.clock.now();
        let serves = grant.lives(now) && !self.is_refused(&grant, refused, now);
        if let Some((until, why)) = &memory.rest
            && now < *until
        {
            return do_with(serves, grant, why.clone());
        }
        if !self.renews(&grant) {
            let reason = "it has ended, and the system gives nothing to renew it with".to_owned();
            self.end(kept.revision, &grant, reason).await?;
            return Ok(None);
        }
        let mark = self.parts.rng.next_u64();
        let until = now.plus(self.parts.transport.timeout);
        let doubt = match grant.state() {
            State::Refreshing { until, .. } => Some(format!(
                "a hub was stopped in the middle of a refresh that was to end by {until}"
            )),
            _ => grant.doubt().map(str::to_owned),
        };
        let marked = grant.in_state(State::Refreshing { mark, until }, doubt);
        if !self.replace(kept.revision, &marked).await? {
            return Ok(None);
        }
        let revision = kept.revision + 1;
        let outcome = self.ask(&marked).await;
        let now = self.parts.clock.now();
        let unsaved = |grant| Unsaved {
            mark,
            revision,
            grant,
        };
        let doubt = marked.doubt().map(str::to_owned);
        match outcome {
            Outcome::Renewed(answer) => {
                let renewed = marked.renewed(&self.parts.app, &answer, now);
                self.hide(&renewed);
                tracing::debug!(
                    connection = self.parts.app.connection,
                    "the token was renewed"
                );
                (memory.failures, memory.rest) = (0, None);
                memory.unsaved = Some(unsaved(renewed));
                Ok(None)
            }
            Outcome::Ended(refusal) => {
                let reason = marked.epitaph(&refusal.to_string(), now);
                let ended = marked.in_state(State::Over { reason }, None);
                memory.unsaved = Some(unsaved(ended));
                Ok(None)
            }
            Outcome::Refused(refusal) => {
                let back = marked.in_state(State::Ready, doubt);
                self.save(memory, unsaved(back)).await?;
                Err(TokenError::Person(format!(
                    "the sign-in server of '{}' refuses the app: {refusal}. Compare 'client-id' and \
                     the secret 'client_secret' with what is registered there",
                    self.parts.app.connection
                )))
            }
            Outcome::Troubled {
                why,
                may_be_done,
                wait,
            } => {
                let doubt = if may_be_done {
                    Some(format!(
                        "a refresh at {now} had no answer that could be read"
                    ))
                } else {
                    doubt
                };
                let back = marked.in_state(State::Ready, doubt);
                self.save(memory, unsaved(back)).await?;
                memory.failures += 1;
                let rest = backoff(memory.failures, self.parts.rng.next_u64());
                let until = now.plus(wait.unwrap_or(rest));
                let why = format!("the token could not be renewed: {why}");
                memory.rest = Some((until, why.clone()));
                if serves {
                    let connection = &self.parts.app.connection;
                    tracing::warn!(connection, "{why}; the old one serves until its end");
                }
                do_with(serves, grant, why)
            }
        }
    }

    async fn ask(&self, grant: &Grant) -> Outcome {
        let transport = &self.parts.transport;
        let answer = match grant.refresh() {
            Some(text) => {
                let token = RefreshToken::new(text.to_owned());
                let request = self.library.exchange_refresh_token(&token);
                request.request_async(transport).await
            }
            None => self.by_itself().await,
        };
        self.sorted(answer)
    }

    async fn by_itself(&self) -> Result<Answer, RequestTokenError<Troubled, Refusal>> {
        let scopes = self.parts.app.scopes.iter().cloned();
        self.library
            .exchange_client_credentials()
            .add_scopes(scopes.map(oauth2::Scope::new))
            .request_async(&self.parts.transport)
            .await
    }

    fn sorted(&self, answer: Result<Answer, RequestTokenError<Troubled, Refusal>>) -> Outcome {
        match answer {
            Ok(answer) => Outcome::Renewed(answer),
            Err(RequestTokenError::ServerResponse(refusal)) => {
                let over = &self.parts.app.manifest.over;
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

    /// The first token of an app that signs in as itself.
    async fn sign_in_alone(&self, memory: &mut Memory) -> Result<(), TokenError> {
        let app = &self.parts.app;
        if !app.by_itself {
            return Err(self.person("nobody has signed in yet"));
        }
        let now = self.parts.clock.now();
        match self.sorted(self.by_itself().await) {
            Outcome::Renewed(answer) => {
                let grant = Grant::new(app, &answer, Default::default(), now);
                self.hide(&grant);
                memory.failures = 0;
                // Where another was faster, theirs is as good.
                self.replace(0, &grant).await?;
                Ok(())
            }
            Outcome::Ended(refusal) | Outcome::Refused(refusal) => {
                Err(self.person(format!("the sign-in server refuses the app: {refusal}")))
            }
            Outcome::Troubled { why, .. } => {
                Err(TokenError::Passing(format!("no token could be had: {why}")))
            }
        }
    }

    /// Puts what a server said in the place of our mark, however often the row was
    /// sealed anew meanwhile.  Where somebody signed in anew, theirs counts.
    async fn save(&self, memory: &mut Memory, unsaved: Unsaved) -> Result<(), TokenError> {
        let mut unsaved = unsaved;
        let mut failed = 0;
        loop {
            match self.try_save(&mut unsaved).await {
                Ok(true) => {
                    memory.grant = None;
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) if failed < SAVES => {
                    failed += 1;
                    tracing::debug!(%error, "the renewed token is tried to be kept again");
                    let wait = backoff(failed, self.parts.rng.next_u64());
                    self.parts.clock.sleep(wait).await;
                }
                Err(error) => {
                    memory.unsaved = Some(unsaved);
                    return Err(TokenError::Passing(format!(
                        "a renewed token cannot be kept, and is not used before it is: {error}"
                    )));
                }
            }
        }
    }

    /// True where it is through.
    async fn try_save(&self, unsaved: &mut Unsaved) -> Result<bool, KeepError> {
        let kept = &self.parts.kept;
        if kept
            .replace(unsaved.revision, &unsaved.grant.text())
            .await?
        {
            return Ok(true);
        }
        let Some(now) = kept.read().await? else {
            return Ok(true);
        };
        unsaved.revision = now.revision;
        let ours = Grant::parse(&now.text).is_ok_and(
            |grant| matches!(grant.state(), State::Refreshing { mark, .. } if *mark == unsaved.mark),
        );
        Ok(!ours)
    }

    async fn end(&self, revision: i64, grant: &Grant, reason: String) -> Result<(), TokenError> {
        let over = grant.in_state(State::Over { reason }, None);
        self.replace(revision, &over).await.map(|_| ())
    }

    async fn replace(&self, revision: i64, grant: &Grant) -> Result<bool, TokenError> {
        let kept = self.parts.kept.replace(revision, &grant.text()).await;
        kept.map_err(unreadable)
    }

    fn header_of(&self, grant: &Grant) -> SecretHeader {
        let (name, prefix) = &self.parts.header;
        SecretHeader {
            name: name.clone(),
            value: Secret::new(format!("{prefix}{}", grant.access())),
        }
    }

    fn person(&self, reason: impl std::fmt::Display) -> TokenError {
        TokenError::Person(format!(
            "needs sign-in: {reason}; {}",
            self.parts.app.advice()
        ))
    }

    fn hidden(&self) -> std::sync::MutexGuard<'_, Vec<Secret>> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the tokens to strike them out, and those before them: a system may
    /// still quote one.
    fn hide(&self, grant: &Grant) {
        let mut hidden = self.hidden();
        for text in [Some(grant.access()), grant.refresh()]
            .into_iter()
            .flatten()
        {
            if !hidden.iter().any(|known| known.expose() == text) {
                hidden.push(Secret::new(text));
            }
        }
        let fixed = usize::from(self.parts.app.client_secret.is_some());
        while hidden.len() > fixed + MOST_HIDDEN {
            hidden.remove(fixed);
        }
    }
}

/// The old token, while it lives.
fn do_with(serves: bool, grant: Grant, why: String) -> Result<Option<Grant>, TokenError> {
    if serves {
        Ok(Some(grant))
    } else {
        Err(TokenError::Passing(why))
    }
}

/// The tokens of now and of the two refreshes before.
const MOST_HIDDEN: usize = 6;

fn unreadable(error: KeepError) -> TokenError {
    TokenError::Person(error.to_string())
}
