//! Which connector components there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concord_host::{Inspected, inspect_file};
use concord_sync::mapping::expected;

/// A component that says what it is.
#[derive(Clone, Debug)]
pub struct Found {
    pub path: PathBuf,
    pub inspected: Inspected,
}

/// A file that should be a component and is none, with the reason.
#[derive(Clone, Debug)]
pub struct Broken {
    pub path: PathBuf,
    pub problem: String,
}

#[derive(Clone, Debug, Default)]
pub struct Plugins {
    by_id: BTreeMap<String, Found>,
    pub broken: Vec<Broken>,
    folders: Vec<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no connector '{id}' in {looked}; {hint}")]
pub struct NoPlugin {
    id: String,
    looked: String,
    hint: String,
}

impl Plugins {
    /// Looks through folders; of two components with the same id the one in the
    /// earlier folder counts.  A folder that is not there holds none.
    pub fn look(folders: Vec<PathBuf>) -> Self {
        let mut plugins = Self::default();
        for folder in &folders {
            for path in components(folder) {
                match inspect_file(&path) {
                    Ok(inspected) => {
                        let id = inspected.manifest.id.clone();
                        plugins.by_id.entry(id).or_insert(Found { path, inspected });
                    }
                    Err(error) => {
                        let problem = error.to_string();
                        plugins.broken.push(Broken { path, problem });
                    }
                }
            }
        }
        plugins.folders = folders;
        plugins
    }

    pub fn get(&self, id: &str) -> Result<&Found, NoPlugin> {
        self.by_id.get(id).ok_or_else(|| {
            let ids: Vec<&str> = self.by_id.keys().map(String::as_str).collect();
            let folders: Vec<String> = self
                .folders
                .iter()
                .map(|folder| folder.display().to_string())
                .collect();
            let hint = if ids.is_empty() {
                "no connector is there: name their folder with --plugins".to_owned()
            } else {
                expected(id, &ids)
            };
            NoPlugin {
                id: id.to_owned(),
                looked: folders.join(", "),
                hint,
            }
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Found> {
        self.by_id.values()
    }
}

/// The `.wasm` files of a folder, in order of their names.
fn components(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .collect();
    paths.sort();
    paths
}

/// The folders to look through: the one of the command line first, then those
/// of the configuration, then the one beside the program.
pub fn folders(named: Option<&PathBuf>, configured: &[PathBuf]) -> Vec<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join("plugins")));
    let mut folders: Vec<PathBuf> = named.into_iter().chain(configured).cloned().collect();
    folders.extend(beside);
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_broken_file_still_gives_the_rest_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.wasm"), "not a component").unwrap();
        std::fs::write(folder.path().join("readme.txt"), "hello").unwrap();
        let plugins = Plugins::look(vec![folder.path().to_owned()]);
        assert_eq!(plugins.broken.len(), 1);
        assert!(plugins.broken[0].problem.contains("a.wasm"));
        let error = plugins.get("toy").unwrap_err().to_string();
        assert!(
            error.contains("'toy'") && error.contains("--plugins"),
            "{error}"
        );
    }
}
