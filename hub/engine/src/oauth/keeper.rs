//! Keeps one connection's access token alive: the port `Tokens`.
//!
//! A refresh has three steps, each durable before the next: the grant is marked as
//! being refreshed, the server is asked, the answer takes the place of the mark.
//! Only then is the new token used.  Whoever finds a mark whose time is over knows
//! that its hub is gone, and tries the old token in its place.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::{Clock, Rng, Secret, SecretHeader, TokenError, Tokens};
use concord_core::secret::{KeepError, Kept, KeptSecret};
use tracing::Instrument as _;

use super::app::{App, AppError};
use super::asking::{Asking, Outcome};
use super::grant::{Grant, State};
use super::hidden::Hidden;
use super::transport::Transport;
use crate::backoff::backoff;
use crate::meters;

/// How far the clocks of two hubs may be apart.
const SKEW: Duration = Duration::from_secs(2);

/// How soon to look again whether another's refresh is through.
const LOOK: Duration = Duration::from_millis(100);

/// A system that refuses a token which took the place of a refused one would refuse
/// the next as well: for so long none is asked for.
const AGAIN: Duration = Duration::from_secs(60);

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
    asking: Asking,
    header: (String, String),
    kept: Arc<dyn KeptSecret>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// Whoever holds it is the only one here that asks for a new token.
    memory: tokio::sync::Mutex<Memory>,
    hidden: Hidden,
}

#[derive(Default)]
struct Memory {
    /// The grant as it was last read or kept.
    grant: Option<Grant>,
    /// What a server gave and the database has not taken yet.
    unsaved: Option<Unsaved>,
    /// Until when the server is left alone, and why.
    rest: Option<(Timestamp, TokenError)>,
    failures: u32,
    /// When a refused token was renewed last.
    refused_at: Option<Timestamp>,
}

struct Unsaved {
    /// Whose place it takes.
    mark: u64,
    revision: i64,
    grant: Grant,
    /// When the server's answer came, by the clock that never jumps.
    since: Duration,
}

impl Keeper {
    pub fn new(parts: KeeperParts) -> Result<Self, AppError> {
        // A count of nothing, so that the first refresh is seen as a rise.
        meters::refreshed(&parts.app.connection, "renewed", 0);
        let hidden = Hidden::beside(parts.app.client_secret.clone());
        Ok(Self(Arc::new(Core {
            asking: Asking::new(parts.app, parts.transport)?,
            header: parts.header,
            kept: parts.kept,
            clock: parts.clock,
            rng: parts.rng,
            memory: tokio::sync::Mutex::default(),
            hidden,
        })))
    }

    /// In a task of its own: a caller that gives up must not take a new token
    /// along that is not kept yet.
    async fn current(&self, refused: Option<SecretHeader>) -> Result<Grant, TokenError> {
        let core = Arc::clone(&self.0);
        // What it asks the server belongs to the run that needs the token.
        let asking = async move { core.current(refused.as_ref()).await };
        let task = tokio::spawn(asking.in_current_span());
        let stopped = |_| TokenError::Passing("the hub is stopping".into());
        task.await.map_err(stopped)?
    }
}

#[async_trait]
impl Tokens for Keeper {
    async fn header(&self) -> Result<Option<SecretHeader>, TokenError> {
        let now = self.0.clock.now();
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
        self.0.hidden.all()
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
            let Some(kept) = self.kept.read().await.map_err(not_kept)? else {
                self.sign_in_alone(&mut memory).await?;
                continue;
            };
            let grant = Grant::parse(&kept.text).map_err(|error| self.person(error))?;
            self.hidden.add(&grant);
            let now = self.clock.now();
            match grant.state() {
                State::Over { reason } => return Err(self.person(reason)),
                State::Refreshing { until, .. } if now < until.plus(SKEW) => {
                    // The old token serves until the new one is there.
                    if grant.lives(now) && !self.is_refused(&memory, &grant, refused, now) {
                        return Ok(grant);
                    }
                    self.clock.sleep(LOOK).await;
                    continue;
                }
                State::Ready if self.serves(&memory, &grant, refused, now) => {
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

    fn serves(
        &self,
        memory: &Memory,
        grant: &Grant,
        refused: Option<&SecretHeader>,
        now: Timestamp,
    ) -> bool {
        // Without a way to a new one, an old token is tried to its end.
        let is_fresh = grant.is_fresh(now) || (!self.renews(grant) && grant.lives(now));
        is_fresh && !self.is_refused(memory, grant, refused, now)
    }

    fn renews(&self, grant: &Grant) -> bool {
        grant.refresh().is_some() || self.asking.app.by_itself
    }

    /// Whether the system refused this very token, and a new one may help.
    fn is_refused(
        &self,
        memory: &Memory,
        grant: &Grant,
        refused: Option<&SecretHeader>,
        now: Timestamp,
    ) -> bool {
        let is_it = refused.is_some_and(|header| header.value == self.header_of(grant).value);
        let again = memory.refused_at.is_some_and(|at| now < at.plus(AGAIN));
        is_it && self.renews(grant) && !again
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
        let now = self.clock.now();
        let is_refused = self.is_refused(memory, &grant, refused, now);
        let serves = grant.lives(now) && !is_refused;
        if let Some((until, why)) = &memory.rest
            && now < *until
        {
            return do_with(serves, grant, why.clone());
        }
        if !self.renews(&grant) {
            let reason = "it has ended, and the system gives nothing to renew it with".to_owned();
            let over = grant.in_state(State::Over { reason }, None);
            self.replace(kept.revision, &over).await?;
            return Ok(None);
        }
        let (marked, mark) = self.marked(&grant, now);
        let start = self.clock.monotonic();
        if !self.replace(kept.revision, &marked).await? {
            return Ok(None);
        }
        if is_refused {
            memory.refused_at = Some(now);
        }
        // Its request has ended by the time that the mark says, however long it took
        // to be kept.
        let took = self.clock.monotonic().saturating_sub(start);
        let within = self.asking.transport.timeout.saturating_sub(took);
        let outcome = self.asking.renew(&marked, within).await;
        meters::refreshed(&self.asking.app.connection, outcome.word(), 1);
        let now = self.clock.now();
        let unsaved = Unsaved {
            mark,
            revision: kept.revision + 1,
            since: self.clock.monotonic(),
            grant: self.after(&outcome, &marked, now),
        };
        let Some((why, wait)) = self.told(outcome) else {
            (memory.failures, memory.rest) = (0, None);
            memory.unsaved = Some(unsaved);
            return Ok(None);
        };
        self.save(memory, unsaved).await?;
        memory.failures += 1;
        let rest = backoff(memory.failures, self.rng.next_u64());
        memory.rest = Some((now.plus(wait.unwrap_or(rest)), why.clone()));
        if serves {
            let connection = &self.asking.app.connection;
            tracing::warn!(connection, "{why}; the old token serves until its end");
        }
        do_with(serves, grant, why)
    }

    /// The grant with a mark of its own, and what an earlier mark tells.
    fn marked(&self, grant: &Grant, now: Timestamp) -> (Grant, u64) {
        let mark = self.rng.next_u64();
        let doubt = match grant.state() {
            State::Refreshing { until, .. } => Some(format!(
                "a hub was stopped in the middle of a refresh that was to end by {until}"
            )),
            _ => grant.doubt().map(str::to_owned),
        };
        let until = now.plus(self.asking.transport.timeout);
        (
            grant.in_state(State::Refreshing { mark, until }, doubt),
            mark,
        )
    }

    /// What takes the place of the mark.
    fn after(&self, outcome: &Outcome, marked: &Grant, now: Timestamp) -> Grant {
        let doubt = marked.doubt().map(str::to_owned);
        match outcome {
            Outcome::Renewed(answer) => {
                let renewed = marked.renewed(&self.asking.app, answer, now);
                self.hidden.add(&renewed);
                renewed
            }
            Outcome::Ended(refusal) => {
                let reason = marked.epitaph(&refusal.to_string(), now);
                marked.in_state(State::Over { reason }, None)
            }
            Outcome::Troubled {
                may_be_done: true, ..
            } => {
                let lost = format!("a refresh at {now} had no answer that could be read");
                marked.in_state(State::Ready, Some(lost))
            }
            Outcome::Refused(_) | Outcome::Troubled { .. } => marked.in_state(State::Ready, doubt),
        }
    }

    /// What kept a token from being renewed, and how long the server asks to wait;
    /// none where the grant itself tells.
    fn told(&self, outcome: Outcome) -> Option<(TokenError, Option<Duration>)> {
        match outcome {
            Outcome::Renewed(_) | Outcome::Ended(_) => None,
            Outcome::Refused(refusal) => {
                let why = format!(
                    "the sign-in server of '{}' refuses the app: {refusal}. Compare 'client-id' \
                     and the secret 'client_secret' with what is registered there",
                    self.asking.app.connection
                );
                Some((TokenError::Person(why), None))
            }
            Outcome::Troubled { why, wait, .. } => {
                let why = format!("the token could not be renewed: {why}");
                Some((TokenError::Passing(why), wait))
            }
        }
    }

    /// The first token of an app that signs in as itself.
    async fn sign_in_alone(&self, memory: &mut Memory) -> Result<(), TokenError> {
        let app = &self.asking.app;
        if !app.by_itself {
            return Err(self.person("nobody has signed in yet"));
        }
        let now = self.clock.now();
        let outcome = self.asking.by_itself().await;
        meters::refreshed(&app.connection, outcome.word(), 1);
        match outcome {
            Outcome::Renewed(answer) => {
                let grant = Grant::new(app, &answer, Default::default(), now);
                self.hidden.add(&grant);
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
                    // A hub that is killed in this span loses the sign-in at a
                    // server that takes each refresh token once.
                    let span = self.clock.monotonic().saturating_sub(unsaved.since);
                    let connection = &self.asking.app.connection;
                    tracing::debug!(
                        connection,
                        unsaved_us = span.as_micros(),
                        "an answer is kept"
                    );
                    memory.grant = None;
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) if failed < SAVES => {
                    failed += 1;
                    tracing::debug!(%error, "the renewed token is tried to be kept again");
                    let wait = backoff(failed, self.rng.next_u64());
                    self.clock.sleep(wait).await;
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
        let kept = &self.kept;
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

    async fn replace(&self, revision: i64, grant: &Grant) -> Result<bool, TokenError> {
        let kept = self.kept.replace(revision, &grant.text()).await;
        kept.map_err(not_kept)
    }

    fn header_of(&self, grant: &Grant) -> SecretHeader {
        let (name, prefix) = &self.header;
        SecretHeader {
            name: name.clone(),
            value: Secret::new(format!("{prefix}{}", grant.access())),
        }
    }

    fn person(&self, reason: impl std::fmt::Display) -> TokenError {
        TokenError::Person(format!(
            "needs sign-in: {reason}; {}",
            self.asking.app.advice()
        ))
    }
}

/// The old token, while it lives.
fn do_with(serves: bool, grant: Grant, why: TokenError) -> Result<Option<Grant>, TokenError> {
    if serves { Ok(Some(grant)) } else { Err(why) }
}

fn not_kept(error: KeepError) -> TokenError {
    match error {
        KeepError::Key(why) => TokenError::Person(why),
        KeepError::Store(why) => TokenError::Passing(why),
    }
}
