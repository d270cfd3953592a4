//! Runs `concord` with a folder, a database and variables of its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::parts;

pub struct Program {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// None where a signal ended it.
    pub code: Option<i32>,
    /// What it printed, which is one JSON document; null where it was cut off.
    pub document: Value,
    pub stderr: String,
}

impl Ended {
    /// The document of a command that has to succeed.
    pub fn fine(self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.document
    }

    /// Ended with this code, and its message has all these parts.
    pub fn refuses(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let said = format!("{} {}", self.document, self.stderr);
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {self:?}");
        }
        assert!(!said.contains("panicked"), "{self:?}");
    }
}

/// A command that is under way.  It ends with this value at the latest.
pub struct Running {
    /// None where its end was waited for.
    child: Option<Child>,
}

impl Running {
    fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child().try_wait().unwrap().is_some()
    }

    /// Waits until it has told the person something that contains this, and gives
    /// that line.
    pub fn told(&mut self, part: &str) -> String {
        let stderr = self.child().stderr.as_mut().unwrap();
        // A buffer of one byte keeps nothing that belongs to what is read at the
        // end.
        let lines = BufReader::with_capacity(1, stderr).lines();
        let mut lines = lines.map_while(Result::ok);
        lines
            .find(|line| line.contains(part))
            .unwrap_or_else(|| panic!("it ended without a word of {part:?}"))
    }

    /// Waits for its next document: one that goes on prints one a line.
    pub fn says(&mut self) -> Value {
        let stdout = self.child().stdout.as_mut().unwrap();
        let mut line = String::new();
        let mut lines = BufReader::with_capacity(1, stdout);
        lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no document: {line:?}"))
    }

    /// Types a line.
    pub fn type_in(&mut self, line: &str) {
        let input = self.child().stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// SIGKILL: nothing of it runs any more.
    pub fn kill(mut self) {
        self.child().kill().unwrap();
        self.child().wait().unwrap();
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// A process that has ended stays one until its end was waited for.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    pub fn end(mut self) -> Ended {
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        Ended {
            code: output.status.code(),
            document: serde_json::from_str(&text).unwrap_or(Value::Null),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // One that has ended already cannot be ended, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Program {
    /// A folder with an empty database.
    pub fn new() -> Self {
        let program = Self {
            folder: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
        };
        program.run("init").fine();
        program
    }

    /// A folder, with an empty database on a PostgreSQL.
    pub fn on_server(database: &concord_cluster::Database) -> Self {
        let mut program = Self {
            folder: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
        };
        program.set("CONCORD_DB", &database.hub);
        program.set("CONCORD_DB_OWNER", &database.owner);
        program.run("db setup").fine();
        program
    }

    pub fn set(&mut self, variable: &str, text: &str) {
        self.variables.insert(variable.to_owned(), text.to_owned());
    }

    pub fn unset(&mut self, variable: &str) {
        self.variables.remove(variable);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn database(&self) -> PathBuf {
        self.path("concord.db")
    }

    pub fn apply(&self, config: &str) -> Ended {
        std::fs::write(self.path("concord.yaml"), config).unwrap();
        self.run("apply -f concord.yaml")
    }

    /// Runs a command to its end; no argument of these tests has a space.
    pub fn run(&self, line: &str) -> Ended {
        self.start(line).end()
    }

    pub fn start(&self, line: &str) -> Running {
        let mut command = Command::new(parts::program());
        self.spawn(command.args(words(line)).stdin(Stdio::null()))
    }

    /// The same, for a person who answers.
    pub fn start_asking(&self, line: &str) -> Running {
        let mut command = Command::new(parts::program());
        self.spawn(command.args(words(line)).stdin(Stdio::piped()))
    }

    /// The same, with one more variable.
    pub fn start_with(&self, line: &str, variable: &str, text: &str) -> Running {
        let mut command = Command::new(parts::program());
        self.spawn(
            command
                .args(words(line))
                .stdin(Stdio::null())
                .env(variable, text),
        )
    }

    /// The same on a disk that takes no file larger than so many blocks of 512
    /// bytes: what is beyond fails as it would on a full one.
    pub fn run_confined(&self, line: &str, blocks: u64) -> Ended {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(parts::program());
        self.spawn(command.args(words(line)).stdin(Stdio::null()))
            .end()
    }

    /// The same, with a text on its standard input.
    pub fn run_with_input(&self, line: &str, text: &str) -> Ended {
        let mut command = Command::new(parts::program());
        let mut running = self.spawn(command.args(words(line)).stdin(Stdio::piped()));
        let mut input = running.child().stdin.take().unwrap();
        // Whoever refuses before it reads closes the pipe.
        let _ = input.write_all(text.as_bytes());
        drop(input);
        running.end()
    }

    fn spawn(&self, command: &mut Command) -> Running {
        let child = command
            .arg("--json")
            .current_dir(self.folder.path())
            .env("CONCORD_DB", self.database())
            .env("CONCORD_PLUGINS", parts::plugins())
            .env("XDG_CACHE_HOME", cache())
            .env_remove("CONCORD_LOG")
            .env_remove("CONCORD_KEY")
            .envs(&self.variables)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { child: Some(child) }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

/// Compiled components are kept from one test to the next.
pub fn cache() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
