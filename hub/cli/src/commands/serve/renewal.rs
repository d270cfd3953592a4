//! Subscriptions that end by themselves are made anew.

use anyhow::Result;

use super::Server;
use super::front::Renewal;
use crate::wire::hub::Reach;
use crate::wire::right::Right;
use crate::wire::subscriptions;

impl Server<'_> {
    /// What fails is tried again later; until then polling finds what nobody tells.
    pub(super) async fn renew(&self, renewal: &Renewal) {
        let name = &renewal.name;
        match self.renewed(renewal).await {
            Ok(true) => tracing::info!("'{name}' goes on sending webhooks"),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                "'{name}' could not be asked to go on sending webhooks, and is asked again later; \
                 `concord webhooks register {name}` does it now: {error:#}"
            ),
        }
    }

    async fn renewed(&self, renewal: &Renewal) -> Result<bool> {
        let (cli, store) = (self.cli, &self.store);
        let place = &cli.global.db;
        let right = Right::take(place, store, &cli.clock, "serve", self.claim).await?;
        let renewed = self.renewed_with(&right, renewal).await;
        let given_back = right.give_back().await;
        let renewed = renewed?;
        given_back?;
        Ok(renewed)
    }

    async fn renewed_with(&self, right: &Right, renewal: &Renewal) -> Result<bool> {
        let (cli, store) = (self.cli, &self.store);
        let (id, now) = (renewal.connection, cli.clock.now());
        let take_on = subscriptions::take_on(store.as_ref(), id, renewal.after, now);
        if !right.once(async || take_on.await).await? {
            return Ok(false);
        }
        let hub = cli
            .hub(store.clone(), Reach::Systems, right.owner.clone())
            .await?;
        let connector = hub.named(&renewal.name)?.connector.as_ref();
        let clock = cli.clock.as_ref();
        let made = subscriptions::make(store.as_ref(), clock, id, connector, &renewal.address);
        made.await?;
        Ok(true)
    }
}
