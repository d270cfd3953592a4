//! The key that seals what leaves the hub: 32 bytes in a file of their own.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::archive::private;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key {} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the key {} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the system gives no random numbers ({0}), so no key can be made")]
    Chance(getrandom::Error),
    #[error("{} holds no key: `concord key make FILE` makes one", .0.display())]
    None(PathBuf),
}

pub struct Key {
    bytes: [u8; 32],
}

const MARK: &str = "CONCORD-KEY-1 ";

impl Key {
    /// The first line that is no comment.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let coded = line.and_then(|line| line.strip_prefix(MARK));
        let bytes = coded.and_then(|coded| STANDARD.decode(coded.trim()).ok());
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| KeyError::None(path.to_owned()))?;
        Ok(Self { bytes })
    }

    /// Makes a key in a new file that only its owner can read.
    pub fn make(path: &Path) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(KeyError::Chance)?;
        let key = Self { bytes };
        let text = format!(
            "# A key of Concord with the id {}.\n{MARK}{}\n",
            key.id(),
            STANDARD.encode(bytes)
        );
        let written = private(path, false).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        match written {
            Ok(()) => Ok(key),
            Err(source) => Err(KeyError::Write {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Names the key and tells nothing of it.
    pub fn id(&self) -> String {
        let digest = blake3::derive_key("concord 2026-11-22 id of a key", &self.bytes);
        digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// What backups are sealed with; another purpose gets another one.
    pub(super) fn for_backups(&self) -> [u8; 32] {
        blake3::derive_key("concord 2026-11-22 seal of a backup", &self.bytes)
    }
}
