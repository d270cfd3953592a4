//! What cargo knows about this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{CrateType, Metadata, MetadataCommand};

pub(crate) struct Workspace {
    metadata: Metadata,
}

/// A crate that becomes a component.
pub(crate) struct Guest {
    /// The name of its folder, which is the name of its component.
    pub name: String,
    pub package: String,
    /// The core module's file name.
    pub module: String,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cargo does not understand this workspace")?;
        Ok(Self { metadata })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Where components lie after `cargo xtask plugins`.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.target().join("plugins")
    }

    /// The cargo that runs us, at the workspace's root.  What the outer cargo
    /// says of our own package is taken away: some build scripts watch these
    /// variables, so that half of the dependencies would be built again whenever
    /// somebody changes between `cargo xtask` and plain cargo.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.current_dir(self.root());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Connectors and test guests, in order of their names.  A crate that is
    /// not a `cdylib` yet exports nothing.
    pub(crate) fn guests(&self) -> Vec<Guest> {
        let mut guests: Vec<Guest> = self
            .metadata
            .workspace_packages()
            .into_iter()
            .filter_map(|package| {
                let folder = package.manifest_path.parent()?;
                let below = folder.strip_prefix(&self.metadata.workspace_root).ok()?;
                if !below.starts_with("connectors") && !below.starts_with("tests/guests") {
                    return None;
                }
                let target = package
                    .targets
                    .iter()
                    .find(|target| target.crate_types.contains(&CrateType::CDyLib))?;
                Some(Guest {
                    name: folder.file_name()?.to_owned(),
                    package: package.name.to_string(),
                    module: format!("{}.wasm", target.name.replace('-', "_")),
                })
            })
            .collect();
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        guests
    }

    /// The connectors that are shipped.
    pub(crate) fn connectors(&self) -> Vec<String> {
        let names = self.guests().into_iter().map(|guest| guest.name);
        let folder = self.root().join("connectors");
        names.filter(|name| folder.join(name).is_dir()).collect()
    }

    pub(crate) fn version(&self, package: &str) -> Result<String> {
        let packages = self.metadata.workspace_packages();
        let found = packages.iter().find(|one| *one.name == package);
        let found = found.with_context(|| format!("there is no package {package}"))?;
        Ok(found.version.to_string())
    }
}
