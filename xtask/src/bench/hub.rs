//! The program under measurement, with a database and connections of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::figures::Measured;
use super::floor::remove;
use crate::stage::Stage;
use crate::stage::twin::Twin;

/// What a database consists of while it is open.
const FILES: [&str; 3] = ["concord.db", "concord.db-wal", "concord.db-shm"];

pub(super) struct Hub<'a> {
    stage: &'a Stage,
    folder: PathBuf,
}

impl<'a> Hub<'a> {
    /// One connection a twin, with all quotas lifted.
    pub(super) fn new(stage: &'a Stage, name: &str, twins: &[&Twin]) -> Result<Self> {
        let folder = stage.folder.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let mut config = "connections:\n".to_owned();
        for twin in twins {
            config += &format!(
                "  {}:\n    connector: hubspot\n    config: {{ base_url: \"{}\" }}\n    \
                 secrets: {{ token: {{ env: HUBSPOT_TOKEN }} }}\n    \
                 network: {{ allow-private: true }}\n    \
                 quotas: [{{ class: \"\" }}, {{ class: search }}]\n",
                twin.name, twin.address
            );
        }
        let path = folder.join("concord.yaml");
        std::fs::write(&path, config)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let hub = Self { stage, folder };
        hub.forget()?;
        Ok(hub)
    }

    /// Begins again with an empty database.
    pub(super) fn forget(&self) -> Result<()> {
        for file in FILES {
            remove(&self.folder.join(file))?;
        }
        self.run(&["init"])?;
        self.run(&["apply", "-f", "concord.yaml"]).map(drop)
    }

    /// Puts the database as it is now aside.
    pub(super) fn keep(&self) -> Result<()> {
        self.copy(&self.folder, &self.aside())
    }

    /// Takes what was put aside.
    pub(super) fn go_back(&self) -> Result<()> {
        self.copy(&self.aside(), &self.folder)
    }

    /// One sync, measured.
    pub(super) fn sync(&self, options: &[&str]) -> Result<Measured> {
        let mut words = vec!["sync", "--timings"];
        words.extend(options);
        let (report, mut measured) = self.run(&words)?;
        if let Some(streams) = report["streams"].as_object() {
            for (name, stream) in streams {
                if let Some(reason) = stream["stopped"].as_str() {
                    bail!("{name} stopped: {reason}");
                }
            }
        }
        let stages = report["cpu"]["stages_ms"].as_object().into_iter().flatten();
        measured.stages_ms = stages
            .filter_map(|(name, ms)| Some((name.clone(), ms.as_f64()?)))
            .collect();
        Ok(measured)
    }

    /// Gives the disk space back.
    pub(super) fn remove(self) -> Result<()> {
        std::fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))
    }

    fn aside(&self) -> PathBuf {
        self.folder.join("aside")
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::create_dir_all(to)?;
        for file in FILES {
            remove(&to.join(file))?;
            if from.join(file).exists() {
                let copied = std::fs::copy(from.join(file), to.join(file))
                    .and_then(|_| std::fs::File::open(to.join(file))?.sync_all());
                // What is not on the disk yet would be written at the cost of
                // the run that is measured.
                copied.with_context(|| format!("cannot copy {file}"))?;
            }
        }
        Ok(())
    }

    fn run(&self, words: &[&str]) -> Result<(Value, Measured)> {
        let mut command = self.stage.command("--json --quiet");
        command
            .args(words)
            .current_dir(&self.folder)
            .env("CONCORD_DB", self.folder.join(FILES[0]));
        let ended = self.stage.children.run(&mut command)?;
        if !ended.status.success() {
            bail!(
                "`concord {}` ended with {}: {}",
                words.join(" "),
                ended.status,
                ended.output
            );
        }
        let document = serde_json::from_str(&ended.output)
            .with_context(|| format!("`concord {}` printed no JSON", words.join(" ")))?;
        Ok((document, Measured::from(&ended)))
    }
}
