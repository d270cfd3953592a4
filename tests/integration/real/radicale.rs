//! Radicale, a CardDAV server, with one user and address books of theirs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;

use super::process::{Failed, Server, free_port, step};
use super::python::Python;

pub const USER: &str = "ann";
pub const PASSWORD: &str = "a-password-of-the-test";

pub struct Radicale {
    pub server: Server,
    python: Python,
    /// Outlives the server that works in it.
    data: TempDir,
}

impl Radicale {
    /// Starts with an empty address book.
    pub fn start() -> Result<Self, Failed> {
        let python = Python::of("radicale")?;
        let made = |e: std::io::Error| step("making Radicale's data folder", e);
        let data = TempDir::new().map_err(made)?;
        std::fs::write(data.path().join("users"), format!("{USER}:{PASSWORD}\n")).map_err(made)?;
        make_book(data.path(), "contacts")?;
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
            data,
        })
    }

    /// One more address book, which is empty.
    pub fn add_book(&self, name: &str) -> Result<(), Failed> {
        make_book(self.data.path(), name)
    }

    /// The address book's URL.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/{USER}/contacts/", self.server.port())
    }

    /// The folder in which the server keeps the cards of a book, a file each.
    pub fn folder(&self, book: &str) -> PathBuf {
        folder(self.data.path(), book)
    }

    /// One bare request for what is below the user; the status and the body.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server.port())).unwrap();
        let sign_in = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        write!(
            stream,
            "{method} /{USER}/{path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\
             Authorization: Basic {sign_in}\r\nContent-Type: text/vcard; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
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

fn folder(data: &Path, book: &str) -> PathBuf {
    data.join("storage/collection-root").join(USER).join(book)
}

fn make_book(data: &Path, name: &str) -> Result<(), Failed> {
    let made = |e: std::io::Error| step("making an address book", e);
    let book = folder(data, name);
    std::fs::create_dir_all(&book).map_err(made)?;
    let properties = json!({"tag": "VADDRESSBOOK", "D:displayname": name});
    std::fs::write(book.join(".Radicale.props"), properties.to_string()).map_err(made)
}
