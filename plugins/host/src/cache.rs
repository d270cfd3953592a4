//! Compiled components on disk, so that a warm start does not compile.
//!
//! A file's name is made of the component's hash and of everything that the
//! compiled form depends on (wasmtime's version and settings, the target), so a
//! change of either simply misses.  Compiled code is run as it is: the directory
//! and files are private to their owner, and each file ends in a checksum over
//! its name and content, so that a torn or misplaced file is never run.

use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

/// Changed when the layout of a cache file changes.
const LAYOUT: &str = "1";

pub(crate) struct Cache {
    dir: PathBuf,
    engine_key: String,
}

impl Cache {
    /// None where the directory cannot be had: the hub then works, and compiles
    /// at each start.
    pub(crate) fn open(dir: &Path, engine: &Engine) -> Option<Self> {
        if let Err(error) = create_private(dir) {
            tracing::warn!(
                dir = %dir.display(), %error,
                "compiled plugins cannot be kept here, each start will compile them again"
            );
            return None;
        }
        // DefaultHasher::new has fixed keys.  Should a later toolchain change
        // its algorithm, the keys change and the cache misses once.
        let mut hasher = std::collections::hash_map::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Some(Self {
            dir: dir.to_owned(),
            engine_key: format!("{LAYOUT}-{:016x}", hasher.finish()),
        })
    }

    fn path(&self, hash: &str) -> PathBuf {
        self.dir.join(format!("{hash}-{}.cwasm", self.engine_key))
    }

    fn checksum(&self, hash: &str, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("concord compiled plugin");
        hasher.update(hash.as_bytes());
        hasher.update(self.engine_key.as_bytes());
        hasher.update(code);
        hasher.finalize()
    }

    /// The compiled component of these bytes, if it was kept and is whole.
    pub(crate) fn get(&self, engine: &Engine, hash: &str) -> Option<Component> {
        let file = std::fs::read(self.path(hash)).ok()?;
        let (code, checksum) = file.split_at_checked(file.len().checked_sub(blake3::OUT_LEN)?)?;
        if self.checksum(hash, code).as_bytes() != checksum {
            tracing::warn!(
                hash,
                "a compiled plugin in the cache is broken; compiling it again"
            );
            return None;
        }
        // SAFETY: `deserialize` trusts that the bytes came from `serialize` of a
        // compatible wasmtime.  They lie in a directory that only this user can
        // write, and the checksum and the engine key were just compared.
        match unsafe { Component::deserialize(engine, code) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(hash, %error, "a compiled plugin does not fit; compiling it again");
                None
            }
        }
    }

    /// Keeps a compiled component.  Failing to is not an error: the next start
    /// compiles again.
    pub(crate) fn put(&self, hash: &str, component: &Component) {
        if let Err(error) = self.write(hash, component) {
            tracing::warn!(hash, %error, "a compiled plugin could not be kept");
        }
    }

    fn write(&self, hash: &str, component: &Component) -> Result<(), Box<dyn std::error::Error>> {
        let code = component.serialize()?;
        // Temporary files are created readable by their owner alone, and a
        // rename shows other processes the whole file or none.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(&code)?;
        file.write_all(self.checksum(hash, &code).as_bytes())?;
        file.persist(self.path(hash))?;
        Ok(())
    }
}

#[cfg(unix)]
fn create_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let mode = std::fs::metadata(dir)?.mode();
    if mode & 0o022 != 0 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn create_private(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::tests::EMPTY_COMPONENT;

    fn kept() -> (tempfile::TempDir, Engine, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(&dir.path().join("compiled"), &engine).unwrap();
        cache.put("abc", &Component::new(&engine, EMPTY_COMPONENT).unwrap());
        (dir, engine, cache)
    }

    #[test]
    fn what_was_kept_is_found_and_only_under_its_name() {
        let (_dir, engine, cache) = kept();
        assert!(cache.get(&engine, "abc").is_some());
        assert!(cache.get(&engine, "abd").is_none());
        std::fs::copy(cache.path("abc"), cache.path("abd")).unwrap();
        assert!(cache.get(&engine, "abd").is_none(), "a foreign file");
    }

    #[test]
    fn a_broken_file_is_a_miss() {
        let (_dir, engine, cache) = kept();
        let whole = std::fs::read(cache.path("abc")).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for broken in [&flipped[..], &whole[..whole.len() / 2], &whole[..10], &[]] {
            std::fs::write(cache.path("abc"), broken).unwrap();
            assert!(cache.get(&engine, "abc").is_none());
        }
    }

    #[test]
    fn another_engine_configuration_has_other_files() {
        let (dir, _engine, cache) = kept();
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let other = Engine::new(&config).unwrap();
        let there = Cache::open(&dir.path().join("compiled"), &other).unwrap();
        assert_ne!(there.path("abc"), cache.path("abc"));
        assert!(there.get(&other, "abc").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn files_and_directory_are_private() {
        use std::os::unix::fs::MetadataExt;
        let (_dir, _engine, cache) = kept();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&cache.path("abc")), 0o600);
        assert_eq!(mode(&cache.dir), 0o700);
    }
}
