//! One connection's sign-in, for the commands that change it.

use std::sync::Arc;

use anyhow::{Result, bail};
use concord_core::ports::Store as _;
use concord_core::secret::{KeptSecret as _, SecretStore};
use concord_core::state::ConnectionRow;
use concord_engine::EngineError;
use concord_engine::config::ConnectionConfig;
use concord_engine::oauth::{App, GRANT, Grant, Transport};
use concord_host::Limits;
use concord_store::SqlStore;

use crate::invocation::Invocation;
use crate::wire::hub::schemas;
use crate::wire::sign_in::{self, SignInPlan};
use crate::wire::vault::Vault;
use crate::wire::{blueprint, config};

/// A sign-in that is changed by others all the time is not ours to keep.
const ATTEMPTS: usize = 10;

pub struct Signed {
    row: ConnectionRow,
    wish: ConnectionConfig,
    pub plan: SignInPlan,
    pub vault: Vault,
}

/// Brings everything of a connection's sign-in together.
pub async fn look(cli: &Invocation, store: &Arc<SqlStore>, name: &str) -> Result<Signed> {
    let config = config::stored(store.as_ref()).await?;
    let no_connection = || EngineError::NoConnection(name.to_owned());
    let wish = config.connections.get(name).ok_or_else(no_connection)?;
    let rows = store.connections().await?;
    let row = rows
        .into_iter()
        .find(|row| row.name == name && !row.removed);
    let row = row.ok_or_else(no_connection)?;
    let plugins = cli.plugins(&config);
    let found = plugins.get(&wish.connector)?;
    let place = format!("connections.{name}");
    let drawn = blueprint::draw(&place, wish, found, &schemas(&config)?)?;
    let Some(plan) = drawn.sign_in else {
        bail!(
            "'{name}' has its secrets from the configuration: to sign in, register an app with {} \
             and write `oauth: {{ client-id: … }}` in their place",
            drawn.manifest.name
        );
    };
    Ok(Signed {
        row,
        wish: wish.clone(),
        plan,
        vault: cli.vault(store).await?,
    })
}

impl Signed {
    pub fn app(&self) -> Result<App> {
        let Self {
            row, wish, vault, ..
        } = self;
        Ok(self.plan.app(row.id, &row.name, wish, vault)?)
    }

    pub fn transport(&self) -> Result<Transport> {
        Ok(sign_in::transport(
            self.plan.http(self.row.id, &self.wish, &self.vault)?,
            Limits::default().http_timeout,
        ))
    }

    /// The grant, where there is one that can be read.
    pub fn grant(&self) -> Result<Option<Grant>> {
        sign_in::grant(&self.vault, self.row.id).map_err(anyhow::Error::msg)
    }

    /// Keeps a grant in place of whatever is there.
    pub async fn keep(&self, cli: &Invocation, store: &Arc<SqlStore>, grant: &Grant) -> Result<()> {
        let secrets = Arc::clone(store) as Arc<dyn SecretStore>;
        let kept = self
            .vault
            .grant_of(self.row.id, secrets, Arc::clone(&cli.clock));
        for _ in 0..ATTEMPTS {
            // What is there may be sealed with a key that is lost: its number is
            // all that is needed.
            let rows = store.secrets().await?;
            let mut rows = rows.into_iter();
            let old = rows.find(|row| row.connection == self.row.id && row.name == GRANT);
            let revision = old.map_or(0, |row| row.revision);
            if kept.replace(revision, &grant.text()).await? {
                return Ok(());
            }
        }
        bail!(
            "the sign-in of '{}' changes all the time: begin again",
            self.row.name
        )
    }

    /// Gives the grant back to the vendor.  The words say what came of it.
    pub async fn revoke(&self) -> Result<String> {
        let Some(grant) = self.grant()? else {
            return Ok("nobody was signed in".into());
        };
        let app = self.app()?;
        let revoked = app.revoke(&self.transport()?, &grant).await;
        Ok(match revoked {
            Ok(true) => "the vendor was told to forget the sign-in".into(),
            Ok(false) => {
                "the vendor cannot be told: withdraw the app there, at the account's own page"
                    .into()
            }
            Err(error) => format!(
                "the vendor could not be told ({error}): withdraw the app there, at the account's \
                 own page"
            ),
        })
    }

    /// Forgets the grant here.
    pub async fn forget(&self, store: &SqlStore) -> Result<bool> {
        Ok(store.drop_secret(self.row.id, GRANT).await?)
    }
}
