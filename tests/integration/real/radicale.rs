//! Radicale, a CardDAV server, with one user and one address book.

use tempfile::TempDir;

use super::process::{Failed, Server, free_port, step};
use super::python::Python;

pub const USER: &str = "ann";
pub const PASSWORD: &str = "a-password-of-the-test";

pub struct Radicale {
    pub server: Server,
    python: Python,
    /// Outlives the server that works in it.
    _data: TempDir,
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
        let port = free_port()?;
        let mut command = python.program("python");
        command
            .args(["-m", "radicale", "--config", ""])
            .arg("--storage-filesystem-folder")
            .arg(data.path().join("storage"))
            .args(["--hosts", &format!("127.0.0.1:{port}")])
            .args([
                "--auth-type",
                "htpasswd",
                "--auth-htpasswd-encryption",
                "plain",
            ])
            // A wrong password costs seconds otherwise, and tests try some.
            .args(["--auth-delay", "0"])
            .arg("--auth-htpasswd-filename")
            .arg(data.path().join("users"));
        let log = data.path().join("radicale.log");
        Ok(Self {
            server: Server::start("radicale", command, port, log)?,
            python,
            _data: data,
        })
    }

    /// The address book's URL.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/{USER}/contacts/", self.server.port())
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
