//! What every command works with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use concord_core::ports::{Allowances, Clock, StoreError};
use concord_core::secret::SecretStore;
use concord_core::webhook::DeliveryStore;
use concord_engine::Hub;
use concord_engine::clock::SystemClock;
use concord_engine::config::Config;
use concord_engine::hub::Options;
use concord_engine::quota::Budgets;
use concord_engine::sharing::Sharing;
use concord_store::SqlStore;

use crate::arguments::Global;
use crate::output::Output;
use crate::progress::Teller;
use crate::stages::Stages;
use crate::wire::flight::Flight;
use crate::wire::hub::{Parts, Reach, WireError};
use crate::wire::plugins::Plugins;
use crate::wire::right::{Right, Wish};
use crate::wire::vault::Vault;
use crate::wire::{self, lease};

pub struct Invocation {
    pub global: Global,
    pub output: Output,
    pub clock: Arc<dyn Clock>,
    pub watch: Arc<Teller>,
    pub stages: Stages,
    /// Who looks on at what the systems are asked.
    pub flight: Flight,
    /// What is known of the vendors' allowances, from one run to the next.
    pub budgets: Arc<Budgets>,
}

impl Invocation {
    pub fn new(global: Global, stages: Stages) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let every = global.verbose > 0;
        let silent = global.quiet || (global.json && !every);
        Self {
            output: Output { json: global.json },
            watch: Arc::new(Teller::new(Arc::clone(&clock), silent, every)),
            clock,
            global,
            stages,
            flight: Flight::default(),
            budgets: Arc::default(),
        }
    }

    pub async fn reading(&self) -> Result<Arc<SqlStore>, StoreError> {
        wire::store::for_reading(&self.global.db).await
    }

    pub async fn writing(&self) -> Result<Arc<SqlStore>, StoreError> {
        wire::store::for_writing(&self.global.db).await
    }

    /// Does something with the right to write, in the name of this command.
    pub async fn with_right<T>(
        &self,
        store: &Arc<SqlStore>,
        command: &str,
        claim: Duration,
        work: impl AsyncFnOnce(&Right) -> Result<T>,
    ) -> Result<T> {
        let wish = Wish {
            place: &self.global.db,
            store,
            clock: &self.clock,
            command,
            claim,
        };
        Right::with(&wish, work).await
    }

    /// The hub over a store, for the command of this name.
    pub async fn hub(
        &self,
        store: Arc<SqlStore>,
        reach: Reach,
        owner: String,
    ) -> Result<Hub, WireError> {
        self.hub_with(store, reach, owner, None).await
    }

    /// The hub over a store that others may share.
    pub async fn hub_with(
        &self,
        store: Arc<SqlStore>,
        reach: Reach,
        owner: String,
        sharing: Option<Arc<Sharing>>,
    ) -> Result<Hub, WireError> {
        let flight = self.flight.clone();
        self.hub_in_flight(store, reach, owner, sharing, flight)
            .await
    }

    /// The same, for a run that is recorded or replayed.
    pub async fn hub_in_flight(
        &self,
        store: Arc<SqlStore>,
        reach: Reach,
        owner: String,
        sharing: Option<Arc<Sharing>>,
        flight: Flight,
    ) -> Result<Hub, WireError> {
        let mut options = Options {
            owner,
            lease: lease::SPAN,
            ..Options::default()
        };
        if let Some(sharing) = &sharing {
            options.request_timeout = sharing.terms().request;
        }
        options.sharing = sharing;
        let vault = match reach {
            Reach::Systems => self.vault(&store).await?,
            Reach::Records => Vault::default(),
        };
        wire::hub::build(Parts {
            secrets: Arc::clone(&store) as Arc<dyn SecretStore>,
            deliveries: Arc::clone(&store) as Arc<dyn DeliveryStore>,
            allowances: Arc::clone(&store) as Arc<dyn Allowances>,
            budgets: Arc::clone(&self.budgets),
            store,
            vault,
            clock: Arc::clone(&self.clock),
            watch: Arc::clone(&self.watch) as Arc<dyn concord_engine::progress::Watch>,
            options,
            plugins: self.global.plugins.clone(),
            cache: wire::hub::default_cache(),
            reach,
            flight,
        })
        .await
    }

    /// A hub that looks at what is known and asks no system.
    pub async fn records(&self) -> Result<Hub, WireError> {
        let store = self.reading().await?;
        self.records_of(store).await
    }

    pub async fn records_of(&self, store: Arc<SqlStore>) -> Result<Hub, WireError> {
        self.hub(store, Reach::Records, String::new()).await
    }

    /// The secrets that the database keeps, as they are now.
    pub async fn vault(&self, store: &SqlStore) -> Result<Vault, StoreError> {
        Vault::load(store, self.global.key.clone()).await
    }

    pub fn plugins(&self, config: &Config) -> Plugins {
        Plugins::look(self.plugin_folders(config))
    }

    pub fn plugin_folders(&self, config: &Config) -> Vec<PathBuf> {
        wire::plugins::folders(self.global.plugins.as_ref(), &config.plugins)
    }
}
