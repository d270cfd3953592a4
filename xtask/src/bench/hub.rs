//! The program under measurement, with a database and connections of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::figures::Measured;
use super::ground::{Database, Ground};
use crate::stage::Stage;
use crate::stage::twin::Twin;

/// The role of the hub on a server, with the password that it is made with.
const ROLE: &str = "hub:hub";

pub(super) struct Hub<'a> {
    stage: &'a Stage,
    ground: &'a Ground,
    folder: PathBuf,
    database: Database<'a>,
}

impl<'a> Hub<'a> {
    /// One connection a twin, with all quotas lifted.
    pub(super) fn new(
        stage: &'a Stage,
        ground: &'a Ground,
        name: &str,
        twins: &[&Twin],
    ) -> Result<Self> {
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
        let hub = Self {
            stage,
            ground,
            database: ground.database(&folder, &format!("concord_{name}")),
            folder,
        };
        hub.forget()?;
        Ok(hub)
    }

    /// Begins again with an empty database.
    pub(super) fn forget(&self) -> Result<()> {
        self.database.renew()?;
        if self.database.is_on_a_server() {
            self.run(&["db", "setup", "--owner", &self.database.admin()])?;
        } else {
            self.run(&["init"])?;
        }
        self.run(&["apply", "-f", "concord.yaml"]).map(drop)
    }

    /// Applies a configuration with more at its top and more secrets.
    pub(super) fn apply_with(&self, top: &str, secrets: &str) -> Result<()> {
        let path = self.folder.join("concord.yaml");
        let config = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let token = "token: { env: HUBSPOT_TOKEN }";
        let config = config.replace(token, &format!("{token}, {secrets}"));
        std::fs::write(&path, format!("{top}{config}"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.run_quietly(&["apply", "-f", "concord.yaml"])
    }

    pub(super) fn run_quietly(&self, words: &[&str]) -> Result<()> {
        self.run(words).map(drop)
    }

    /// Starts to serve; gives the process.
    pub(super) fn serve(&self, address: &str) -> Result<u32> {
        let mut command = self.command("--quiet", &["serve", "--listen", address]);
        self.stage.children.start_alone(&mut command)
    }

    /// Puts the database as it is now aside.
    pub(super) fn keep(&self) -> Result<()> {
        self.database.keep()
    }

    /// Takes what was put aside.
    pub(super) fn go_back(&self) -> Result<()> {
        self.database.go_back()
    }

    /// One sync, measured.
    pub(super) fn sync(&self, options: &[&str]) -> Result<Measured> {
        self.ground.measure(|| {
            let mut words = vec!["sync", "--timings"];
            words.extend(options);
            let (report, mut measured) = self.run(&words)?;
            check(&report)?;
            let stages = report["cpu"]["stages_ms"].as_object().into_iter().flatten();
            measured.stages_ms = stages
                .filter_map(|(name, ms)| Some((name.clone(), ms.as_f64()?)))
                .collect();
            Ok(measured)
        })
    }

    /// One sync, looked at whenever it tells how far it is.
    pub(super) fn watch(&self, mut look: impl FnMut(u32, &str) -> Result<()>) -> Result<Measured> {
        self.ground.measure(|| {
            let mut command = self.command("--json --verbose", &["sync"]);
            command.env("CONCORD_LOG", "error");
            let ended = self.stage.children.run_watched(&mut command, &mut look)?;
            if !ended.status.success() {
                bail!("a sync ended with {}: {}", ended.status, ended.output);
            }
            Ok(Measured::from(&ended))
        })
    }

    /// Gives the disk space back.
    pub(super) fn remove(self) -> Result<()> {
        self.database.remove()?;
        std::fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))
    }

    fn run(&self, words: &[&str]) -> Result<(Value, Measured)> {
        let mut command = self.command("--json --quiet", words);
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

    fn command(&self, options: &str, words: &[&str]) -> Command {
        let mut command = self.stage.command(options);
        command
            .args(words)
            .current_dir(&self.folder)
            .env("CONCORD_DB", self.database.address(ROLE));
        command
    }
}

fn check(report: &Value) -> Result<()> {
    for (name, stream) in report["streams"].as_object().into_iter().flatten() {
        if let Some(reason) = stream["stopped"].as_str() {
            bail!("{name} stopped: {reason}");
        }
    }
    Ok(())
}
