//! What a connection signs in with: the manifest's servers, the admin's app, and
//! the grant that the database keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use concord_core::manifest::{self, Manifest, OAuth, filled};
use concord_core::ports::{Clock, Http, Secret};
use concord_core::secret::{KeepError, Kept, KeptSecret, SealedSecret, SecretStore};
use concord_core::{ConnectionId, Timestamp};
use concord_engine::config::{ConnectionConfig, GrantKind};
use concord_engine::oauth::{App, Endpoints, GRANT, Grant, Standing, Transport};
use concord_net::{EgressPolicy, HostRule};
use url::Url;

use super::key::KeySource;
use super::problem::Problems;
use super::secrets::{self, SecretError};
use super::vault::{Vault, VaultError};
use super::way_out::{self, WayOutError};

/// Where a browser comes back to unless the admin says otherwise.  RFC 8252 §8.3
/// prefers the address to the name `localhost`.
const REDIRECT: &str = "http://127.0.0.1:8497/callback";

/// The secret of the app, which some vendors do without (RFC 8252 §8.4).
pub const CLIENT_SECRET: &str = "client_secret";

/// A token server answers at once or not at all; a hub that is killed while it
/// waits keeps the next one waiting for so long.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Everything of a sign-in that the configuration says.
#[derive(Clone)]
pub struct SignInPlan {
    client_id: String,
    endpoints: Endpoints,
    scopes: Vec<String>,
    by_itself: bool,
    manifest: OAuth,
    /// The sign-in servers, and nothing that the connector may reach.
    policy: EgressPolicy,
}

/// Brings manifest and configuration together; none where the admin gives a token.
pub fn plan(
    place: &str,
    config: &ConnectionConfig,
    manifest: &Manifest,
    values: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Option<SignInPlan> {
    let wish = config.oauth.as_ref()?;
    let place = format!("{place}.oauth");
    let Some(oauth) = &manifest.oauth else {
        let what = format!(
            "{} is not signed in to with OAuth: give its secrets under 'secrets'",
            manifest.name
        );
        problems.add(place, what);
        return None;
    };
    let mut url = |own: &Option<String>, default: Option<&String>| {
        let text = own.as_ref().or(default)?;
        match filled(text, values) {
            Ok(url) => Some(url),
            Err(key) => {
                problems.add(
                    &place,
                    format!("'{text}' needs the configuration key '{key}'"),
                );
                None
            }
        }
    };
    let authorize = url(&wish.authorize_url, oauth.authorize_url.as_ref());
    let token = url(&wish.token_url, Some(&oauth.token_url));
    let device = url(&wish.device_url, oauth.device_url.as_ref());
    let revoke = url(&wish.revoke_url, oauth.revoke_url.as_ref());
    let mut oauth = oauth.clone();
    // What the admin gave is not chosen.
    oauth.tenants = oauth
        .tenants
        .filter(|tenants| !values.contains_key(&tenants.config));
    let tenants = oauth.tenants.as_ref();
    let tenants = tenants.and_then(|tenants| url(&None, Some(&tenants.url)));
    let endpoints = Endpoints {
        authorize,
        token: token?,
        device,
        revoke,
        tenants,
        redirect: wish.redirect_uri.clone().unwrap_or_else(|| REDIRECT.into()),
    };
    // A server that the admin names is the one that is asked, whatever a redirect
    // says.
    if wish.token_url.is_some() || wish.revoke_url.is_some() {
        oauth.accounts_server = None;
    }
    let accounts = oauth.accounts_server.iter();
    let accounts = accounts.flat_map(|server| &server.hosts);
    let accounts: Vec<String> = accounts.filter_map(|host| url(&None, Some(host))).collect();
    let policy = servers(&place, config, &endpoints, &accounts, problems);
    for url in endpoints.authorize.iter().chain([&endpoints.redirect]) {
        if let Err(error) = Url::parse(url) {
            problems.add(&place, format!("'{url}' is no URL: {error}"));
        }
    }
    Some(SignInPlan {
        client_id: wish.client_id.clone(),
        endpoints,
        scopes: wish.scopes.clone().unwrap_or_else(|| oauth.scopes.clone()),
        by_itself: wish.grant == GrantKind::ClientCredentials,
        manifest: oauth,
        policy,
    })
}

fn servers(
    place: &str,
    config: &ConnectionConfig,
    endpoints: &Endpoints,
    accounts: &[String],
    problems: &mut Problems,
) -> EgressPolicy {
    let asked = [
        Some(&endpoints.token),
        endpoints.device.as_ref(),
        endpoints.revoke.as_ref(),
        endpoints.tenants.as_ref(),
    ];
    let mut hosts = Vec::new();
    for url in asked.into_iter().flatten().chain(accounts) {
        match url.parse::<HostRule>() {
            Ok(rule) => hosts.push(rule),
            Err(error) => problems.add(place, error),
        }
    }
    EgressPolicy {
        hosts,
        allow_private: config.network.allow_private,
    }
}

impl SignInPlan {
    pub fn by_itself(&self) -> bool {
        self.by_itself
    }

    /// The configuration key that a choice of an account fills, where one is made.
    pub fn tenant_key(&self) -> Option<&str> {
        let tenants = self.manifest.tenants.as_ref().filter(|_| !self.by_itself);
        tenants.map(|tenants| tenants.config.as_str())
    }

    pub fn redirect(&self) -> &str {
        &self.endpoints.redirect
    }

    /// The app with its secret.
    pub fn app(
        &self,
        connection: ConnectionId,
        name: &str,
        config: &ConnectionConfig,
        vault: &Vault,
    ) -> Result<App, SecretError> {
        let source = config.secrets.get(CLIENT_SECRET);
        let read = |source| secrets::read_one(connection, CLIENT_SECRET, source, vault);
        Ok(App {
            connection: name.to_owned(),
            client_id: self.client_id.clone(),
            client_secret: source.map(read).transpose()?,
            endpoints: self.endpoints.clone(),
            scopes: self.scopes.clone(),
            by_itself: self.by_itself,
            manifest: self.manifest.clone(),
        })
    }

    /// The way to the sign-in servers.
    pub fn http(
        &self,
        connection: ConnectionId,
        config: &ConnectionConfig,
        vault: &Vault,
    ) -> Result<Arc<dyn Http>, WayOutError> {
        way_out::open(connection, config, self.policy.clone(), vault)
    }
}

/// How the sign-in servers are asked: no longer than any system is.
pub fn transport(http: Arc<dyn Http>, request: Duration) -> Transport {
    Transport {
        http,
        timeout: TIMEOUT.min(request),
    }
}

/// The header that carries a token, and what stands before the token in it.
pub fn header(auth: &manifest::Auth) -> (String, String) {
    match auth {
        manifest::Auth::Header { name, prefix } => (name.to_ascii_lowercase(), prefix.clone()),
        manifest::Auth::None | manifest::Auth::Basic | manifest::Auth::Bearer => {
            ("authorization".into(), "Bearer ".into())
        }
    }
}

/// The grant as it was when the vault was read.
pub fn grant(vault: &Vault, connection: ConnectionId) -> Result<Option<Grant>, String> {
    if vault.row(connection, GRANT).is_none() {
        return Ok(None);
    }
    let text = vault.open(connection, GRANT);
    let text = text.map_err(|error| error.to_string())?;
    Grant::parse(&text)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// Why a connection cannot run before a person has signed in, if it cannot.
/// `by_itself` is an app that needs nobody.
pub fn missing(by_itself: bool, grant: Option<&Grant>, connection: &str) -> Option<String> {
    let reason = match grant.map(Grant::standing) {
        None if by_itself => return None,
        Some(Standing::SignedIn { .. }) => return None,
        None => "nobody has signed in yet".to_owned(),
        Some(Standing::NeedsSignIn { reason }) => reason,
    };
    Some(format!(
        "needs sign-in: {reason}; run `concord connection login {connection}`"
    ))
}

/// One of a connection's secrets in the database, sealed anew with each change.
pub struct SealedRow {
    pub store: Arc<dyn SecretStore>,
    pub source: Option<KeySource>,
    pub connection: ConnectionId,
    pub name: &'static str,
    pub clock: Arc<dyn Clock>,
}

impl SealedRow {
    /// The key is read each time as well: it may have been changed meanwhile.
    async fn vault(&self) -> Result<Vault, KeepError> {
        let vault = Vault::load(self.store.as_ref(), self.source.clone()).await;
        vault.map_err(|error| KeepError::Store(error.to_string()))
    }
}

#[async_trait]
impl KeptSecret for SealedRow {
    async fn read(&self) -> Result<Option<Kept>, KeepError> {
        let vault = self.vault().await?;
        let Some(row) = vault.row(self.connection, self.name) else {
            return Ok(None);
        };
        let text = vault.open_row(row).map_err(told)?;
        Ok(Some(Kept {
            text,
            revision: row.revision,
        }))
    }

    async fn replace(&self, revision: i64, text: &Secret) -> Result<bool, KeepError> {
        let now: Timestamp = self.clock.now();
        let vault = self.vault().await?;
        let sealed = vault
            .seal(self.connection, self.name, text, now)
            .map_err(told)?;
        let sealed = SealedSecret {
            revision: revision + 1,
            ..sealed
        };
        let kept = self.store.keep_secret(&sealed).await;
        kept.map_err(|error| KeepError::Store(error.to_string()))
    }
}

fn told(error: VaultError) -> KeepError {
    KeepError::Key(error.to_string())
}
