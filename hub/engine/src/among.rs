//! A run among other hubs on the same database, and the steps that are
//! different there.

use std::sync::Arc;

use concord_core::EntityId;
use concord_core::ports::StoreError;
use concord_core::state::Intent;

use crate::around::Around;
use crate::error::EngineError;
use crate::hub::Hub;
use crate::lane::Lane;
use crate::outbox::Job;
use crate::run::{Report, Request};
use crate::sharing::{Claimed, Sharing};

/// How often a run begins anew that lost its turn or a claim.
const BEGINNINGS: u32 = 5;

impl Hub {
    /// A sync within turns.  A hub that stopped for so long that others took
    /// over has written nothing since; it begins anew.
    pub(crate) async fn sync_in_turns(
        &mut self,
        request: &Request,
        sharing: &Arc<Sharing>,
    ) -> Result<Report, EngineError> {
        for _ in 1..BEGINNINGS {
            let work = async |hub: &mut Self| hub.sync_with_lease(request).await;
            match self.in_turns(sharing, work).await {
                Err(error) if is_overtaken(&error) => {
                    tracing::warn!(%error, "another hub took over; the run begins anew");
                }
                result => return result,
            }
        }
        self.in_turns(sharing, async |hub| hub.sync_with_lease(request).await)
            .await
    }

    /// Does something within turns.
    pub(crate) async fn in_turns<T>(
        &mut self,
        sharing: &Arc<Sharing>,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        sharing.take_turn().await?;
        let result = work(self).await;
        // What cannot be given back ends by itself.
        for given in [sharing.give_up().await, sharing.pass_turn().await] {
            if let Err(error) = given {
                tracing::warn!(%error, "a lease was not given back");
            }
        }
        result
    }

    /// What a hub left that died on its way; where hubs share, whoever claims its
    /// connections looks.
    pub(crate) async fn recover_alone(&self) -> Result<(), EngineError> {
        if self.options.sharing.is_none() {
            self.recover(None).await?;
        }
        Ok(())
    }

    /// Whether the lane's system is this hub's to ask now.
    pub(crate) async fn may_ask(&self, lane: Lane<'_>) -> Result<bool, EngineError> {
        let Some(sharing) = &self.options.sharing else {
            return Ok(true);
        };
        let claimed = sharing.claim_only(lane.id()).await?;
        if claimed == Claimed::Now {
            self.recover(Some(lane.id())).await?;
        }
        Ok(claimed != Claimed::Elsewhere)
    }

    /// Waits until the lane's system is this hub's to ask.
    pub(crate) async fn wait_for(&self, lane: Lane<'_>) -> Result<(), EngineError> {
        while !self.may_ask(lane).await? {
            self.rest_for_claims().await?;
            self.extend_lease().await?;
        }
        Ok(())
    }

    /// Whether one of these lanes, which another hub has, owes a write that could
    /// leave or be settled before long: that one does it, or has died over it.
    pub(crate) async fn is_owed_to_any(&self, lanes: &[Lane<'_>]) -> Result<bool, EngineError> {
        let soon = self.clock.now().plus(self.options.longest_wait);
        for lane in lanes {
            let next = lane.next_intent().await?;
            if next.is_some_and(|moment| moment <= soon) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets others have what this hub does not need while it waits.
    pub(crate) async fn give_claims_up(&self) -> Result<(), StoreError> {
        match &self.options.sharing {
            Some(sharing) => sharing.give_up().await,
            None => Ok(()),
        }
    }

    pub(crate) async fn rest_for_claims(&self) -> Result<(), EngineError> {
        match &self.options.sharing {
            Some(sharing) => self.sleep(sharing.terms().look_for_claim).await,
            None => Ok(()),
        }
    }

    /// Of intents that were read before a call, those that nobody closed
    /// meanwhile.
    pub(crate) async fn still_open(
        &self,
        mut intents: Vec<Intent>,
    ) -> Result<Vec<Intent>, StoreError> {
        if self.options.sharing.is_none() {
            return Ok(intents);
        }
        let ids: Vec<EntityId> = intents.iter().map(|i| i.entity.clone()).collect();
        let open = self.store.open_intents_of(&ids).await?;
        intents.retain(|intent| {
            open.iter()
                .any(|now| now.id == intent.id && now.state == intent.state)
        });
        Ok(intents)
    }

    /// What stands around writes that were under way, as other hubs left it
    /// meanwhile.
    pub(crate) async fn as_they_stand(&self, mut jobs: Vec<Job>) -> Result<Vec<Job>, StoreError> {
        if self.options.sharing.is_none() {
            return Ok(jobs);
        }
        let store = self.store.as_ref();
        let ids: Vec<EntityId> = jobs.iter().map(|job| job.intent.entity.clone()).collect();
        let entities = store.entities(&ids).await?;
        let around = Around::load(store, &ids).await?;
        for job in &mut jobs {
            let id = &job.intent.entity;
            if let Some(entity) = entities.iter().find(|entity| entity.id == *id) {
                job.entity = entity.clone();
            }
            job.link = around.link_of(&job.intent).cloned();
            job.held = around.held(id);
        }
        Ok(jobs)
    }
}

fn is_overtaken(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Lapsed | EngineError::Store(StoreError::Busy { .. })
    )
}
