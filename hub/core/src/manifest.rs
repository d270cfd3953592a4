//! `manifest.toml`: the one truth about a connector that is known before an
//! account exists.  It travels inside the component as the custom section
//! [`SECTION`], and the host reads it before it instantiates anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::StreamName;

mod oauth;
mod quota;
mod webhooks;

pub use oauth::{AccountsServer, ClientAuth, OAuth, SignInValue, Tenants, Told, filled};
pub use quota::{BodySign, Cost, Quota, QuotaHeaders, ResetForm, Scope, Throttled};
pub use webhooks::{Encoding, Proof, SentAt, Signed, Subscribe, Unit, Webhooks};

/// Name of the custom section that carries the manifest's TOML text.
pub const SECTION: &str = "concord:manifest";

/// Name of the custom section that carries the text of `mapping.yaml`, the
/// connector's default lenses.
pub const MAPPING_SECTION: &str = "concord:mapping";

/// The contract's major version that this hub speaks.
pub const CONTRACT_MAJOR: u64 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// Short and stable: `hubspot`.
    pub id: String,
    pub name: String,
    pub version: String,
    /// The contract's version, `1.0.0`.
    pub contract: String,
    /// `crm`, `email`, `accounting`, `social`, `ecommerce`, `contacts`.
    pub family: String,
    #[serde(default)]
    pub description: String,
    pub auth: Auth,
    /// Where the secret `token` may come from in place of the admin.
    #[serde(default)]
    pub oauth: Option<OAuth>,
    #[serde(default)]
    pub config: Vec<ConfigKey>,
    pub egress: EgressWish,
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// How the system tells of changes by itself.
    #[serde(default)]
    pub webhooks: Option<Webhooks>,
    pub streams: Vec<Stream>,
}

/// How the host proves who it is.  The connector never sees the secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Auth {
    None,
    /// `Authorization: Basic`, from the secrets `username` and `password`.
    Basic,
    /// `Authorization: Bearer`, from the secret `token`.
    Bearer,
    /// A header of the vendor's own, from the secret `token`.
    Header {
        name: String,
        #[serde(default)]
        prefix: String,
    },
}

impl Auth {
    /// The secrets that an admin has to give.
    pub fn secrets(&self) -> &'static [&'static str] {
        match self {
            Auth::None => &[],
            Auth::Basic => &["username", "password"],
            Auth::Bearer | Auth::Header { .. } => &["token"],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConfigKey {
    pub key: String,
    pub label: String,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub help: String,
}

/// Where the connector asks to send requests.  What it gets is this and the
/// connection's policy, both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EgressWish {
    /// Host names; `*.example.com` stands for any name below example.com.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Configuration keys whose value is a URL: its scheme, host and port are
    /// allowed as well.
    #[serde(default)]
    pub from_config: Vec<String>,
}

/// How a create is kept from happening twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreateSafe {
    /// The same intent sent again does not create again.
    Key,
    /// The system refuses a second record with the same value of this field.
    UniqueField(String),
    /// Neither: look for a record with exactly these values.
    Lookup,
}

/// How long a system may still answer with an older state, per kind of read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SettleMs {
    /// Pages of `pull`.
    #[serde(default)]
    pub pull: u64,
    /// Direct reads by id.
    #[serde(default)]
    pub fetch: u64,
    /// Look-ups by value.
    #[serde(default)]
    pub find: u64,
}

impl SettleMs {
    pub fn pull(&self) -> Duration {
        Duration::from_millis(self.pull)
    }

    pub fn fetch(&self) -> Duration {
        Duration::from_millis(self.fetch)
    }

    pub fn find(&self) -> Duration {
        Duration::from_millis(self.find)
    }
}

/// One stream and what its system can and cannot do.  The engine adapts to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stream {
    pub name: StreamName,
    #[serde(default)]
    pub label: String,
    #[serde(default)]
    pub read: bool,
    #[serde(default)]
    pub create: bool,
    #[serde(default)]
    pub update: bool,
    #[serde(default)]
    pub delete: bool,
    /// A write can be made conditional on `base-version`.
    #[serde(default)]
    pub etags: bool,
    /// Versions can be compared as text or numbers: a greater one is newer.
    #[serde(default)]
    pub ordered_versions: bool,
    #[serde(default)]
    pub create_safe: Option<CreateSafe>,
    /// The answer to a write is the stored record.
    #[serde(default)]
    pub answer_is_record: bool,
    /// `changes` pulls list deleted records.
    #[serde(default)]
    pub delete_feed: bool,
    /// A 404 or 410 on a direct read means that the record is gone, not hidden.
    #[serde(default, rename = "404-means-gone")]
    pub not_found_means_gone: bool,
    #[serde(default)]
    pub merged_into: bool,
    #[serde(default)]
    pub soft_delete: bool,
    #[serde(default = "one")]
    pub batch_max: u32,
    /// One bad op refuses the whole batch.
    #[serde(default)]
    pub batch_atomic: bool,
    /// `modified-at` moves at every change and at nothing else.
    #[serde(default)]
    pub exact_modified: bool,
    /// How many records one search can list.
    #[serde(default)]
    pub result_window: Option<u32>,
    /// Records that `fetch` reads in one call.
    #[serde(default = "one")]
    pub fetch_max: u32,
    /// Every rewriting of a value is declared in the mapping.
    #[serde(default)]
    pub rewrites_declared: bool,
    #[serde(default)]
    pub settle_ms: SettleMs,
    #[serde(default)]
    pub page_size: Option<u32>,
    #[serde(default)]
    pub webhooks: bool,
    /// Remote ids that move when this remote field is changed.
    #[serde(default)]
    pub id_moves_with: Option<String>,
}

fn one() -> u32 {
    1
}

impl Stream {
    pub fn writes(&self) -> bool {
        self.create || self.update || self.delete
    }

    /// Why this stream cannot be held to the canonical record in both
    /// directions, if it cannot (design.md §5, "What cannot be had").
    pub fn refused_two_way(&self) -> Option<&'static str> {
        if !self.update || self.etags || self.answer_is_record || self.rewrites_declared {
            return None;
        }
        Some(
            "the system gives neither versions, nor the stored record in its answer, nor are its \
             rewritings declared: a value it changes on its own cannot be told from a person's",
        )
    }
}

/// The manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest is not valid TOML of the expected shape: {0}")]
    Shape(#[from] toml::de::Error),
    #[error("the connector was built for contract {found}; this hub speaks {CONTRACT_MAJOR}.x")]
    Contract { found: String },
    #[error("manifest of '{id}': {problem}")]
    Inconsistent { id: String, problem: String },
}

impl Manifest {
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Manifest = toml::from_str(text)?;
        let major = manifest
            .contract
            .split('.')
            .next()
            .and_then(|m| m.parse::<u64>().ok());
        if major != Some(CONTRACT_MAJOR) {
            return Err(ManifestError::Contract {
                found: manifest.contract,
            });
        }
        if let Some(problem) = manifest.problem() {
            return Err(ManifestError::Inconsistent {
                id: manifest.id,
                problem,
            });
        }
        Ok(manifest)
    }

    fn problem(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(plain) {
            return Some("'id' takes lower-case letters, digits and '-'".into());
        }
        let mut seen = BTreeMap::new();
        for stream in &self.streams {
            let name = stream.name.as_str();
            if seen.insert(name, ()).is_some() {
                return Some(format!("stream '{name}' is declared twice"));
            }
            if stream.create && stream.create_safe.is_none() {
                return Some(format!(
                    "stream '{name}' creates, so it must declare 'create-safe'"
                ));
            }
            if stream.batch_max == 0 || stream.fetch_max == 0 {
                return Some(format!(
                    "stream '{name}': batch-max and fetch-max start at 1"
                ));
            }
        }
        let mut classes = BTreeSet::new();
        for quota in &self.quotas {
            let class = &quota.class;
            if !classes.insert(class) {
                return Some(format!("quota class '{class}' is declared twice"));
            }
            if let Some(problem) = quota.problem() {
                return Some(format!("quota class '{class}': {problem}"));
            }
        }
        let keys: Vec<&str> = self.config.iter().map(|key| key.key.as_str()).collect();
        if let Some(oauth) = &self.oauth {
            if !self.auth.secrets().contains(&"token") {
                return Some("oauth gives a token, which 'auth' does not take".into());
            }
            if let Some(problem) = oauth.problem(&keys) {
                return Some(problem);
            }
        }
        if let Some(problem) = self.webhooks.as_ref().and_then(Webhooks::problem) {
            return Some(problem);
        }
        for key in &self.egress.from_config {
            if !keys.contains(&key.as_str()) {
                return Some(format!(
                    "egress names the configuration key '{key}', which is not declared"
                ));
            }
        }
        None
    }

    pub fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|s| s.name.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        id = "toy"
        name = "Toy"
        version = "0.1.0"
        contract = "1.0.0"
        family = "crm"
        auth = { kind = "bearer" }
        egress = { hosts = ["api.example.com"] }

        [[streams]]
        name = "contacts"
        read = true
        create = true
        update = true
        create-safe = { unique-field = "email" }
        404-means-gone = true
    "#;

    #[test]
    fn a_minimal_manifest_is_read() {
        let manifest = Manifest::parse(MINIMAL).unwrap();
        let stream = manifest.stream("contacts").unwrap();
        assert_eq!(
            stream.create_safe,
            Some(CreateSafe::UniqueField("email".into()))
        );
        assert!(stream.not_found_means_gone);
        assert_eq!(stream.batch_max, 1);
    }

    #[test]
    fn a_stream_that_hides_its_rewriting_is_refused_two_way() {
        let mut stream = Manifest::parse(MINIMAL).unwrap().streams.remove(0);
        assert!(stream.refused_two_way().is_some());
        stream.etags = true;
        assert_eq!(stream.refused_two_way(), None);
    }

    #[test]
    fn unknown_keys_other_contracts_and_unsafe_creates_are_refused() {
        let unknown = MINIMAL.replace("read = true", "raed = true");
        assert!(
            Manifest::parse(&unknown)
                .unwrap_err()
                .to_string()
                .contains("raed")
        );
        let newer = MINIMAL.replace("\"1.0.0\"", "\"2.0.0\"");
        assert!(matches!(
            Manifest::parse(&newer),
            Err(ManifestError::Contract { .. })
        ));
        let twice = "quotas = [{ class = \"a\" }, { class = \"a\" }]\n        [[streams]]";
        let unpaced = "quotas = [{ class = \"a\", requests = 1 }]\n        [[streams]]";
        for (quotas, part) in [(twice, "declared twice"), (unpaced, "'a': 'requests' and")] {
            let text = MINIMAL.replace("[[streams]]", quotas);
            let error = Manifest::parse(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let careless = MINIMAL.replace("create-safe = { unique-field = \"email\" }", "");
        assert!(
            Manifest::parse(&careless)
                .unwrap_err()
                .to_string()
                .contains("create-safe")
        );
    }
}
