//! Gives a run what was recorded in place of the world.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::{
    Busy, Clock, Http, HttpError, HttpRequest, HttpResponse, Permit, Quota, Secret, SecretHeader,
    TokenError, Tokens,
};

use super::event::{Sent, TokenAnswer};
use super::player::Player;

/// Says what the clock said; nobody waits.
pub struct PlayedClock(pub Arc<Player>);

#[async_trait]
impl Clock for PlayedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    async fn sleep(&self, _span: Duration) {}
}

/// Stands still but for those who sleep: for leases, which nobody else wants.
pub struct StandingClock {
    from: Timestamp,
    gone_by: Mutex<Duration>,
}

impl StandingClock {
    pub fn new(from: Timestamp) -> Self {
        Self {
            from,
            gone_by: Mutex::default(),
        }
    }
}

#[async_trait]
impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        self.from.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        *self.gone_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, span: Duration) {
        *self.gone_by.lock().unwrap_or_else(PoisonError::into_inner) += span;
    }
}

/// Answers as the system did.
pub struct PlayedHttp {
    pub player: Arc<Player>,
    pub connection: String,
}

#[async_trait]
impl Http for PlayedHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let sent = Sent::masked(&request, &str::to_owned);
        self.player.answer(&self.connection, &sent)
    }
}

/// Says that there are credentials where there were some.
pub struct PlayedTokens {
    pub player: Arc<Player>,
    pub connection: String,
}

impl PlayedTokens {
    fn played(&self, again: bool) -> Result<Option<SecretHeader>, TokenError> {
        match self.player.token(&self.connection, again) {
            TokenAnswer::Header(name) => Ok(Some(SecretHeader {
                name,
                value: Secret::new("none is needed"),
            })),
            TokenAnswer::None => Ok(None),
            TokenAnswer::Person(why) => Err(TokenError::Person(why)),
            TokenAnswer::Passing(why) => Err(TokenError::Passing(why)),
        }
    }
}

#[async_trait]
impl Tokens for PlayedTokens {
    async fn header(&self) -> Result<Option<SecretHeader>, TokenError> {
        self.played(false)
    }

    async fn instead_of(
        &self,
        _refused: &SecretHeader,
    ) -> Result<Option<SecretHeader>, TokenError> {
        self.played(true)
    }

    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
}

/// Nobody is asked, so nobody has to be spared.
pub struct Unlimited;

#[async_trait]
impl Quota for Unlimited {
    async fn take(&self, _class: &str) -> Result<Box<dyn Permit>, Busy> {
        Ok(Box::new(Self))
    }
}

impl Permit for Unlimited {
    fn answered(self: Box<Self>, _response: &HttpResponse) {}
}
