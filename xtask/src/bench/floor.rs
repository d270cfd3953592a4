//! The floor in a process of its own, measured as the hub is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::figures::Measured;
use crate::stage::Stage;
use crate::stage::children::Children;
use crate::stage::twin::Twin;

pub(super) struct Floor {
    program: PathBuf,
    folder: PathBuf,
    children: Children,
}

impl Floor {
    /// It lies beside the program.
    pub(super) fn beside(stage: &Stage) -> Self {
        let name = format!("concord-floor{}", std::env::consts::EXE_SUFFIX);
        Self {
            program: stage.program.with_file_name(name),
            folder: stage.folder.clone(),
            children: stage.children.clone(),
        }
    }

    /// Loads into a new database; only what changed since a moment, if one is
    /// given.
    pub(super) fn load(&self, twin: &Twin, shaped: bool, since: Option<i64>) -> Result<Measured> {
        let db = self.new_database()?;
        let mut command = self.command(twin);
        command.arg("load").arg("--db").arg(&db);
        if shaped {
            command.arg("--shaped");
        }
        if let Some(since) = since {
            command.arg("--since").arg(since.to_string());
        }
        self.measure(&mut command)
    }

    /// Writes down what a twin knows, one contact a line.
    pub(super) fn take(&self, twin: &Twin) -> Result<PathBuf> {
        let list = self.folder.join("contacts.jsonl");
        let mut command = self.command(twin);
        command.arg("take").arg("--into").arg(&list);
        self.measure(&mut command)?;
        Ok(list)
    }

    pub(super) fn push(&self, twin: &Twin, list: &Path, shaped: bool) -> Result<Measured> {
        let db = self.new_database()?;
        let mut command = self.command(twin);
        command.arg("push").arg("--records").arg(list);
        if shaped {
            command.arg("--db").arg(&db);
        }
        self.measure(&mut command)
    }

    fn command(&self, twin: &Twin) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--url").arg(&twin.address);
        command
    }

    fn new_database(&self) -> Result<PathBuf> {
        let path = self.folder.join("floor.db");
        for ending in ["", "-wal", "-shm"] {
            let mut file = path.clone().into_os_string();
            file.push(ending);
            remove(Path::new(&file))?;
        }
        Ok(path)
    }

    fn measure(&self, command: &mut Command) -> Result<Measured> {
        let ended = self.children.run(command)?;
        if !ended.status.success() {
            bail!("the floor ended with {}", ended.status);
        }
        Ok(Measured::from(&ended))
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
