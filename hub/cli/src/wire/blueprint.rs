//! Everything about one connection that is known before its system is asked:
//! the manifest and lenses of its connector, brought together with what the
//! admin wrote.

mod streams;

use std::collections::BTreeMap;
use std::path::PathBuf;

use concord_core::manifest::Tenants;
use concord_core::{Manifest, manifest};
use concord_engine::config::{ConnectionConfig, GrantKind};
use concord_engine::hub::Stream;
use concord_net::{EgressPolicy, HostRule, Proxy};
use concord_sync::delete::DeleteMode;
use concord_sync::mapping::{Mapping, expected};
use concord_sync::schemas::Schemas;

use self::streams::Drawing;
use super::plugins::Found;
use super::problem::Problems;
use super::sign_in::{self, CLIENT_SECRET, SignInPlan};
use super::way_out::PROXY_SECRETS;

pub struct Blueprint {
    /// The component's file.
    pub path: PathBuf,
    pub manifest: Manifest,
    pub mapping: Mapping,
    pub streams: Vec<Stream>,
    /// What was configured, and the manifest's defaults.
    pub values: BTreeMap<String, String>,
    pub policy: EgressPolicy,
    /// None where the admin gives the secrets.
    pub sign_in: Option<SignInPlan>,
}

/// Brings connector and configuration together, and names everything that does
/// not fit.  `place` is the connection's in the document.
pub fn draw(
    place: &str,
    config: &ConnectionConfig,
    found: &Found,
    schemas: &Schemas,
) -> Result<Blueprint, Problems> {
    let manifest = &found.inspected.manifest;
    let mut problems = Problems::default();
    check_secrets(place, config, manifest, &mut problems);
    check_deletes(place, config, manifest, &mut problems);
    let values = values(place, config, manifest, &mut problems);
    let sign_in = sign_in::plan(place, config, manifest, &values, &mut problems);
    let policy = policy(place, config, manifest, &values, &mut problems);
    let quotas = quotas(place, config, manifest, &mut problems);
    let drawing = Drawing {
        place,
        config,
        manifest,
        schemas,
    };
    let mapping = match drawing.mapping(found.inspected.mapping.as_deref()) {
        Ok(mapping) => mapping,
        Err(problem) => {
            problems.add(format!("{place}.mapping"), problem);
            return Err(problems);
        }
    };
    let streams = drawing.streams(&mapping, &mut problems);
    problems.or(Blueprint {
        path: found.path.clone(),
        manifest: Manifest {
            quotas,
            ..manifest.clone()
        },
        mapping,
        streams,
        values,
        policy,
        sign_in,
    })
}

fn check_secrets(
    place: &str,
    config: &ConnectionConfig,
    manifest: &Manifest,
    problems: &mut Problems,
) {
    // Whoever signs in gets the token; the app may have a secret of its own.
    let (mut wanted, mut possible) = match &config.oauth {
        Some(_) => (Vec::new(), vec![CLIENT_SECRET]),
        None => (
            manifest.auth.secrets().to_vec(),
            manifest.auth.secrets().to_vec(),
        ),
    };
    if let Some(webhooks) = &manifest.webhooks {
        possible.push(&webhooks.secret);
    }
    if let Some(proxy) = &config.network.proxy {
        if let Err(error) = Proxy::new(proxy, None) {
            problems.add(format!("{place}.network.proxy"), error);
        }
        possible.extend(PROXY_SECRETS);
        if PROXY_SECRETS
            .iter()
            .any(|name| config.secrets.contains_key(*name))
        {
            wanted.extend(PROXY_SECRETS);
        }
    }
    for name in config
        .secrets
        .keys()
        .filter(|name| !possible.contains(&name.as_str()))
    {
        let what = format!(
            "{} takes no secret '{name}'; {}",
            manifest.name,
            expected(name, &possible)
        );
        problems.add(format!("{place}.secrets"), what);
    }
    for name in wanted
        .iter()
        .filter(|name| !config.secrets.contains_key(**name))
    {
        let what = format!(
            "{} needs the secret '{name}': say where it is with {{ env: VARIABLE }}, {{ file: PATH }} \
             or `sealed`{}",
            manifest.name,
            if manifest.oauth.is_some() {
                ", or sign in with an app of yours under 'oauth'"
            } else {
                ""
            }
        );
        problems.add(format!("{place}.secrets"), what);
    }
}

/// Where a system does not say into which record one was merged, a merge looks
/// like a delete, and deleting for it could not be undone.
fn check_deletes(
    place: &str,
    config: &ConnectionConfig,
    manifest: &Manifest,
    problems: &mut Problems,
) {
    let taking_part = |stream: &&manifest::Stream| {
        stream.read && (config.streams.is_empty() || config.streams.contains_key(&stream.name))
    };
    let mut silent = manifest
        .streams
        .iter()
        .filter(taking_part)
        .filter(|stream| !stream.merged_into);
    if config.deletes == DeleteMode::Propagate
        && let Some(stream) = silent.next()
    {
        let what = format!(
            "{} does not say into which of its {} one was merged, so a merge would be taken for a \
             delete: take 'archive' or 'unlink'",
            manifest.name, stream.name
        );
        problems.add(format!("{place}.deletes"), what);
    }
}

fn values(
    place: &str,
    config: &ConnectionConfig,
    manifest: &Manifest,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let place = format!("{place}.config");
    let keys: Vec<&str> = manifest.config.iter().map(|key| key.key.as_str()).collect();
    for name in config
        .config
        .keys()
        .filter(|name| !keys.contains(&name.as_str()))
    {
        let what = format!(
            "{} has no key '{name}'; {}",
            manifest.name,
            expected(name, &keys)
        );
        problems.add(&place, what);
    }
    let mut values = BTreeMap::new();
    for key in &manifest.config {
        match config.config.get(&key.key).or(key.default.as_ref()) {
            Some(value) => {
                values.insert(key.key.clone(), value.clone());
            }
            None if key.required && !comes_with_the_sign_in(config, manifest, &key.key) => {
                problems.add(
                    &place,
                    format!("'{}' is missing ({}). {}", key.key, key.label, key.help),
                );
            }
            None => {}
        }
    }
    values
}

fn comes_with_the_sign_in(config: &ConnectionConfig, manifest: &Manifest, key: &str) -> bool {
    let (Some(oauth), Some(wish)) = (&manifest.oauth, &config.oauth) else {
        return false;
    };
    // Nobody is there to choose where the app signs in as itself.
    let is_chosen =
        |tenants: &Tenants| tenants.config == key && wish.grant != GrantKind::ClientCredentials;
    oauth.values.iter().any(|value| value.config == key)
        || oauth.tenants.as_ref().is_some_and(is_chosen)
}

/// Requests go where the manifest asks for and to the URLs that were
/// configured, and nowhere else.
fn policy(
    place: &str,
    config: &ConnectionConfig,
    manifest: &Manifest,
    values: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> EgressPolicy {
    let mut hosts = Vec::new();
    let mut add = |place: String, text: &str| match text.parse::<HostRule>() {
        Ok(rule) => hosts.push(rule),
        Err(error) => problems.add(place, error),
    };
    for host in &manifest.egress.hosts {
        add(place.to_owned(), host);
    }
    for key in &manifest.egress.from_config {
        if let Some(url) = values.get(key) {
            add(format!("{place}.config.{key}"), url);
        }
    }
    EgressPolicy {
        hosts,
        allow_private: config.network.allow_private,
    }
}

/// The account's own limits replace those of the manifest, class by class.
fn quotas(
    place: &str,
    config: &ConnectionConfig,
    manifest: &Manifest,
    problems: &mut Problems,
) -> Vec<manifest::Quota> {
    let classes: Vec<&str> = manifest
        .quotas
        .iter()
        .map(|quota| quota.class.as_str())
        .collect();
    for own in &config.quotas {
        // The class of all requests that name none is always there.
        if !own.class.is_empty() && !classes.contains(&own.class.as_str()) {
            let hint = expected(&own.class, &classes);
            problems.add(
                format!("{place}.quotas"),
                format!("no class '{}'; {hint}", own.class),
            );
        }
        if let Some(what) = own.problem() {
            problems.add(format!("{place}.quotas"), what);
        }
    }
    let replaced = |class: &str| config.quotas.iter().any(|own| own.class == class);
    let kept = manifest
        .quotas
        .iter()
        .filter(|quota| !replaced(&quota.class));
    kept.chain(&config.quotas).cloned().collect()
}

#[cfg(test)]
mod tests;
