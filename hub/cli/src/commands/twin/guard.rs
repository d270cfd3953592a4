//! The guard of `concord twin --introspect`: which server is asked about tokens,
//! and as whom.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use concord_core::ports::Secret;
use concord_net::{ConnectionHttp, EgressPolicy, HostRule, Tls};
use concord_twins::Guard;

#[derive(Debug, Args)]
pub struct GuardArguments {
    /// Let in only tokens that this introspection endpoint calls active
    #[arg(long, value_name = "URL", requires_all = ["introspect_client", "introspect_secret_env"])]
    introspect: Option<String>,
    /// The client id with which the twin asks there
    #[arg(long, value_name = "ID", requires = "introspect")]
    introspect_client: Option<String>,
    /// The environment variable that holds this client's secret
    #[arg(long, value_name = "VARIABLE", requires = "introspect")]
    introspect_secret_env: Option<String>,
    /// Let in only tokens of this client; can be given more than once
    #[arg(long, value_name = "ID", requires = "introspect")]
    introspect_allow: Vec<String>,
    /// Let in only tokens that have this scope
    #[arg(long, value_name = "SCOPE", requires = "introspect")]
    introspect_scope: Option<String>,
    /// A certificate to trust when asking there, beside the system's
    #[arg(long, value_name = "FILE", requires = "introspect")]
    introspect_ca: Option<PathBuf>,
}

impl GuardArguments {
    /// The guard that is asked for, if one is.
    pub fn guard(&self) -> Result<Option<Guard>> {
        let asked = self
            .introspect
            .as_ref()
            .zip(self.introspect_client.as_ref())
            .zip(self.introspect_secret_env.as_ref());
        let Some(((url, client_id), variable)) = asked else {
            return Ok(None);
        };
        let secret = std::env::var(variable)
            .with_context(|| format!("the variable {variable} has no client secret"))?;
        let host: HostRule = url.parse()?;
        // The server is likely to be a test's own, on this machine or beside it.
        let policy = EgressPolicy {
            hosts: vec![host],
            allow_private: true,
        };
        let roots: Vec<PathBuf> = self.introspect_ca.iter().cloned().collect();
        let http = ConnectionHttp::new(&Tls::new(&roots)?, policy, None)?;
        Ok(Some(Guard {
            http: Arc::new(http),
            url: url.clone(),
            client_id: client_id.clone(),
            client_secret: Secret::new(secret),
            clients: self.introspect_allow.clone(),
            scope: self.introspect_scope.clone(),
        }))
    }
}
