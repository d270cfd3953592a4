//! Scripts in which somebody else's client does what a person would do.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::files;
use super::process::{Failed, good, step};
use crate::venv;

/// An environment with exactly the packages of the system's
/// `requirements.txt`.
pub struct Python {
    system: &'static str,
    interpreter: PathBuf,
}

impl Python {
    pub fn of(system: &'static str) -> Result<Self, Failed> {
        let requirements = files(system).join("requirements.txt");
        let interpreter = venv::python(&requirements).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failed::NoPython,
            _ => step("installing the pinned packages", error),
        })?;
        Ok(Self {
            system,
            interpreter,
        })
    }

    /// A program of the environment: `python`, `trytond`.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.interpreter.with_file_name(name));
        // The checkout stays clean, and no proxy comes between.
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONWARNINGS", "ignore")
            .env("NO_PROXY", "127.0.0.1");
        command
    }

    /// Runs one of the system's scripts with this input, and gives the JSON
    /// that it prints.
    pub fn script(&self, name: &str, arguments: &[&str], input: &Value) -> Result<Value, Failed> {
        let what = format!("{}/{name}", self.system);
        let failed = |error: io::Error| step(&what, error);
        let mut child = self
            .program("python")
            .arg(files(self.system).join(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(input.to_string().as_bytes())
                .map_err(failed)?;
        }
        let output = good(&what, child.wait_with_output().map_err(failed)?)?;
        serde_json::from_slice(&output.stdout).map_err(|error| step(&what, error))
    }
}
