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
        let renewed = async |right: &Right| self.renewed(right, renewal).await;
        match self.with_right(renewed).await {
            Ok(true) => tracing::info!("'{name}' goes on sending webhooks"),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                "'{name}' could not be asked to go on sending webhooks, and is asked again later; \
                 `concord webhooks register {name}` does it now: {error:#}"
            ),
        }
    }

    /// False where another hub was sooner.
    async fn renewed(&self, right: &Right, renewal: &Renewal) -> Result<bool> {
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
