//! The secrets that the database keeps, and the key that opens them.
//!
//! A secret is sealed with XChaCha20-Poly1305 under a random nonce.  Connection,
//! name and key id are sealed along with it, so that one secret cannot be put in
//! the place of another.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key as Sealing, KeyInit as _, XChaCha20Poly1305};
use concord_core::ports::{Clock, StoreError};
use concord_core::secret::{SealedSecret, Secret, SecretStore};
use concord_core::{ConnectionId, Timestamp};
use zeroize::Zeroizing;

use super::key::{Key, KeyError, KeySource, Keyring};
use super::sign_in::SealedRow;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the secret '{name}' is not here yet: give it with `concord secrets set`")]
    Missing { name: String },
    #[error("{what}, and no key is named: name its file with --key or CONCORD_KEY")]
    NoKey { what: String },
    #[error(
        "the secret '{name}' is sealed with the key {wants}, and {place} holds {has}: name the \
         file with that key, or give the secret anew with `concord secrets set`"
    )]
    OtherKey {
        name: String,
        wants: String,
        place: String,
        has: String,
    },
    #[error(
        "the secret '{name}' does not open: it was changed in the database, or is another \
         connection's. Give it anew with `concord secrets set`"
    )]
    Broken { name: String },
    #[error("the secret '{name}' cannot be sealed")]
    Unsealed { name: String },
    #[error("the system gives no random numbers ({0}), so nothing can be sealed")]
    Chance(getrandom::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
}

const NONCE: usize = 24;

/// What was sealed when it was looked at, and where the key is.
#[derive(Default)]
pub struct Vault {
    rows: Vec<SealedSecret>,
    source: Option<KeySource>,
    /// Read when it is first needed: most commands need no secret.
    ring: OnceLock<Keyring>,
}

impl Vault {
    pub async fn load(
        store: &dyn SecretStore,
        source: Option<KeySource>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            rows: store.secrets().await?,
            source,
            ring: OnceLock::new(),
        })
    }

    /// One of a connection's secrets that changes while hubs run, read and kept with
    /// the same key.
    pub fn kept(
        &self,
        connection: ConnectionId,
        name: &'static str,
        store: Arc<dyn SecretStore>,
        clock: Arc<dyn Clock>,
    ) -> Arc<SealedRow> {
        Arc::new(SealedRow {
            store,
            source: self.source.clone(),
            connection,
            name,
            clock,
        })
    }

    pub fn rows(&self) -> &[SealedSecret] {
        &self.rows
    }

    pub fn row(&self, connection: ConnectionId, name: &str) -> Option<&SealedSecret> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.connection == connection && row.name == name)
    }

    pub fn open(&self, connection: ConnectionId, name: &str) -> Result<Secret, VaultError> {
        let row = self.row(connection, name);
        let row = row.ok_or_else(|| VaultError::Missing {
            name: name.to_owned(),
        })?;
        self.open_row(row)
    }

    pub fn open_row(&self, row: &SealedSecret) -> Result<Secret, VaultError> {
        let ring = self.ring(|| format!("the secret '{}' is sealed", row.name))?;
        let key = ring.with_id(&row.key).ok_or_else(|| VaultError::OtherKey {
            name: row.name.clone(),
            wants: row.key.clone(),
            place: self.place(),
            has: ring.ids(),
        })?;
        opened(key, row).ok_or_else(|| VaultError::Broken {
            name: row.name.clone(),
        })
    }

    /// A row for this secret, in place of the one that was there.
    pub fn seal(
        &self,
        connection: ConnectionId,
        name: &str,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<SealedSecret, VaultError> {
        let ring = self.ring(|| format!("the secret '{name}' is to be sealed"))?;
        let key = ring.current();
        let sealed = sealed(key, connection, name, secret)?;
        let before = self.row(connection, name).map_or(0, |row| row.revision);
        Ok(SealedSecret {
            connection,
            name: name.to_owned(),
            key: key.id(),
            sealed,
            changed_at: now,
            revision: before + 1,
        })
    }

    /// The keys; `what` says what they are needed for.
    pub fn ring(&self, what: impl FnOnce() -> String) -> Result<&Keyring, VaultError> {
        if let Some(ring) = self.ring.get() {
            return Ok(ring);
        }
        let Some(source) = &self.source else {
            return Err(VaultError::NoKey { what: what() });
        };
        let ring = Keyring::read(source)?;
        Ok(self.ring.get_or_init(|| ring))
    }

    /// Makes a new key, which seals from now on.
    pub fn renew(&mut self) -> Result<&Keyring, VaultError> {
        let Some(source) = &self.source else {
            let what = "a new key is to be made beside the old one".to_owned();
            return Err(VaultError::NoKey { what });
        };
        self.ring = OnceLock::from(Keyring::renew(source)?);
        self.ring(String::new)
    }

    fn place(&self) -> String {
        self.source
            .as_ref()
            .map_or_else(String::new, ToString::to_string)
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Sealing::from(*key.for_secrets()))
}

/// What is sealed along with the text.  The name comes last, so that no two
/// places share their bytes.
fn place_of(key: &str, connection: ConnectionId, name: &str) -> String {
    format!("concord-secret/1 {key} {} {name}", connection.0)
}

fn sealed(
    key: &Key,
    connection: ConnectionId,
    name: &str,
    secret: &Secret,
) -> Result<String, VaultError> {
    let mut bytes = vec![0; NONCE];
    getrandom::fill(&mut bytes).map_err(VaultError::Chance)?;
    let place = place_of(&key.id(), connection, name);
    let payload = Payload {
        msg: secret.expose().as_bytes(),
        aad: place.as_bytes(),
    };
    let text = cipher(key).encrypt(bytes.as_slice().into(), payload);
    let text = text.map_err(|_| VaultError::Unsealed {
        name: name.to_owned(),
    })?;
    bytes.extend(text);
    Ok(STANDARD.encode(bytes))
}

fn opened(key: &Key, row: &SealedSecret) -> Option<Secret> {
    let bytes = STANDARD.decode(&row.sealed).ok()?;
    let (nonce, text) = bytes.split_at_checked(NONCE)?;
    let place = place_of(&row.key, row.connection, &row.name);
    let payload = Payload {
        msg: text,
        aad: place.as_bytes(),
    };
    let plain = cipher(key).decrypt(nonce.into(), payload);
    let plain = Zeroizing::new(plain.ok()?);
    std::str::from_utf8(&plain).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        _folder: tempfile::TempDir,
        source: KeySource,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("key");
            Key::make(&path).unwrap();
            Self {
                _folder: folder,
                source: KeySource::File(path),
            }
        }

        fn vault(&self, rows: Vec<SealedSecret>) -> Vault {
            Vault {
                rows,
                source: Some(self.source.clone()),
                ring: OnceLock::new(),
            }
        }

        fn sealed(&self, text: &str) -> SealedSecret {
            let now = Timestamp(1);
            let vault = self.vault(Vec::new());
            let row = vault.seal(ConnectionId(3), "token", &Secret::new(text), now);
            row.unwrap()
        }
    }

    #[test]
    fn what_is_sealed_is_opened_and_never_the_same() {
        let bench = Bench::new();
        for text in ["s3cret", "", "Ελλάδα 🦀\n"] {
            let row = bench.sealed(text);
            assert_eq!(row.revision, 1);
            assert_ne!(row.sealed, bench.sealed(text).sealed);
            let vault = bench.vault(vec![row.clone()]);
            assert_eq!(vault.open(ConnectionId(3), "token").unwrap().expose(), text);
            let next = vault.seal(ConnectionId(3), "token", &Secret::new("new"), Timestamp(2));
            assert_eq!(next.unwrap().revision, 2);
        }
    }

    #[test]
    fn a_row_that_was_changed_or_moved_does_not_open() {
        let bench = Bench::new();
        let row = bench.sealed("s3cret");
        let mut turned: Vec<SealedSecret> = Vec::new();
        let bytes = STANDARD.decode(&row.sealed).unwrap();
        for at in [0, NONCE - 1, NONCE, bytes.len() - 1] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            turned.push(SealedSecret {
                sealed: STANDARD.encode(bytes),
                ..row.clone()
            });
        }
        turned.push(SealedSecret {
            sealed: STANDARD.encode(&bytes[..NONCE - 1]),
            ..row.clone()
        });
        turned.push(SealedSecret {
            connection: ConnectionId(4),
            ..row.clone()
        });
        turned.push(SealedSecret {
            name: "password".into(),
            ..row.clone()
        });
        for row in turned {
            let error = bench.vault(Vec::new()).open_row(&row).unwrap_err();
            assert!(matches!(error, VaultError::Broken { .. }), "{error}");
        }
    }

    #[test]
    fn without_its_key_the_error_says_which_one_it_is() {
        let (bench, other) = (Bench::new(), Bench::new());
        let row = bench.sealed("s3cret");
        let error = other.vault(Vec::new()).open_row(&row).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&row.key) && text.contains("holds"), "{text}");
        let none = Vault {
            rows: vec![row],
            source: None,
            ring: OnceLock::new(),
        };
        let error = none.open(ConnectionId(3), "token").unwrap_err().to_string();
        assert!(error.contains("--key"), "{error}");
        let error = none.open(ConnectionId(3), "other").unwrap_err().to_string();
        assert!(error.contains("concord secrets set"), "{error}");
    }

    #[test]
    fn a_new_key_seals_and_the_old_one_still_opens() {
        let bench = Bench::new();
        let row = bench.sealed("s3cret");
        let mut vault = bench.vault(vec![row.clone()]);
        vault.renew().unwrap();
        assert_eq!(vault.open_row(&row).unwrap().expose(), "s3cret");
        let next = vault.seal(
            ConnectionId(3),
            "token",
            &Secret::new("s3cret"),
            Timestamp(2),
        );
        assert_ne!(next.unwrap().key, row.key);
    }
}
