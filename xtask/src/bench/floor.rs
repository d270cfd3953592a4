//! The floor in a process of its own, measured as the hub is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::figures::Measured;
use super::ground::{Database, Ground};
use crate::stage::Stage;
use crate::stage::children::Children;
use crate::stage::twin::Twin;

pub(super) struct Floor<'a> {
    program: PathBuf,
    folder: &'a Path,
    children: Children,
    ground: &'a Ground,
    database: Database<'a>,
}

impl<'a> Floor<'a> {
    /// It lies beside the program.
    pub(super) fn beside(stage: &'a Stage, ground: &'a Ground) -> Self {
        let name = format!("concord-floor{}", std::env::consts::EXE_SUFFIX);
        Self {
            program: stage.program.with_file_name(name),
            folder: &stage.folder,
            children: stage.children.clone(),
            ground,
            database: ground.database(&stage.folder, "floor"),
        }
    }

    /// Loads into a new database; only what changed since a moment, if one is
    /// given.
    pub(super) fn load(&self, twin: &Twin, shaped: bool, since: Option<i64>) -> Result<Measured> {
        self.database.renew()?;
        let mut command = self.command(twin);
        command.arg("load").arg("--db").arg(self.database.admin());
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
        self.database.renew()?;
        let mut command = self.command(twin);
        command.arg("push").arg("--records").arg(list);
        if shaped {
            command.arg("--db").arg(self.database.admin());
        }
        self.measure(&mut command)
    }

    fn command(&self, twin: &Twin) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--url").arg(&twin.address);
        command
    }

    fn measure(&self, command: &mut Command) -> Result<Measured> {
        self.ground.measure(|| {
            let ended = self.children.run(command)?;
            if !ended.status.success() {
                bail!("the floor ended with {}", ended.status);
            }
            Ok(Measured::from(&ended))
        })
    }
}
