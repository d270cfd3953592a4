//! The right to write of a command that asks the systems: on a file all of it
//! until the command ends, on a server in turns with others.

use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::{Clock, Store, StoreError};
use concord_engine::sharing::{Sharing, Terms};
use concord_store::{Place, SqlStore};

use super::lease;

/// Who wants it, and of what.
pub struct Wish<'a> {
    pub place: &'a Place,
    pub store: &'a Arc<SqlStore>,
    pub clock: &'a Arc<dyn Clock>,
    pub command: &'a str,
    /// What a hub on a server claims is free so long after the hub died.
    pub claim: Duration,
}

pub struct Right {
    store: Arc<SqlStore>,
    pub owner: String,
    /// How it is shared; none where it is not.
    pub sharing: Option<Arc<Sharing>>,
}

impl Right {
    /// Does something with the right, or says who has it.  A run gives it back
    /// itself; one that never started or was cut off does not.
    pub async fn with<T, E: From<StoreError>>(
        wish: &Wish<'_>,
        work: impl AsyncFnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let right = Self::take(wish).await?;
        // A run is a large state machine, and would be part of its caller's.
        let done = Box::pin(work(&right)).await;
        let given_back = right.give_back().await;
        // What went wrong first says more.
        let done = done?;
        given_back?;
        Ok(done)
    }

    async fn take(
        &Wish {
            place,
            store,
            clock,
            command,
            claim,
        }: &Wish<'_>,
    ) -> Result<Self, StoreError> {
        let store = Arc::clone(store);
        if matches!(place, Place::File(_)) {
            let owner = lease::owner(command, clock.as_ref());
            lease::take(store.as_ref(), clock.as_ref(), &owner).await?;
            return Ok(Self {
                store,
                owner,
                sharing: None,
            });
        }
        let owner = lease::owner(&format!("{command} {}", lease::AMONG), clock.as_ref());
        let usual = Terms::default();
        let terms = Terms {
            claim,
            turn: usual.turn.min(claim / 2),
            request: usual.request.min(claim / 2),
            ..usual
        };
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let sharing = Sharing::new(shared, Arc::clone(clock), owner.clone(), terms);
        Ok(Self {
            store,
            owner,
            sharing: Some(Arc::new(sharing)),
        })
    }

    /// Does one change that is no part of a run.
    pub async fn once<T, E: From<StoreError>>(
        &self,
        change: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(sharing) = &self.sharing else {
            return change().await;
        };
        sharing.take_turn().await?;
        let result = change().await;
        sharing.pass_turn().await?;
        result
    }

    async fn give_back(self) -> Result<(), StoreError> {
        if let Some(sharing) = &self.sharing {
            sharing.give_up().await?;
        }
        self.store.release(&self.owner).await
    }
}
