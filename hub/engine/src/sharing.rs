//! Several hubs on one database: a turn to decide, and a claim per connection.
//!
//! Whatever a hub reads in order to decide, and the commit that follows, happens
//! within one turn; the turn is passed on while the hub waits for a system.  See
//! `docs/adr/20261122-several-hubs.md` for why that is enough.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use concord_core::ConnectionId;
use concord_core::ports::{Clock, Connector, Store, StoreError};

use crate::error::EngineError;
use crate::yielding::Yielding;

/// How long everything lasts.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// A hub that stops within its turn keeps the others waiting for so long.
    pub turn: Duration,
    /// What a hub that stopped had claimed is free after this.
    pub claim: Duration,
    /// The longest that a request may be under way.
    pub request: Duration,
    /// How far the clocks of two hubs may be apart.
    pub skew: Duration,
    /// How soon to look again whether the turn is free …
    pub look: Duration,
    /// … and whether a claim is.
    pub look_for_claim: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            turn: Duration::from_secs(10),
            claim: Duration::from_secs(120),
            request: Duration::from_secs(30),
            skew: Duration::from_secs(2),
            look: Duration::from_millis(3),
            look_for_claim: Duration::from_millis(200),
        }
    }
}

/// What a hub shares with others.
pub struct Sharing {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    owner: String,
    terms: Terms,
    claims: Mutex<BTreeMap<ConnectionId, Arc<Claim>>>,
    /// Until when the turn is this hub's, in microseconds of the clock that
    /// never jumps; 0 while it is not.
    turn_until: AtomicU64,
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing")
            .field("owner", &self.owner)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// Another hub has the connection now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another hub took the connection over while this one was waiting")]
pub struct Lost;

impl Sharing {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, owner: String, terms: Terms) -> Self {
        Self {
            store,
            clock,
            owner,
            terms,
            claims: Mutex::default(),
            turn_until: AtomicU64::new(0),
        }
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }

    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The claim to a connection, held or not.
    pub fn claim(&self, connection: ConnectionId) -> Arc<Claim> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let claim = claims.entry(connection).or_insert_with(|| {
            Arc::new(Claim {
                connection,
                store: Arc::clone(&self.store),
                clock: Arc::clone(&self.clock),
                terms: self.terms,
                fence: AtomicI64::new(NONE),
                until: AtomicU64::new(0),
            })
        });
        Arc::clone(claim)
    }

    /// The connector, with the turn passed on while its system is waited for.
    pub(crate) fn yielding(
        self: &Arc<Self>,
        connection: ConnectionId,
        connector: &Arc<dyn Connector>,
    ) -> Arc<dyn Connector> {
        Arc::new(Yielding::new(
            Arc::clone(connector),
            Arc::clone(self),
            self.claim(connection),
        ))
    }

    /// Waits for the turn.
    pub async fn take_turn(&self) -> Result<(), StoreError> {
        loop {
            match self.lease_turn().await {
                Err(StoreError::Busy { .. }) => self.clock.sleep(self.terms.look).await,
                taken => return taken,
            }
        }
    }

    /// Extends the turn before it ends.  One that has ended is not taken again:
    /// what was read within it may not be true any more.
    pub async fn keep_turn(&self) -> Result<(), EngineError> {
        let until = Duration::from_micros(self.turn_until.load(Ordering::Acquire));
        let left = until.saturating_sub(self.clock.monotonic());
        if left.is_zero() {
            return Err(EngineError::Lapsed);
        }
        if left > self.terms.turn / 2 {
            return Ok(());
        }
        Ok(self.lease_turn().await?)
    }

    async fn lease_turn(&self) -> Result<(), StoreError> {
        let start = self.clock.monotonic();
        let now = self.clock.now();
        // Another's turn has ended by every clock before it is taken.
        let (then, until) = (now.minus(self.terms.skew), now.plus(self.terms.turn));
        self.store.lease(&self.owner, then, until).await?;
        self.turn_until
            .store(micros(start + self.terms.turn), Ordering::Release);
        Ok(())
    }

    /// Lets the others decide.
    pub async fn pass_turn(&self) -> Result<(), StoreError> {
        self.turn_until.store(0, Ordering::Release);
        self.store.pass(&self.owner).await
    }

    /// Lets the others decide for a while.  What was claimed before it stays
    /// claimed; where it was lost all the same, this hub is left without the
    /// turn.
    pub async fn rest(&self, span: Duration) -> Result<(), StoreError> {
        self.pass_turn().await?;
        let until = self.clock.now().plus(span);
        let mut lost = false;
        loop {
            let left = until.since(self.clock.now());
            if left.is_zero() {
                break;
            }
            self.clock.sleep(left.min(self.terms.claim / 4)).await;
            for claim in self.held() {
                lost |= !claim.renew().await?;
            }
        }
        self.take_turn().await?;
        for claim in self.held() {
            lost |= !claim.renew().await?;
        }
        if lost {
            self.pass_turn().await?;
        }
        Ok(())
    }

    /// Where this hub stands in the row of connections, so that hubs that start
    /// together do not all want the same one first.
    pub fn offset(&self, connections: usize) -> usize {
        let sum = self.owner.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        sum.checked_rem(connections).unwrap_or(0)
    }

    /// Tries to claim a connection, within the turn.  True where it is ours.
    async fn try_claim(&self, connection: ConnectionId) -> Result<bool, StoreError> {
        let claim = self.claim(connection);
        let start = self.clock.monotonic();
        let now = self.clock.now();
        // Another's claim has ended by every clock before it is taken.
        let (then, until) = (now.minus(self.terms.skew), now.plus(self.terms.claim));
        let owner = self.owner.as_str();
        let fence = self.store.claim(connection, owner, then, until).await?;
        claim.set(fence, start);
        Ok(fence.is_some())
    }

    /// Claims a connection and no other.
    pub async fn claim_only(&self, connection: ConnectionId) -> Result<Claimed, StoreError> {
        let claim = self.claim(connection);
        if claim.is_held() && claim.renew().await? {
            return Ok(Claimed::Before);
        }
        self.give_up().await?;
        Ok(if self.try_claim(connection).await? {
            Claimed::Now
        } else {
            Claimed::Elsewhere
        })
    }

    /// Gives all claims up.
    pub async fn give_up(&self) -> Result<(), StoreError> {
        for claim in self.held() {
            claim.give_up().await?;
        }
        Ok(())
    }

    fn held(&self) -> Vec<Arc<Claim>> {
        let claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.values().filter(|c| c.is_held()).cloned().collect()
    }
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It was this hub's already.
    Before,
    /// It became this hub's; what its last owner left is to be looked at.
    Now,
    Elsewhere,
}

/// No fence: the claim is not held.
const NONE: i64 = 0;

/// The right to ask and write to one connection's system.
pub struct Claim {
    connection: ConnectionId,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    terms: Terms,
    fence: AtomicI64,
    /// Until when it is ours, in microseconds of the clock that never jumps.
    until: AtomicU64,
}

impl Claim {
    pub fn is_held(&self) -> bool {
        self.fence.load(Ordering::Acquire) != NONE
    }

    fn set(&self, fence: Option<i64>, start: Duration) {
        self.until
            .store(micros(start + self.terms.claim), Ordering::Release);
        self.fence.store(fence.unwrap_or(NONE), Ordering::Release);
    }

    /// Whether a request that begins now ends before the claim does.
    fn covers_a_request(&self) -> bool {
        let until = Duration::from_micros(self.until.load(Ordering::Acquire));
        let left = until.saturating_sub(self.clock.monotonic());
        self.is_held() && left >= self.terms.request
    }

    /// Called in the last step before a request leaves.  A claim that would not
    /// outlast the request is extended first.
    pub async fn may_send(&self) -> Result<(), Lost> {
        if self.covers_a_request() {
            return Ok(());
        }
        match self.renew().await {
            // Extending took time too.
            Ok(true) if self.covers_a_request() => Ok(()),
            Ok(_) => Err(Lost),
            Err(error) => {
                tracing::warn!(%error, "the claim to the connection could not be extended");
                Err(Lost)
            }
        }
    }

    /// Extends the claim where it is still ours.
    pub async fn renew(&self) -> Result<bool, StoreError> {
        let fence = self.fence.load(Ordering::Acquire);
        if fence == NONE {
            return Ok(false);
        }
        let start = self.clock.monotonic();
        let until = self.clock.now().plus(self.terms.claim);
        let ours = self.store.keep(self.connection, fence, until).await?;
        self.set(ours.then_some(fence), start);
        Ok(ours)
    }

    /// Lets another hub claim the connection.
    pub async fn give_up(&self) -> Result<(), StoreError> {
        let fence = self.fence.swap(NONE, Ordering::AcqRel);
        if fence == NONE {
            return Ok(());
        }
        self.store.unclaim(self.connection, fence).await
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
