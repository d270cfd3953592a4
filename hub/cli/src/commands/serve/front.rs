//! What a serving hub is reached at: webhooks, browsers that come back from a
//! sign-in, whether it is well, and what it counts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use concord_core::ports::Store as _;
use concord_core::webhook::DeliveryStore;
use concord_core::{ConnectionId, Timestamp};
use concord_engine::config::Config;
use concord_engine::webhooks::intake::{Intake, intake};
use concord_server::callback::{self, Arrival};
use concord_server::health;
use concord_server::listen::Listening;
use concord_server::metrics::{self, Meters, Scraped, Totals};
use concord_server::webhooks::{Door, Hooks, address, routes};
use concord_store::SqlStore;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::invocation::Invocation;
use crate::wire::hooks::{self, Basis};
use crate::wire::subscriptions;

/// How long those who are half-way through are waited for at the end.
const GRACE: Duration = Duration::from_secs(5);

/// The port of a hub that serves.
pub struct Front {
    listening: Listening,
    intake: Intake,
    keeper: JoinHandle<()>,
    hooks: Arc<Hooks>,
    renewals: Vec<Renewal>,
    basis: Option<Basis>,
    totals: Totals,
    upkeep: JoinHandle<()>,
}

/// A subscription that ends by itself.
#[derive(Clone)]
pub struct Renewal {
    pub name: String,
    pub connection: ConnectionId,
    /// When it is made anew, counted from when it was made.
    pub after: Duration,
    /// What the system is told to send to.
    pub address: String,
}

impl Front {
    pub async fn open(
        cli: &Invocation,
        store: &Arc<SqlStore>,
        address: &str,
        arrived: Arc<Notify>,
        browsers: mpsc::Sender<Arrival>,
        config: &Config,
    ) -> Result<Self> {
        let (intake, keeper) = intake(Arc::clone(store) as Arc<dyn DeliveryStore>, arrived);
        let hooks = Arc::new(Hooks::default());
        let door = Door {
            hooks: Arc::clone(&hooks),
            intake: intake.clone(),
            clock: Arc::clone(&cli.clock),
        };
        let meters = Meters::install()?;
        let totals = Totals::default();
        let app = routes(door)
            .merge(callback::routes(browsers))
            .merge(health::routes(Arc::clone(store) as _))
            .merge(metrics::routes(Scraped {
                meters: meters.clone(),
                store: Arc::clone(store) as _,
                deliveries: Arc::clone(store) as _,
                totals: totals.clone(),
            }));
        let listening = Listening::open(address, app).await?;
        let mut front = Self {
            listening,
            intake,
            keeper: tokio::spawn(keeper.run()),
            hooks,
            renewals: Vec::new(),
            basis: None,
            totals,
            upkeep: tokio::spawn(meters.keep_up(Arc::clone(&cli.clock))),
        };
        front.refresh(cli, store, config).await?;
        front.count(store).await?;
        Ok(front)
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.listening.address()
    }

    /// Takes over what was applied, or given as a secret, meanwhile.
    pub async fn refresh(
        &mut self,
        cli: &Invocation,
        store: &SqlStore,
        config: &Config,
    ) -> Result<()> {
        let vault = cli.vault(store).await?;
        let basis = Basis::of(config, vault.rows());
        if self.basis.as_ref() == Some(&basis) {
            return Ok(());
        }
        let (table, lacking) = hooks::load(store, config, &cli.plugins(config), &vault).await?;
        for what in lacking {
            tracing::warn!("{what}");
        }
        let url = config
            .webhooks
            .as_ref()
            .map(|webhooks| webhooks.url.clone());
        let all = table.iter().filter_map(|(name, hook)| {
            let hours = hook.wish.renew_hours?;
            Some(Renewal {
                name: name.clone(),
                connection: hook.connection,
                after: Duration::from_secs(3600) * hours,
                address: address(url.as_deref()?, name, hook)?,
            })
        });
        self.renewals = all.collect();
        self.hooks.set(url, table);
        self.basis = Some(basis);
        Ok(())
    }

    /// The first subscription whose time has come.
    pub async fn renewal(&self, store: &SqlStore, now: Timestamp) -> Result<Option<Renewal>> {
        for renewal in &self.renewals {
            if subscriptions::is_due(store, renewal.connection, renewal.after, now).await? {
                return Ok(Some(renewal.clone()));
            }
        }
        Ok(None)
    }

    /// Looks at the numbers that change with a run.
    pub async fn count(&self, store: &SqlStore) -> Result<()> {
        self.totals.set(&store.counts().await?);
        Ok(())
    }

    /// Takes nobody in any more, and ends when all who were are answered.
    pub async fn close(self, cli: &Invocation) {
        let Self {
            listening,
            intake,
            keeper,
            upkeep,
            ..
        } = self;
        upkeep.abort();
        tokio::select! {
            () = listening.close() => {}
            () = cli.clock.sleep(GRACE) => tracing::warn!("somebody was still sending at the end"),
        }
        drop(intake);
        tokio::select! {
            // A keeper that failed has told it to those who waited.
            _ = keeper => {}
            () = cli.clock.sleep(GRACE) => {}
        }
    }
}
