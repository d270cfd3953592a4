//! Everything about one connection that is known before its system is asked:
//! the manifest and lenses of its connector, brought together with what the
//! admin wrote.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

use concord_core::manifest::Tenants;
use concord_core::{Manifest, StreamName, manifest};
use concord_engine::config::{ConnectionConfig, Direction, GrantKind, StreamConfig};
use concord_engine::hub::Stream;
use concord_net::{EgressPolicy, HostRule, Proxy};
use concord_sync::delete::DeleteMode;
use concord_sync::mapping::{Mapping, StreamMapping, expected};
use concord_sync::schemas::Schemas;

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

struct Drawing<'a> {
    place: &'a str,
    config: &'a ConnectionConfig,
    manifest: &'a Manifest,
    schemas: &'a Schemas,
}

impl Drawing<'_> {
    /// The connector's lenses with the connection's own over them.
    fn mapping(&self, default: Option<&str>) -> Result<Mapping, String> {
        let words = |error: &dyn Display| error.to_string();
        let Some(default) = default else {
            return Err(format!(
                "the connector {} carries no lenses: build it again with its mapping",
                self.manifest.name
            ));
        };
        let mapping = Mapping::parse(default, self.schemas).map_err(|error| words(&error))?;
        match &self.config.mapping {
            Some(own) => mapping
                .overridden_by(&own.to_string(), self.schemas)
                .map_err(|error| words(&error)),
            None => Ok(mapping),
        }
    }

    /// All mapped streams, or those that the configuration names.
    fn streams(&self, mapping: &Mapping, problems: &mut Problems) -> Vec<Stream> {
        let mapped: Vec<&str> = mapping.streams.keys().map(StreamName::as_str).collect();
        for name in self
            .config
            .streams
            .keys()
            .filter(|name| !mapped.contains(&name.as_str()))
        {
            let hint = expected(name.as_str(), &mapped);
            problems.add(
                format!("{}.streams", self.place),
                format!("no stream '{name}'; {hint}"),
            );
        }
        let named = |name: &StreamName| {
            self.config.streams.is_empty() || self.config.streams.contains_key(name)
        };
        let chosen = mapping
            .streams
            .values()
            .filter(|stream| named(&stream.stream));
        chosen
            .filter_map(|stream| self.stream(stream, problems))
            .collect()
    }

    fn stream(&self, mapping: &StreamMapping, problems: &mut Problems) -> Option<Stream> {
        let name = &mapping.stream;
        let place = format!("{}.streams.{name}", self.place);
        let Some(caps) = self.manifest.stream(name.as_str()) else {
            let names: Vec<&str> = self
                .manifest
                .streams
                .iter()
                .map(|s| s.name.as_str())
                .collect();
            let hint = expected(name.as_str(), &names);
            problems.add(
                place,
                format!("{} has no such stream; {hint}", self.manifest.name),
            );
            return None;
        };
        let default = StreamConfig::default();
        let wish = self.config.streams.get(name).unwrap_or(&default);
        let schema = self.schemas.get(mapping.kind.as_str());
        let is_field = |name: &str| schema.is_some_and(|schema| schema.field(name).is_some());
        for (filter, writing, key) in [(&wish.read, false, "read"), (&wish.write, true, "write")] {
            if let Err(error) = filter.check(writing, &is_field) {
                problems.add(format!("{place}.{key}"), error);
            }
        }
        if wish.direction == Direction::Write && !caps.writes() {
            problems.add(
                &place,
                format!("{} can only be read there", self.manifest.name),
            );
        }
        if wish.direction.writes()
            && let Some(why) = caps.refused_two_way()
        {
            problems.add(&place, format!("{why}. Set 'direction: read'"));
        }
        Some(Stream::new(
            caps,
            mapping.clone(),
            wish.direction,
            wish.create,
            wish.read.clone(),
            wish.write.clone(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use concord_host::Inspected;
    use concord_sync::schemas;

    use super::*;

    const MANIFEST: &str = r#"
        id = "toy"
        name = "Toy"
        version = "0.1.0"
        contract = "1.0.0"
        family = "crm"
        auth = { kind = "bearer" }
        egress = { hosts = ["*.toy.example"], from-config = ["base_url"] }
        config = [
            { key = "base_url", label = "Address", required = true },
            { key = "list", label = "List", default = "main" },
        ]
        quotas = [{ class = "", requests = 10, per-ms = 1000 }, { class = "search" }]

        [[streams]]
        name = "contacts"
        read = true
        update = true
        etags = true

        [[streams]]
        name = "notes"
        read = true
        update = true
    "#;

    const MAPPING: &str = "
version: 1
streams:
  contacts: { entity: person, fields: { email: { path: mail } } }
";

    fn draw_toy(config: &str) -> Result<Blueprint, Problems> {
        let found = Found {
            path: "toy.wasm".into(),
            inspected: Inspected {
                manifest: Manifest::parse(MANIFEST).unwrap(),
                mapping: Some(MAPPING.into()),
            },
        };
        let config: ConnectionConfig = serde_saphyr::from_str(config).unwrap();
        draw("connections.crm", &config, &found, &schemas::builtin())
    }

    const FINE: &str = "
connector: toy
config: { base_url: 'http://127.0.0.1:7101' }
secrets: { token: { env: TOKEN } }
";

    fn check(more: &str, expect: &[&str]) {
        let text = format!("{FINE}{more}");
        let problems = match draw_toy(&text) {
            Ok(_) => panic!("{more} passed"),
            Err(problems) => problems.to_string(),
        };
        for part in expect {
            assert!(problems.contains(part), "{more}: {problems}");
        }
    }

    #[test]
    fn a_connection_takes_defaults_limits_and_hosts() {
        let own = "quotas: [{ class: '', requests: 3, per-ms: 1000 }]";
        let blueprint = draw_toy(&format!("{FINE}{own}")).ok().unwrap();
        assert_eq!(blueprint.values["list"], "main");
        assert_eq!(blueprint.policy.hosts.len(), 2);
        assert!(!blueprint.policy.allow_private);
        let rates: Vec<_> = blueprint
            .manifest
            .quotas
            .iter()
            .map(|q| (q.class.as_str(), q.requests))
            .collect();
        assert_eq!(rates, [("search", None), ("", Some(3))]);
        assert_eq!(blueprint.streams.len(), 1);
        assert!(blueprint.streams[0].caps.update);
    }

    #[test]
    fn a_direction_takes_capabilities_away() {
        let reading = "streams: { contacts: { direction: read } }";
        let blueprint = draw_toy(&format!("{FINE}{reading}")).ok().unwrap();
        assert!(blueprint.streams[0].caps.read && !blueprint.streams[0].caps.update);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        check(
            "streams: { contcts: {} }",
            &["connections.crm.streams", "'contacts'"],
        );
        check(
            "mapping: { streams: { notes: { entity: person, fields: { note: { path: body } } } } }",
            &["connections.crm.streams.notes", "direction: read"],
        );
        check(
            "mapping: { streams: { ideas: { entity: person, fields: { note: { path: body } } } } }",
            &["connections.crm.streams.ideas", "Toy has no such stream"],
        );
        check(
            "mapping: { streams: { contacts: { fields: { emial: { path: m } } } } }",
            &["connections.crm.mapping", "emial", "email"],
        );
        check(
            "streams: { contacts: { write: [{ field: emial, present: true }] } }",
            &["connections.crm.streams.contacts.write", "emial"],
        );
        check(
            "quotas: [{ class: serch, requests: 1, per-ms: 1 }]",
            &["serch", "search"],
        );
        check("quotas: [{ requests: 1 }]", &["per-ms"]);
    }

    #[test]
    fn a_proxy_may_have_secrets_of_its_own() {
        let draw = |network: &str, secrets: &str| {
            let text = format!(
                "connector: toy\nconfig: {{ base_url: 'http://127.0.0.1:1' }}\n\
                 network: {{ proxy: '{network}' }}\n\
                 secrets: {{ token: {{ env: T }}{secrets} }}"
            );
            draw_toy(&text).err().map(|problems| problems.to_string())
        };
        let proxy = "http://proxy.example.com:3128";
        assert_eq!(draw(proxy, ""), None);
        let both = ", proxy_username: { env: U }, proxy_password: sealed";
        assert_eq!(draw(proxy, both), None);
        let one = draw(proxy, ", proxy_username: { env: U }").unwrap();
        assert!(one.contains("'proxy_password'"), "{one}");
        let open = draw("http://ann:s3cret@proxy.example.com", "").unwrap();
        assert!(
            open.contains("network.proxy") && !open.contains("s3cret"),
            "{open}"
        );
    }

    #[test]
    fn keys_and_secrets_are_those_of_the_manifest() {
        let text = "
connector: toy
config: { bse_url: x }
secrets: { tokn: { env: T } }
";
        let problems = draw_toy(text).err().unwrap().to_string();
        for part in [
            "'bse_url'",
            "did you mean 'base_url'",
            "'base_url' is missing",
            "'tokn'",
            "needs the secret 'token'",
        ] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }

    /// A vendor with a host per account, which it tells with the token.
    const SIGNED_IN: &str = r#"
        [oauth]
        authorize-url = "https://{region}.login.toy.example/authorize"
        token-url = "https://{region}.login.toy.example/token"
        values = [{ from = "token", name = "instance_url", config = "base_url" }]
        tenants = { url = "https://{region}.toy.example/all", id = "id", name = "n", config = "org" }
    "#;

    fn draw_signed_in(config: &str) -> Result<Blueprint, Problems> {
        let region = "config = [\n{ key = \"region\", label = \"Region\", default = \"eu\" },\n\
                      { key = \"org\", label = \"Organisation\", required = true },\n";
        let (before, streams) = MANIFEST.split_once("[[streams]]").unwrap();
        let before = before.replace("config = [\n", region);
        let manifest = format!("{before}{SIGNED_IN}[[streams]]{streams}");
        let found = Found {
            path: "toy.wasm".into(),
            inspected: Inspected {
                manifest: Manifest::parse(&manifest).unwrap(),
                mapping: Some(MAPPING.into()),
            },
        };
        let config: ConnectionConfig = serde_saphyr::from_str(config).unwrap();
        draw("connections.crm", &config, &found, &schemas::builtin())
    }

    #[test]
    fn an_app_takes_the_place_of_the_token_and_of_what_comes_with_it() {
        let app = "connector: toy\noauth: { client-id: a }\n";
        let drawn = draw_signed_in(app).ok().unwrap();
        // `base_url` comes with the sign-in.
        assert!(!drawn.values.contains_key("base_url"));
        assert_eq!(
            drawn.sign_in.unwrap().redirect(),
            "http://127.0.0.1:8497/callback"
        );
        // So does `org`, which a person chooses unless the admin gave it.
        let key = |config: &str| {
            let plan = draw_signed_in(config).ok().unwrap().sign_in.unwrap();
            plan.tenant_key().map(str::to_owned)
        };
        assert_eq!(key(app).as_deref(), Some("org"));
        assert_eq!(key(&format!("{app}config: {{ org: o1 }}")), None);
        let secret = format!("{app}secrets: {{ client_secret: sealed }}");
        assert!(draw_signed_in(&secret).is_ok());
        let refused = |config: &str, parts: &[&str]| {
            let problems = draw_signed_in(config).err().unwrap().to_string();
            for part in parts {
                assert!(problems.contains(part), "{problems}");
            }
        };
        let alone = "connector: toy\noauth: { client-id: a, grant: client-credentials }";
        refused(alone, &["'org' is missing"]);
        let token = format!("{app}secrets: {{ token: sealed }}");
        refused(&token, &["takes no secret 'token'", "client_secret"]);
        refused(
            "connector: toy",
            &["needs the secret 'token'", "under 'oauth'", "'base_url'"],
        );
        let own = "connector: toy\noauth: { client-id: a, token-url: 'https://{shop}.example/t' }";
        refused(own, &["connections.crm.oauth", "'shop'"]);
        let back = "connector: toy\noauth: { client-id: a, redirect-uri: 'localhost:80' }";
        assert!(draw_signed_in(back).is_ok(), "a scheme of its own is a URL");
        let back = "connector: toy\noauth: { client-id: a, redirect-uri: '/callback' }";
        refused(back, &["connections.crm.oauth", "'/callback' is no URL"]);
        let astray = "connector: toy\noauth: { client-id: a, token-url: 'ftp://example.com/t' }";
        refused(astray, &["only http and https"]);
        // A system without OAuth.
        let problems = draw_toy(&format!("{FINE}oauth: {{ client-id: a }}"))
            .err()
            .unwrap();
        assert!(
            problems
                .to_string()
                .contains("is not signed in to with OAuth")
        );
    }
}
