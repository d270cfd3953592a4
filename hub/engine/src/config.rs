//! The configuration that an admin applies: one document, kept whole in the
//! store and given back by `export`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use concord_core::schema::MergeRule;
use concord_core::{FieldName, Kind, StreamName, Value, manifest};
use concord_sync::delete::DeleteMode;
use concord_sync::guard::Guards;
use concord_sync::retention::Retention;
use concord_sync::scope::Filter;
use serde::{Deserialize, Serialize};

use crate::schedule::{DirectionsConfig, ScheduleConfig};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Folders with connector components, besides the one of the binary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PathBuf>,
    /// Fields of the admin's own, per kind, as properties of a JSON Schema.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<Kind, BTreeMap<FieldName, Value>>,
    /// Who wins a conflict, where it is not the schema's default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<Kind, BTreeMap<FieldName, MergeRule>>,
    /// How long the books are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retention: Retention,
    /// When `serve` syncs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: ScheduleConfig,
    /// How systems reach `serve`; without it no webhooks are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<WebhooksConfig>,
    /// Who is told when a hub that keeps running needs a person.
    #[serde(default, skip_serializing_if = "is_default")]
    pub alerts: AlertsConfig,
    #[serde(default)]
    pub connections: BTreeMap<String, ConnectionConfig>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WebhooksConfig {
    /// The address of `serve` as the systems see it, before `/webhooks`.
    pub url: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AlertsConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<AlertHookConfig>,
}

impl AlertsConfig {
    /// Where all that it keeps from others is read from.
    pub fn secrets_mut(&mut self) -> Vec<&mut SecretSource> {
        let mut all = Vec::new();
        if let Some(mail) = &mut self.mail {
            all.extend(&mut mail.password);
        }
        if let Some(webhook) = &mut self.webhook {
            if let AddressSource::Secret(source) = &mut webhook.url {
                all.push(source);
            }
            all.extend(&mut webhook.secret);
        }
        all
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MailConfig {
    /// `smtps://host:465`, or `smtp://host:587` for STARTTLS.
    pub server: String,
    pub from: String,
    pub to: Vec<String>,
    /// With both the hub says who it is; with neither it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// A PEM file with one more certificate authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AlertHookConfig {
    /// The address; it may be a secret itself.
    pub url: AddressSource,
    /// Signs what is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
}

/// An address as it is, or where it is read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AddressSource {
    Open(String),
    Secret(SecretSource),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConnectionConfig {
    /// The connector's id, as `concord plugin list` shows it.
    pub connector: String,
    /// What the connector's manifest asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// Where the secrets are; never the secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// The app to sign in with, in place of the secret `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthConfig>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: Network,
    /// The streams that take part; all that are mapped when none is named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub streams: BTreeMap<StreamName, StreamConfig>,
    /// Lenses in place of the connector's own, in the form of a mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Value>,
    /// What becomes of the other systems' records when this one's is deleted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deletes: DeleteMode,
    /// How much is written here before a run stops and asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guards: Guards,
    /// After how many hours everything is read again, whatever changed; 0 is
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_every_hours: Option<u32>,
    /// How many seconds a record has to rest before a change of it is taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debounce: Option<u32>,
    /// How many seconds this system's clock may be off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<u32>,
    /// Who wins a conflict over what this connection says, where it is not the
    /// general rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<Kind, BTreeMap<FieldName, MergeRule>>,
    /// When `serve` reads it and writes to it, where that is not when it does so for
    /// the others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: DirectionsConfig,
    /// The account's own limits in place of the manifest's, class by class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<manifest::Quota>,
}

impl ConnectionConfig {
    /// An account of this connector, with everything else as it is by default.
    pub fn of(connector: &str) -> Self {
        Self {
            connector: connector.to_owned(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            oauth: None,
            network: Network::default(),
            streams: BTreeMap::new(),
            mapping: None,
            deletes: DeleteMode::default(),
            guards: Guards::default(),
            full_every_hours: None,
            debounce: None,
            clock_skew: None,
            rules: BTreeMap::new(),
            schedule: DirectionsConfig::default(),
            quotas: Vec::new(),
        }
    }
}

/// An app as it is registered with the vendor; its secret, where it has one, is the
/// connection's secret `client_secret`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OAuthConfig {
    pub client_id: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub grant: GrantKind,
    /// Where the browser comes back to, as it is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// In place of those that the connector asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Servers in place of the connector's: a sandbox, one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_url: Option<String>,
}

/// In whose name it is signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantKind {
    /// In a person's, who signs in once.
    #[default]
    SignIn,
    /// In the app's own.
    ClientCredentials,
}

/// Where a secret is read from at each start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretSource {
    Env(String),
    File(PathBuf),
    /// The database, which keeps it sealed.
    Sealed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Network {
    /// Loopback and private ranges are refused unless this is set.
    #[serde(default)]
    pub allow_private: bool,
    /// A PEM file with one more certificate authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The URL of a proxy that everything goes through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    #[default]
    Both,
    Read,
    Write,
}

impl Direction {
    pub fn reads(self) -> bool {
        self != Direction::Write
    }

    pub fn writes(self) -> bool {
        self != Direction::Read
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StreamConfig {
    #[serde(default)]
    pub direction: Direction,
    /// Which remote records take part.
    #[serde(default, skip_serializing_if = "is_open")]
    pub read: Filter,
    /// Which entities are written there.
    #[serde(default, skip_serializing_if = "is_open")]
    pub write: Filter,
    /// Who wins a conflict over what this stream says, where it is not the
    /// connection's or the general rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<FieldName, MergeRule>,
    /// False: records are updated there but never created.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub create: bool,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            direction: Direction::Both,
            read: Filter::default(),
            write: Filter::default(),
            rules: BTreeMap::new(),
            create: true,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_open(filter: &Filter) -> bool {
    filter.0.is_empty()
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}
