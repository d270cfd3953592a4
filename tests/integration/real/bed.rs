//! A connector as the hub runs it: the component in the real host, over the
//! hub's own HTTP client.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use concord_core::ports::{Connector, Secret};
use concord_engine::clock::SystemClock;
use concord_engine::tokens::StaticTokens;
use concord_host::{Host, HostOptions, Limits, Runtime};
use concord_net::{ConnectionHttp, EgressPolicy, Tls};

use crate::parts::{Unlimited, component};

static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(HostOptions::default()).unwrap());

/// A connector to a server on this machine; the configuration's `base_url` is
/// the one place that it may reach.
pub fn connect(
    name: &str,
    config: &[(&str, String)],
    (username, password): (&str, &str),
) -> Arc<dyn Connector> {
    let plugin = HOST.load(&component(name)).unwrap();
    let config: BTreeMap<String, String> = config
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    let policy = EgressPolicy {
        hosts: vec![config["base_url"].parse().unwrap()],
        allow_private: true,
    };
    let secrets = BTreeMap::from([
        ("username".to_owned(), Secret::new(username)),
        ("password".to_owned(), Secret::new(password)),
    ]);
    let tokens = StaticTokens::new(&plugin.manifest().auth, &secrets).unwrap();
    Arc::new(plugin.connect(Runtime {
        connection: "under-test".to_owned(),
        config,
        http: Arc::new(ConnectionHttp::new(&Tls::new(&[]).unwrap(), policy, None).unwrap()),
        quota: Arc::new(Unlimited),
        tokens: Arc::new(tokens),
        clock: Arc::new(SystemClock::new()),
        limits: Limits::default(),
    }))
}
