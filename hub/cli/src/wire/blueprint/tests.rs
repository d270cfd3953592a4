//! A toy connector, drawn with what an admin may write.

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
