//! Names become addresses here, and only addresses that the policy allows.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::EgressPolicy;

/// A name resolved to nothing but refused addresses.
#[derive(Debug, thiserror::Error)]
#[error("'{name}' resolves to a refused address: {reason}")]
pub(crate) struct RefusedAddress {
    name: String,
    reason: String,
}

pub(crate) struct GuardedResolver {
    pub(crate) policy: Arc<EgressPolicy>,
    /// The admin's proxy is the one host that the client connects to without
    /// its being a destination of the connection.
    pub(crate) proxy_host: Option<String>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let is_proxy = self.proxy_host.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found = if is_proxy {
                lookup(name.as_str()).await?
            } else {
                allowed(&policy, name.as_str()).await?
            };
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn lookup(name: &str) -> Result<Vec<SocketAddr>, AnyError> {
    // The port is the client's to fill in.
    if is_localhost(name) {
        return Ok(vec![
            (Ipv4Addr::LOCALHOST, 0).into(),
            (Ipv6Addr::LOCALHOST, 0).into(),
        ]);
    }
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

/// These names are this machine by definition, and no name server is asked
/// (RFC 6761 §6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The addresses of a name that the policy allows; an error when it refuses
/// all of them.
pub(crate) async fn allowed(
    policy: &EgressPolicy,
    name: &str,
) -> Result<Vec<SocketAddr>, AnyError> {
    let mut reason = None;
    let mut found = lookup(name).await?;
    found.retain(|address| match policy.address_refusal(address.ip()) {
        None => true,
        Some(why) => {
            reason.get_or_insert(why);
            false
        }
    });
    match reason {
        Some(reason) if found.is_empty() => Err(RefusedAddress {
            name: name.to_owned(),
            reason,
        }
        .into()),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_this_machine_in_every_spelling() {
        for name in [
            "localhost",
            "localhost.",
            "LocalHost",
            "app.localhost",
            "a.b.localhost.",
        ] {
            assert!(is_localhost(name), "{name}");
        }
        for name in ["localhost.example", "notlocalhost", "localhost..", ""] {
            assert!(!is_localhost(name), "{name}");
        }
    }
}
