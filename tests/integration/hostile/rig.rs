//! A host with the hostile guest in it, and connections of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::ports::{
    Clock, Connector, Http, Quota, Secret, SecretHeader, TokenError, Tokens,
};
use concord_core::record::PullMode;
use concord_core::{Fault, Page, Selection, StreamName, Timestamp};
use concord_host::{Host, HostOptions, Limits, Plugin, Runtime, WasmConnector};
use concord_net::{ConnectionHttp, EgressPolicy, Tls};

use crate::parts::{Unlimited, component};

/// The secret that must never be seen outside of the Authorization header.
pub const CANARY: &str = "canary/7d1e+4f==";

/// Every fault about the guest names it so.
pub const PLUGIN: &str = "plugin hostile 6.6.6";

pub static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(HostOptions::default()).unwrap());

static GUEST: LazyLock<Plugin> = LazyLock::new(|| HOST.load(&guest_path()).unwrap());

pub fn guest_path() -> PathBuf {
    component("guests")
}

/// A connection of the hostile guest.
pub struct Connection {
    config: BTreeMap<String, String>,
    policy: EgressPolicy,
    quota: Arc<dyn Quota>,
    pub limits: Limits,
}

impl Connection {
    /// With limits short enough for a test; nothing is allowed yet.
    pub fn to(misbehave: &str) -> Self {
        Self {
            config: BTreeMap::from([("misbehave".to_owned(), misbehave.to_owned())]),
            policy: EgressPolicy::default(),
            quota: Arc::new(Unlimited),
            limits: Limits {
                call_deadline: Duration::from_millis(200),
                http_timeout: Duration::from_secs(5),
                requests: 10,
                host_calls: 1_000,
                ..Limits::default()
            },
        }
    }

    pub fn config(mut self, key: &str, value: impl Into<String>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    /// Allows these hosts; private addresses still are not.
    pub fn hosts(mut self, rules: &[&str]) -> Self {
        self.policy.hosts = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        self
    }

    pub fn private(mut self) -> Self {
        self.policy.allow_private = true;
        self
    }

    pub fn quota(mut self, quota: Arc<dyn Quota>) -> Self {
        self.quota = quota;
        self
    }

    pub fn connect(self) -> WasmConnector {
        GUEST.connect(Runtime {
            connection: "under-test".to_owned(),
            config: self.config,
            http: http(self.policy),
            quota: self.quota,
            tokens: Arc::new(Canary),
            clock: Arc::new(Stopped),
            limits: self.limits,
        })
    }

    pub async fn pull(self) -> Result<Page, Fault> {
        pull(&self.connect(), None).await
    }

    /// What the guest says of its use of the network.
    pub async fn check(self) -> Result<String, Fault> {
        let description = self.connect().check().await?;
        Ok(description.account_name)
    }
}

/// One page of the guest's only stream.
pub async fn pull(connector: &dyn Connector, cursor: Option<&str>) -> Result<Page, Fault> {
    let selection = Selection {
        mode: PullMode::Full,
        fields: Vec::new(),
        page_size: 100,
        window: None,
    };
    connector
        .pull(&StreamName::new("contacts"), &selection, cursor)
        .await
}

/// The hub's real client, with the guard in it.
pub fn http(policy: EgressPolicy) -> Arc<dyn Http> {
    let tls = Tls::new(&[]).unwrap();
    Arc::new(ConnectionHttp::new(&tls, policy, None).unwrap())
}

struct Canary;

#[async_trait]
impl Tokens for Canary {
    async fn header(&self) -> Result<Option<SecretHeader>, TokenError> {
        Ok(Some(SecretHeader {
            name: "Authorization".to_owned(),
            value: Secret::new(format!("Bearer {CANARY}")),
        }))
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![Secret::new(CANARY)]
    }
}

struct Stopped;

#[async_trait]
impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _span: Duration) {}
}
