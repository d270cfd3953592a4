//! Reads secrets from where the configuration says they are.  A secret's text
//! appears in no error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use concord_core::ConnectionId;
use concord_core::ports::Secret;
use concord_engine::config::SecretSource;
use zeroize::Zeroizing;

use super::vault::{Vault, VaultError};

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the secret '{name}' comes from the variable {variable}, which is not set")]
    Variable { name: String, variable: String },
    #[error("the secret '{name}' comes from {}, which cannot be read: {source}", path.display())]
    File {
        name: String,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the secret '{name}' is empty in {place}")]
    Empty { name: String, place: String },
    #[error(transparent)]
    Vault(#[from] VaultError),
}

pub fn read(
    connection: ConnectionId,
    sources: &BTreeMap<String, SecretSource>,
    vault: &Vault,
) -> Result<BTreeMap<String, Secret>, SecretError> {
    sources
        .iter()
        .map(|(name, source)| Ok((name.clone(), read_one(connection, name, source, vault)?)))
        .collect()
}

/// Reads one secret of a connection.
pub fn read_one(
    connection: ConnectionId,
    name: &str,
    source: &SecretSource,
    vault: &Vault,
) -> Result<Secret, SecretError> {
    let sealed = || Ok(vault.open(connection, name)?);
    let name = name.to_owned();
    let (text, place) = match source {
        SecretSource::Sealed => return sealed(),
        SecretSource::Env(variable) => match std::env::var(variable) {
            Ok(text) => (text, format!("the variable {variable}")),
            Err(_) => {
                return Err(SecretError::Variable {
                    name,
                    variable: variable.clone(),
                });
            }
        },
        SecretSource::File(path) => match std::fs::read_to_string(path) {
            Ok(text) => (text, path.display().to_string()),
            Err(source) => {
                return Err(SecretError::File {
                    name,
                    path: path.clone(),
                    source,
                });
            }
        },
    };
    let text = Zeroizing::new(text);
    as_given(&text).ok_or(SecretError::Empty { name, place })
}

/// None where there is nothing.  Editors and `echo` end a text with a line break
/// that is no part of it.
pub fn as_given(text: &str) -> Option<Secret> {
    let text = text.trim_end_matches(['\r', '\n']);
    (!text.is_empty()).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRM: ConnectionId = ConnectionId(1);

    fn check(content: Option<&str>, expect: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let sources = BTreeMap::from([("token".to_owned(), SecretSource::File(path))]);
        match (read(CRM, &sources, &Vault::default()), expect) {
            (Ok(secrets), Ok(text)) => assert_eq!(secrets["token"].expose(), text),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, expect) => panic!("{:?} instead of {expect:?}", got.is_ok()),
        }
    }

    #[test]
    fn a_file_gives_its_text_without_the_last_line_break() {
        check(Some("s3cret\n"), Ok("s3cret"));
        check(Some(" spaces stay "), Ok(" spaces stay "));
        check(Some("\n"), Err("'token' is empty"));
        check(None, Err("cannot be read"));
    }

    #[test]
    fn a_missing_variable_is_named() {
        let source = SecretSource::Env("CONCORD_NO_SUCH_VARIABLE".into());
        let sources = BTreeMap::from([("token".to_owned(), source)]);
        let error = read(CRM, &sources, &Vault::default()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("CONCORD_NO_SUCH_VARIABLE"), "{error}");
    }
}
