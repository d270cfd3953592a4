//! The program `concord` as a user runs it, in a folder of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::parts::{plugins, program};

pub struct Program {
    program: PathBuf,
    plugins: PathBuf,
    folder: TempDir,
}

impl Program {
    /// With the connectors that `cargo xtask plugins` has built.
    pub fn new() -> Self {
        Self {
            program: program(),
            plugins: plugins(),
            folder: TempDir::new().unwrap(),
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a command that answers with a JSON document.
    pub fn start(&self, line: &str) -> Running {
        let mut command = Command::new(&self.program);
        command
            .arg("--json")
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env("CONCORD_PLUGINS", &self.plugins)
            .env("CONCORD_DB", self.folder.path().join("concord.db"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running {
            line: line.to_owned(),
            child: command.spawn().unwrap(),
        }
    }

    /// Syncs, as this line says, and runs the same run again from its recording: with
    /// neither systems nor secrets nor database it comes to the same, byte for byte.
    pub fn sync(&self, line: &str) -> Value {
        // A database's own files come and go.
        let files = std::fs::read_dir(self.folder()).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        let is_one = |name: &OsString| name.to_string_lossy().ends_with(".recording");
        let file = format!("{}.recording", names.filter(is_one).count());
        let report = self.ask(&format!("{line} --record {file}"));
        let played = self.ask(&format!("--db none.db replay {file}"));
        assert_eq!(played["identical"], true, "{line}: {played:#}");
        assert_eq!(played["cut"], false, "{line}: {played:#}");
        eprintln!("{line}, replayed: {}", played["same"]);
        report
    }

    /// Runs a command to its end, which has to be a good one.
    pub fn ask(&self, line: &str) -> Value {
        self.start(line).ends_with(0)
    }
}

/// A command under way.
pub struct Running {
    line: String,
    child: Child,
}

impl Running {
    /// Waits for the end, which has to be this one, and gives what was said.
    pub fn ends_with(self, code: i32) -> Value {
        let line = self.line;
        let output = self.child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(code),
            "concord {line}\n{text}\n{errors}"
        );
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("concord {line}: {error}\n{text}"))
    }
}
