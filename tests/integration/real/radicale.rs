//! Radicale, a CardDAV server, with one user and one address book.

use std::path::PathBuf;

use tempfile::TempDir;

use super::process::{Failed, Server, free_port, step};
use super::python::Python;

pub const USER: &str = "ann";
pub const PASSWORD: &str = "a-password-of-the-test";

pub struct Radicale {
    python: Python,
    data: TempDir,
    port: u16,
    server: Option<Server>,
}

impl Radicale {
    /// Starts with an empty address book.
    pub fn start() -> Result<Self, Failed> {
        let python = Python::of("radicale")?;
        let made = |e: std::io::Error| step("making Radicale's data folder", e);
        let data = TempDir::new().map_err(made)?;
        std::fs::write(data.path().join("users"), format!("{USER}:{PASSWORD}\n")).map_err(made)?;
        let book = data
            .path()
            .join("storage/collection-root")
            .join(USER)
            .join("contacts");
        std::fs::create_dir_all(&book).map_err(made)?;
        let properties = r#"{"tag": "VADDRESSBOOK", "D:displayname": "Contacts"}"#;
        std::fs::write(book.join(".Radicale.props"), properties).map_err(made)?;
        let mut radicale = Self {
            python,
            data,
            port: free_port()?,
            server: None,
        };
        radicale.up()?;
        Ok(radicale)
    }

    fn up(&mut self) -> Result<(), Failed> {
        let mut command = self.python.program("python");
        command
            .args(["-m", "radicale", "--config", ""])
            .arg("--storage-filesystem-folder")
            .arg(self.data.path().join("storage"))
            .args(["--hosts", &format!("127.0.0.1:{}", self.port)])
            .args([
                "--auth-type",
                "htpasswd",
                "--auth-htpasswd-encryption",
                "plain",
            ])
            // A wrong password costs seconds otherwise, and tests try some.
            .args(["--auth-delay", "0"])
            .arg("--auth-htpasswd-filename")
            .arg(self.data.path().join("users"));
        self.server = Some(Server::start(
            "radicale",
            &mut command,
            self.port,
            &self.log(),
        )?);
        Ok(())
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Stops and starts again with the same data on the same port.
    pub fn restart(&mut self) -> Result<(), Failed> {
        self.stop();
        self.up()
    }

    pub fn log(&self) -> PathBuf {
        self.data.path().join("radicale.log")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// The address book's URL.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/{USER}/contacts/", self.port)
    }

    /// What a person does with another client (tests/real/radicale/people.py).
    pub fn people(
        &self,
        verb: &str,
        input: &serde_json::Value,
    ) -> Result<serde_json::Value, Failed> {
        self.python.script(
            "people.py",
            &[&self.base_url(), USER, PASSWORD, verb],
            input,
        )
    }
}
