//! The configuration as a file, and as the store keeps it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use concord_core::ports::{Store, StoreError};
use concord_engine::config::{Config, SecretSource};

/// The document of the store that holds the applied configuration, as JSON.
const DOCUMENT: &str = "config";

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is not a configuration: {problem}", path.display())]
    Shape { path: PathBuf, problem: String },
    #[error("the configuration cannot be written down: {0}")]
    Write(String),
    #[error("the configuration in the database cannot be read ({0}): apply it again")]
    Stored(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a YAML or JSON file; `-` is standard input.  Relative paths in it start
/// at its folder, so that every later command finds the same files.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let unread = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let (text, folder) = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(unread)?;
        (text, std::env::current_dir().map_err(unread)?)
    } else {
        let text = std::fs::read_to_string(path).map_err(unread)?;
        let whole = std::path::absolute(path).map_err(unread)?;
        (text, whole.parent().unwrap_or(Path::new("/")).to_owned())
    };
    let mut config = parse(&text).map_err(|problem| ConfigError::Shape {
        path: path.to_owned(),
        problem,
    })?;
    anchor(&mut config, &folder);
    Ok(config)
}

fn parse(text: &str) -> Result<Config, String> {
    // An empty file would be an empty map, and applying it removes everything.
    if text.trim().is_empty() {
        return Err("it is empty; `connections: {}` is the smallest one".into());
    }
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

fn anchor(config: &mut Config, folder: &Path) {
    let at = |path: &mut PathBuf| *path = folder.join(&path);
    config.plugins.iter_mut().for_each(at);
    if let Some(mail) = &mut config.alerts.mail {
        mail.ca.iter_mut().for_each(at);
    }
    for source in config.alerts.secrets_mut() {
        if let SecretSource::File(path) = source {
            at(path);
        }
    }
    for connection in config.connections.values_mut() {
        connection.network.ca.iter_mut().for_each(at);
        for source in connection.secrets.values_mut() {
            if let SecretSource::File(path) = source {
                at(path);
            }
        }
    }
}

/// The configuration that was applied last; an empty one before the first.
pub async fn stored(store: &dyn Store) -> Result<Config, ConfigError> {
    match store.document(DOCUMENT).await? {
        Some(text) => {
            serde_json::from_str(&text).map_err(|error| ConfigError::Stored(error.to_string()))
        }
        None => Ok(Config::default()),
    }
}

pub(super) async fn keep(store: &dyn Store, config: &Config) -> Result<(), ConfigError> {
    let text = serde_json::to_string(config).map_err(|e| ConfigError::Write(e.to_string()))?;
    Ok(store.set_document(DOCUMENT, &text).await?)
}

#[derive(Debug, thiserror::Error)]
pub enum OtherMapping {
    #[error("the recording has no connection '{0}'")]
    NoConnection(String),
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is no mapping: {problem}", path.display())]
    Shape { path: PathBuf, problem: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Puts the lenses of a file in the place of a connection's own: what would have
/// stood under `mapping` in the configuration.
pub async fn with_other_mapping(
    store: &dyn Store,
    connection: &str,
    path: &Path,
) -> Result<(), OtherMapping> {
    let text = std::fs::read_to_string(path).map_err(|source| OtherMapping::Read {
        path: path.to_owned(),
        source,
    })?;
    let options = serde_saphyr::options! { strict_booleans: true };
    let mapping = serde_saphyr::from_str_with_options(&text, options);
    let mapping = mapping.map_err(|error| OtherMapping::Shape {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    let mut config = stored(store).await?;
    let Some(wish) = config.connections.get_mut(connection) else {
        return Err(OtherMapping::NoConnection(connection.to_owned()));
    };
    wish.mapping = Some(mapping);
    Ok(keep(store, &config).await?)
}

/// The form in which a person reads it, and `apply` takes it.
pub fn to_yaml(config: &Config) -> Result<String, ConfigError> {
    serde_saphyr::to_string(config).map_err(|error| ConfigError::Write(error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const EXAMPLE: &str = r#"
rules:
  person:
    phone: { owner: [crm, mail] }
fields:
  person:
    loyalty: { type: string, description: Points }
connections:
  crm:
    connector: toy
    config: { base_url: "http://127.0.0.1:7101" }
    secrets: { token: { env: CRM_TOKEN } }
    network: { allow-private: true, ca: ca.pem }
    streams:
      contacts: { direction: read, read: [{ remote: kind, none-of: ["yes", "no"] }] }
    quotas:
      - { class: "", requests: 5, per-ms: 1000 }
    mapping:
      version: 1
      streams: { contacts: { fields: { nickname: { path: nick } } } }
  mail:
    connector: toy
    secrets: { token: { file: secrets/mail } }
  news:
    connector: toy
    secrets: { token: sealed }
"#;

    #[test]
    fn what_is_exported_is_taken_unchanged() {
        let config = parse(EXAMPLE).unwrap();
        let text = to_yaml(&config).unwrap();
        assert_eq!(parse(&text).unwrap(), config, "{text}");
    }

    #[test]
    fn json_is_taken_as_well() {
        let config = parse(EXAMPLE).unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(parse(&text).unwrap(), config);
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, EXAMPLE).unwrap();
        let config = read(&path).unwrap();
        let crm = &config.connections["crm"];
        assert_eq!(
            crm.network.ca.as_deref(),
            Some(folder.path().join("ca.pem").as_path())
        );
        let secret = &config.connections["mail"].secrets["token"];
        assert_eq!(
            *secret,
            SecretSource::File(folder.path().join("secrets/mail"))
        );
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let check = |text: &str, expect: &[&str]| {
            let error = parse(text).unwrap_err();
            for part in expect {
                assert!(error.contains(part), "{text}: {error}");
            }
        };
        check("", &["empty"]);
        check("conections: {}", &["conections", "connections"]);
        check(
            "connections: {a: {conector: x}}",
            &["conector", "connector"],
        );
        check("connections: {a: {config: {}}}", &["missing", "connector"]);
        check(
            "connections: {a: {connector: x, streams: {s: {direction: up}}}}",
            &["up", "both"],
        );
    }
}
