//! The way out of one connection: its network policy, the certificates that it
//! trusts, and the admin's proxy.

use std::sync::Arc;

use concord_core::ConnectionId;
use concord_core::ports::Http;
use concord_engine::config::ConnectionConfig;
use concord_net::{ConnectionHttp, EgressPolicy, NetError, Proxy, Tls};

use super::secrets::{self, SecretError};
use super::vault::Vault;

/// What a proxy may ask for; both or none.
pub const PROXY_SECRETS: [&str; 2] = ["proxy_username", "proxy_password"];

#[derive(Debug, thiserror::Error)]
pub enum WayOutError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// A client that goes to the policy's hosts and nowhere else.
pub fn open(
    connection: ConnectionId,
    config: &ConnectionConfig,
    policy: EgressPolicy,
    vault: &Vault,
) -> Result<Arc<dyn Http>, WayOutError> {
    let network = &config.network;
    let tls = Tls::new(network.ca.as_slice())?;
    let mut credentials = Vec::new();
    for name in PROXY_SECRETS {
        if let Some(source) = config.secrets.get(name) {
            credentials.push(secrets::read_one(connection, name, source, vault)?);
        }
    }
    let credentials = <[_; 2]>::try_from(credentials).ok();
    let proxy = match &network.proxy {
        Some(url) => Some(Proxy::new(
            url,
            credentials.map(|[name, word]| (name, word)),
        )?),
        None => None,
    };
    Ok(Arc::new(ConnectionHttp::new(&tls, policy, proxy.as_ref())?))
}
