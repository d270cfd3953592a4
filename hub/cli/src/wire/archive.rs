//! A backup as a file: packed with gzip and, with a key, sealed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use concord_core::Timestamp;
use concord_core::ports::StoreError;
use concord_store::{ArchiveError, Contents, SqlStore};
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::key::{Key, KeyError, KeySource, Keyring};
use super::seal::{OpenError, Opener, Sealer, is_sealed};

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} is there already, and a backup overwrites nothing: name another file", .0.display())]
    Exists(PathBuf),
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is sealed: name the key that it was sealed with, --key FILE", .0.display())]
    Sealed(PathBuf),
    #[error("{} cannot be opened with the key in {key}: {problem}", path.display())]
    WrongKey {
        path: PathBuf,
        key: KeySource,
        problem: OpenError,
    },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The bytes of a file as they are, or sealed.
pub(super) enum Out {
    Plain(BufWriter<File>),
    Sealed(Box<Sealer<BufWriter<File>>>),
}

impl Out {
    /// Sealed where there is a key.
    pub(super) fn new(file: BufWriter<File>, key: Option<&Key>) -> io::Result<Self> {
        Ok(match key {
            None => Out::Plain(file),
            Some(key) => Out::Sealed(Box::new(Sealer::new(file, key)?)),
        })
    }

    /// The end of what is sealed is sealed as well, so that a file that is cut
    /// short cannot be taken for a whole one.
    pub(super) fn finish(self) -> io::Result<File> {
        let file = match self {
            Out::Plain(file) => file,
            Out::Sealed(sealed) => sealed.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Plain(file) => file.write(bytes),
            Out::Sealed(sealed) => sealed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Plain(file) => file.flush(),
            Out::Sealed(sealed) => sealed.flush(),
        }
    }
}

/// Writes a backup beside its name and gives it that name when it is whole and
/// on the disk.
pub async fn back_up(
    store: &SqlStore,
    path: &Path,
    key: Option<&KeySource>,
    now: Timestamp,
) -> Result<Contents, BackupError> {
    if path.exists() {
        return Err(BackupError::Exists(path.to_owned()));
    }
    let ring = key.map(Keyring::read).transpose()?;
    let key = ring.as_ref().map(Keyring::current);
    let unwritten = |source| BackupError::Write {
        path: path.to_owned(),
        source,
    };
    let mut partial = path.to_owned().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = write(store, &partial, key, now).await;
    let done = match written {
        Ok((file, contents)) => file
            .sync_all()
            .and_then(|()| std::fs::rename(&partial, path))
            .map(|()| contents)
            .map_err(unwritten),
        Err(Failure::Archive(ArchiveError::Write(error)) | Failure::Io(error)) => {
            Err(unwritten(error))
        }
        Err(Failure::Archive(error)) => Err(error.into()),
    };
    if done.is_err() {
        // What could not be made may not be there to remove.
        let _ = std::fs::remove_file(&partial);
    }
    done
}

enum Failure {
    Io(io::Error),
    Archive(ArchiveError),
}

async fn write(
    store: &SqlStore,
    path: &Path,
    key: Option<&Key>,
    now: Timestamp,
) -> Result<(File, Contents), Failure> {
    let file = BufWriter::new(private(path, true).map_err(Failure::Io)?);
    let out = Out::new(file, key).map_err(Failure::Io)?;
    let mut packed = GzEncoder::new(out, Compression::fast());
    let contents = store
        .back_up(&mut packed, env!("CARGO_PKG_VERSION"), now)
        .await
        .map_err(Failure::Archive)?;
    let file = packed.finish().and_then(Out::finish).map_err(Failure::Io)?;
    Ok((file, contents))
}

/// A file that only its owner can read.
pub fn private(path: &Path, overwrite: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(!overwrite);
    options.create(overwrite).truncate(overwrite);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// The first bytes of whatever gzip packed.
const PACKED: &[u8] = &[0x1f, 0x8b];

pub async fn restore(
    store: &SqlStore,
    path: &Path,
    key: Option<&KeySource>,
    now: Timestamp,
) -> Result<Contents, BackupError> {
    let unread = |source| BackupError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(unread)?);
    if !is_sealed(file.fill_buf().map_err(unread)?) {
        return unpack(store, file, now).await;
    }
    let Some(at) = key else {
        return Err(BackupError::Sealed(path.to_owned()));
    };
    let opened =
        Opener::new(file, &Keyring::read(at)?).map_err(|problem| BackupError::WrongKey {
            path: path.to_owned(),
            key: at.clone(),
            problem,
        })?;
    unpack(store, BufReader::new(opened), now).await
}

async fn unpack(
    store: &SqlStore,
    mut packed: impl BufRead,
    now: Timestamp,
) -> Result<Contents, BackupError> {
    let damaged = |error: io::Error| ArchiveError::Damaged {
        line: 0,
        problem: error.to_string(),
    };
    if !packed.fill_buf().map_err(damaged)?.starts_with(PACKED) {
        return Err(ArchiveError::Foreign.into());
    }
    let mut text = BufReader::new(MultiGzDecoder::new(packed));
    Ok(store.restore(&mut text, now).await?)
}

#[cfg(test)]
mod tests {
    use concord_core::TenantId;
    use concord_core::ports::Store as _;
    use concord_store::StoreOptions;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_348_800_000_000);

    async fn store(path: &Path) -> SqlStore {
        let options = StoreOptions::default();
        SqlStore::open(path, TenantId(1), options).await.unwrap()
    }

    /// A backup of one long document, sealed with the key of this name.
    async fn taken(folder: &Path, key: Option<&KeySource>) -> PathBuf {
        let from = store(&folder.join("from.db")).await;
        // Not to be packed into a few bytes.
        let numbers = (0_u64..40_000).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string());
        let text: String = numbers.collect();
        from.set_document("config", &text).await.unwrap();
        let path = folder.join("backup");
        let contents = back_up(&from, &path, key, NOW).await.unwrap();
        assert_eq!(contents.rows(), 1);
        path
    }

    fn key(folder: &Path, name: &str) -> KeySource {
        let path = folder.join(name);
        Key::make(&path).unwrap();
        KeySource::File(path)
    }

    #[tokio::test]
    async fn a_backup_is_restored_sealed_or_not() {
        for sealed in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let key = sealed.then(|| key(folder.path(), "key"));
            let path = taken(folder.path(), key.as_ref()).await;
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(is_sealed(&bytes), sealed);
            assert!(bytes.len() > 200_000, "more than one sealed chunk");
            assert!(!folder.path().join("backup.partial").exists());
            let to = store(&folder.path().join("to.db")).await;
            restore(&to, &path, key.as_ref(), NOW).await.unwrap();
            let from = store(&folder.path().join("from.db")).await;
            assert!(to.document("config").await.unwrap() == from.document("config").await.unwrap());
            let error = back_up(&from, &path, None, NOW).await.unwrap_err();
            assert!(matches!(error, BackupError::Exists(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn without_the_right_key_nothing_is_restored() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (right, wrong) = (key(folder, "right"), key(folder, "wrong"));
        let path = taken(folder, Some(&right)).await;
        let to = store(&folder.join("to.db")).await;
        let error = restore(&to, &path, None, NOW).await.unwrap_err();
        assert!(matches!(error, BackupError::Sealed(_)), "{error}");
        let error = restore(&to, &path, Some(&wrong), NOW).await.unwrap_err();
        let id = Keyring::read(&right).unwrap().ids();
        assert!(error.to_string().contains(&id), "{error}");
        let none = KeySource::File(folder.join("backup"));
        let error = restore(&to, &path, Some(&none), NOW).await.unwrap_err();
        assert!(matches!(error, BackupError::Key(_)), "{error}");
        assert!(to.is_empty().await.unwrap());
    }

    #[tokio::test]
    async fn a_file_that_is_cut_short_or_changed_restores_nothing() {
        for sealed in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            let key = sealed.then(|| key(folder, "key"));
            let path = taken(folder, key.as_ref()).await;
            let whole = std::fs::read(&path).unwrap();
            let to = store(&folder.join("to.db")).await;
            let spoilt = folder.join("spoilt");
            let length = whole.len();
            for end in [1, 10, 40, 80, length / 2, length - 9, length - 1] {
                std::fs::write(&spoilt, &whole[..end]).unwrap();
                let restored = restore(&to, &spoilt, key.as_ref(), NOW).await;
                assert!(restored.is_err(), "cut at {end}, sealed: {sealed}");
            }
            // What gzip says of itself before its content is not looked at.
            for at in [80, 500, length / 3, length / 2, length - 20, length - 5] {
                let mut turned = whole.clone();
                turned[at] ^= 0x10;
                std::fs::write(&spoilt, turned).unwrap();
                let restored = restore(&to, &spoilt, key.as_ref(), NOW).await;
                assert!(restored.is_err(), "turned at {at}, sealed: {sealed}");
            }
            std::fs::write(&spoilt, "not a backup").unwrap();
            let error = restore(&to, &spoilt, None, NOW).await.unwrap_err();
            assert!(error.to_string().contains("no backup"), "{error}");
            assert!(to.is_empty().await.unwrap());
        }
    }
}
