//! One connection's sign-in, for the commands that change it.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use concord_core::ports::Store as _;
use concord_core::secret::{KeptSecret as _, SecretStore};
use concord_core::state::ConnectionRow;
use concord_engine::EngineError;
use concord_engine::clock::SystemRng;
use concord_engine::config::ConnectionConfig;
use concord_engine::oauth::{
    App, GRANT, Grant, Keeper, KeeperParts, PENDING, Pending, Tenant, Transport,
};
use concord_host::Limits;
use concord_store::SqlStore;

use crate::invocation::Invocation;
use crate::wire::hub::schemas;
use crate::wire::sign_in::{self, SealedRow, SignInPlan};
use crate::wire::vault::Vault;
use crate::wire::{blueprint, config};

/// A sign-in that is changed by others all the time is not ours to keep.
const ATTEMPTS: usize = 10;

pub struct Signed {
    row: ConnectionRow,
    wish: ConnectionConfig,
    pub plan: SignInPlan,
    pub vault: Vault,
    /// The header that carries the token, and what stands before the token in it.
    header: (String, String),
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
        header: sign_in::header(&drawn.manifest.auth),
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

    /// What keeps the grant alive.
    pub fn keeper(&self, cli: &Invocation, store: &Arc<SqlStore>) -> Result<Keeper> {
        Ok(Keeper::new(KeeperParts {
            app: self.app()?,
            header: self.header.clone(),
            kept: self.kept(cli, store, GRANT),
            transport: self.transport()?,
            clock: Arc::clone(&cli.clock),
            rng: Arc::new(SystemRng::default()),
        })?)
    }

    fn kept(&self, cli: &Invocation, store: &Arc<SqlStore>, name: &'static str) -> Arc<SealedRow> {
        let secrets = Arc::clone(store) as Arc<dyn SecretStore>;
        let clock = Arc::clone(&cli.clock);
        self.vault.kept(self.row.id, name, secrets, clock)
    }

    /// The place of a sign-in whose browser comes back to a hub that serves.
    pub fn pending(&self, cli: &Invocation, store: &Arc<SqlStore>) -> Arc<SealedRow> {
        self.kept(cli, store, PENDING)
    }

    /// Puts one there, in the place of any that was begun before.
    pub async fn leave(&self, store: &SqlStore, kept: &SealedRow, pending: &Pending) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let revision = self.revision(store, PENDING).await?;
            if kept.replace(revision, &pending.text()).await? {
                return Ok(());
            }
        }
        bail!(self.restless())
    }

    pub async fn forget_pending(&self, store: &SqlStore) -> Result<bool> {
        Ok(store.drop_secret(self.row.id, PENDING).await?)
    }

    /// That of a secret which may be sealed with a key that is lost; 0 where there is
    /// none.
    async fn revision(&self, store: &SqlStore, name: &str) -> Result<i64> {
        let rows = store.secrets().await?;
        let mut rows = rows.iter();
        let row = rows.find(|row| row.connection == self.row.id && row.name == name);
        Ok(row.map_or(0, |row| row.revision))
    }

    /// Keeps a grant in place of whatever is there, except for the account that was
    /// chosen.
    pub async fn keep(
        &self,
        cli: &Invocation,
        store: &Arc<SqlStore>,
        grant: Grant,
    ) -> Result<Grant> {
        // One that cannot be read any more tells of no choice.
        let grant = match (self.plan.tenant_key(), self.grant()) {
            (Some(key), Ok(Some(earlier))) => grant.in_place_of(&earlier, key),
            _ => grant,
        };
        self.replace(cli, store, async |_| {
            Ok((self.revision(store, GRANT).await?, grant.clone()))
        })
        .await
    }

    /// Keeps which account is meant, in whatever the grant has become.
    pub async fn choose(
        &self,
        cli: &Invocation,
        store: &Arc<SqlStore>,
        key: &str,
        tenant: &Tenant,
    ) -> Result<Grant> {
        self.replace(cli, store, async |kept| {
            let now = kept.read().await?.ok_or_else(|| self.signed_out())?;
            let grant = Grant::parse(&now.text)?.of_tenant(key, tenant);
            Ok((now.revision, grant))
        })
        .await
    }

    /// Puts a grant in the place of the one with this revision, again and again
    /// while others are sooner.
    async fn replace(
        &self,
        cli: &Invocation,
        store: &Arc<SqlStore>,
        next: impl AsyncFn(&SealedRow) -> Result<(i64, Grant)>,
    ) -> Result<Grant> {
        let kept = self.kept(cli, store, GRANT);
        for _ in 0..ATTEMPTS {
            let (revision, grant) = next(&kept).await?;
            if kept.replace(revision, &grant.text()).await? {
                return Ok(grant);
            }
        }
        bail!(self.restless())
    }

    fn restless(&self) -> String {
        format!(
            "the sign-in of '{}' changes all the time: begin again",
            self.row.name
        )
    }

    /// Why a choice comes too late.
    pub fn signed_out(&self) -> anyhow::Error {
        anyhow!(
            "'{}' was signed out meanwhile: sign in again",
            self.row.name
        )
    }

    /// The account that was chosen for the grant or for the one before it.
    pub async fn chosen(
        &self,
        cli: &Invocation,
        store: &Arc<SqlStore>,
        key: &str,
    ) -> Result<Option<String>> {
        let now = self.kept_grant(cli, store).await?;
        Ok(now.and_then(|mut grant| grant.values.remove(key)))
    }

    /// The grant as it is now.
    pub async fn kept_grant(
        &self,
        cli: &Invocation,
        store: &Arc<SqlStore>,
    ) -> Result<Option<Grant>> {
        let now = self.kept(cli, store, GRANT).read().await?;
        Ok(now.map(|now| Grant::parse(&now.text)).transpose()?)
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

    /// Forgets the grant here, and turns a browser away that is under way.
    pub async fn forget(&self, store: &SqlStore) -> Result<bool> {
        self.forget_pending(store).await?;
        Ok(store.drop_secret(self.row.id, GRANT).await?)
    }
}
