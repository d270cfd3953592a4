//! The key that seals secrets and what leaves the hub: 32 bytes in a file of
//! their own, or in the environment.
//!
//! A file may hold several, one a line: the first seals, all of them open.  So a
//! key can be changed while others still work with the one before.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

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
    #[error("CONCORD_KEY holds neither a whole key nor the name of a file with one")]
    Unreadable,
    #[error(
        "the key is in the environment and cannot be changed from here: put it into a file, name \
         that with --key, and rotate then"
    )]
    InEnvironment,
    #[error(
        "another key is being made right now, or making one was cut short: {} is there. If nobody \
         else is at it, delete that file and run again",
        .0.display()
    )]
    UnderWay(PathBuf),
}

/// Where keys are read from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    File(PathBuf),
    /// The lines of such a file.
    Text(Zeroizing<String>),
}

impl KeySource {
    /// What the environment holds may be the key itself, with or without the
    /// comments of its file.
    pub fn parse(text: &str) -> Result<Self, std::convert::Infallible> {
        Ok(if text.contains(MARK) {
            Self::Text(Zeroizing::new(text.to_owned()))
        } else {
            Self::File(text.into())
        })
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "KeySource({})", path.display()),
            Self::Text(_) => f.write_str("KeySource([secret])"),
        }
    }
}

/// How errors speak of it.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Text(_) => f.write_str("CONCORD_KEY"),
        }
    }
}

const MARK: &str = "CONCORD-KEY-1 ";

pub struct Key {
    bytes: Zeroizing<[u8; 32]>,
}

impl Key {
    fn random() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(KeyError::Chance)?;
        Ok(Self { bytes })
    }

    fn parse(line: &str) -> Option<Self> {
        let coded = line.strip_prefix(MARK)?;
        let decoded = Zeroizing::new(STANDARD.decode(coded.trim()).ok()?);
        let bytes = decoded.as_slice().try_into().ok()?;
        Some(Self {
            bytes: Zeroizing::new(bytes),
        })
    }

    /// Makes a key in a new file that only its owner can read.
    pub fn make(path: &Path) -> Result<Self, KeyError> {
        let key = Self::random()?;
        let written = private(path, false).and_then(|mut file| {
            file.write_all(key.lines().as_bytes())?;
            file.sync_all()?;
            keep_name(path)
        });
        match written {
            Ok(()) => Ok(key),
            Err(source) => Err(KeyError::Write {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn lines(&self) -> Zeroizing<String> {
        let coded = Zeroizing::new(STANDARD.encode(self.bytes.as_slice()));
        let text = format!(
            "# A key of Concord with the id {}.\n{MARK}{}\n",
            self.id(),
            *coded
        );
        Zeroizing::new(text)
    }

    /// Names the key and tells nothing of it.
    pub fn id(&self) -> String {
        let digest = blake3::derive_key("concord 2026-11-22 id of a key", self.bytes.as_slice());
        digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// What backups are sealed with; another purpose gets another one.
    pub(super) fn for_backups(&self) -> Zeroizing<[u8; 32]> {
        self.derived("concord 2026-11-22 seal of a backup")
    }

    /// What secrets are sealed with.
    pub(super) fn for_secrets(&self) -> Zeroizing<[u8; 32]> {
        self.derived("concord 2026-11-23 seal of a secret")
    }

    fn derived(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(purpose, self.bytes.as_slice()))
    }
}

/// The key that seals, and those before it that still open.
pub struct Keyring {
    current: Key,
    before: Vec<Key>,
}

impl Keyring {
    pub fn read(source: &KeySource) -> Result<Self, KeyError> {
        match source {
            KeySource::File(path) => {
                Self::parse(&text(path)?).ok_or_else(|| KeyError::None(path.clone()))
            }
            KeySource::Text(text) => Self::parse(text).ok_or(KeyError::Unreadable),
        }
    }

    /// Lines that are empty or comments are passed over.  One that is neither and
    /// no key makes all of it unreadable: it may be the only one that opens
    /// something.
    fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut keys: Vec<Key> = lines.map(Key::parse).collect::<Option<_>>()?;
        if keys.is_empty() {
            return None;
        }
        let current = keys.remove(0);
        Some(Self {
            current,
            before: keys,
        })
    }

    /// Puts a new key before all others of a file, which is replaced whole and is
    /// on the disk when this returns.  Whoever wants to do the same meanwhile is
    /// refused: one of the two new keys would be lost.
    pub fn renew(source: &KeySource) -> Result<Self, KeyError> {
        let KeySource::File(path) = source else {
            return Err(KeyError::InEnvironment);
        };
        let unwritten = |source| KeyError::Write {
            path: path.clone(),
            source,
        };
        // Through a link the file itself is replaced, not the link.
        let path = std::fs::canonicalize(path).map_err(|source| KeyError::Read {
            path: path.clone(),
            source,
        })?;
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let file = private(&beside, false).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyError::UnderWay(beside.clone()),
            _ => unwritten(error),
        })?;
        let replaced = Self::replace(file, &path, &beside);
        if replaced.is_err() {
            // It is ours until it has its new name.
            let _ = std::fs::remove_file(&beside);
        }
        let ring = replaced?;
        keep_name(&path).map_err(unwritten)?;
        Ok(ring)
    }

    fn replace(mut file: File, path: &Path, beside: &Path) -> Result<Self, KeyError> {
        let old = text(path)?;
        let mut ring = Self::parse(&old).ok_or_else(|| KeyError::None(path.to_owned()))?;
        let key = Key::random()?;
        let mut write = || {
            keep_owner(&file, path)?;
            file.write_all(key.lines().as_bytes())?;
            file.write_all(old.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(beside, path)
        };
        write().map_err(|source| KeyError::Write {
            path: path.to_owned(),
            source,
        })?;
        ring.before
            .insert(0, std::mem::replace(&mut ring.current, key));
        Ok(ring)
    }

    pub fn current(&self) -> &Key {
        &self.current
    }

    pub fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.before)
    }

    pub fn with_id(&self, id: &str) -> Option<&Key> {
        self.all().find(|key| key.id() == id)
    }

    /// Names all of them, for errors.
    pub fn ids(&self) -> String {
        self.all().map(Key::id).collect::<Vec<_>>().join(", ")
    }
}

/// Who could read the file can read what takes its place.
fn keep_owner(file: &File, path: &Path) -> io::Result<()> {
    let before = std::fs::metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
            fchown(file, Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.set_permissions(before.permissions())
}

/// A power cut takes a file's new name back until its folder is on the disk.
fn keep_name(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let folder = parent.unwrap_or(Path::new("."));
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn text(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(source) => Err(KeyError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> (tempfile::TempDir, KeySource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        (folder, KeySource::File(path))
    }

    #[test]
    fn a_file_keeps_every_key_and_the_new_one_seals() {
        let (folder, source) = file("key");
        let first = Key::make(&folder.path().join("key")).unwrap().id();
        let second = Keyring::renew(&source).unwrap().current().id();
        let third = Keyring::renew(&source).unwrap().current().id();
        let ring = Keyring::read(&source).unwrap();
        assert_eq!(ring.ids(), format!("{third}, {second}, {first}"));
        assert_eq!(ring.current().id(), third);
        assert!(ring.with_id(&first).is_some());
        assert!(ring.with_id("0000000000000000").is_none());
        #[cfg(unix)]
        {
            use std::fs::Permissions;
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.path().join("key");
            let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(), 0o600);
            // The hub may run as another user of the same group.
            std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            Keyring::renew(&source).unwrap();
            assert_eq!(mode(), 0o640);
        }
    }

    #[test]
    fn of_many_who_make_a_key_at_once_none_is_lost() {
        let (folder, source) = file("key");
        let mut made = vec![Key::make(&folder.path().join("key")).unwrap().id()];
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let source = source.clone();
                std::thread::spawn(move || {
                    let renewed = (0..50).filter_map(|_| match Keyring::renew(&source) {
                        Ok(ring) => Some(ring.current().id()),
                        Err(KeyError::UnderWay(_)) => None,
                        Err(error) => panic!("{error}"),
                    });
                    renewed.collect::<Vec<String>>()
                })
            })
            .collect();
        for task in tasks {
            made.extend(task.join().unwrap());
        }
        let ring = Keyring::read(&source).unwrap();
        assert_eq!(ring.all().count(), made.len());
        assert!(made.iter().all(|id| ring.with_id(id).is_some()));
    }

    #[test]
    fn what_a_power_cut_left_is_named() {
        let (folder, source) = file("key");
        Key::make(&folder.path().join("key")).unwrap();
        let left = folder.path().join("key.new");
        std::fs::write(&left, "").unwrap();
        let error = Keyring::renew(&source).map(|ring| ring.ids());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("key.new is there"), "{error}");
        std::fs::remove_file(&left).unwrap();
        Keyring::renew(&source).unwrap();
    }

    #[test]
    fn the_environment_may_hold_the_key_itself() {
        let (folder, source) = file("key");
        let id = Key::make(&folder.path().join("key")).unwrap().id();
        let text = std::fs::read_to_string(folder.path().join("key")).unwrap();
        let line = text.lines().last().unwrap();
        let given = KeySource::parse(line).unwrap();
        assert_eq!(Keyring::read(&given).unwrap().current().id(), id);
        let whole = KeySource::parse(&text).unwrap();
        assert_eq!(Keyring::read(&whole).unwrap().current().id(), id);
        let shown = format!("{given:?} {given} {whole:?} {whole}");
        assert!(!shown.contains(&line[MARK.len()..]), "{shown}");
        assert!(matches!(
            Keyring::renew(&given),
            Err(KeyError::InEnvironment)
        ));
        let named = folder.path().join("key").display().to_string();
        assert!(KeySource::parse(&named).unwrap() == source);
    }

    #[test]
    fn a_line_that_is_no_key_is_not_passed_over() {
        let (folder, source) = file("key");
        let path = folder.path().join("key");
        Key::make(&path).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        for spoilt in [
            String::new(),
            "# nothing but words\n".to_owned(),
            whole.replace(MARK, ""),
            whole[..whole.len() - 9].to_owned(),
            format!("{whole}CONCORD-KEY-1 c2hvcnQ=\n"),
        ] {
            std::fs::write(&path, &spoilt).unwrap();
            let read = Keyring::read(&source).map(|ring| ring.ids());
            assert!(matches!(read, Err(KeyError::None(_))), "{spoilt}");
        }
        std::fs::remove_file(&path).unwrap();
        let read = Keyring::read(&source).map(|ring| ring.ids());
        assert!(matches!(read, Err(KeyError::Read { .. })));
    }
}
