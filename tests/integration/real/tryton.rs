//! Tryton on SQLite, with parties, accounts and customer invoices.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::files;
use super::process::{Failed, Server, free_port, run, step};
use super::python::Python;

pub const USER: &str = "admin";
pub const PASSWORD: &str = "a-password-of-the-test";
pub const DATABASE: &str = "concord";

/// Trytond checks the password at every request; its own choice of hash takes
/// most of a second on a small machine.
const PASSLIB: &str = "[passlib]\nschemes = pbkdf2_sha512\npbkdf2_sha512__default_rounds = 1000\n";

pub struct Tryton {
    pub server: Server,
    python: Python,
    /// Outlives the server that works in it.
    _data: TempDir,
}

impl Tryton {
    /// Starts on a copy of a database that has a company and no parties.
    pub fn start() -> Result<Self, Failed> {
        let python = Python::of("tryton")?;
        let template = template(&python)?;
        let made = |e: io::Error| step("making Tryton's data folder", e);
        let data = TempDir::new().map_err(made)?;
        let database = format!("{DATABASE}.sqlite");
        fs::copy(template.join(&database), data.path().join(&database)).map_err(made)?;
        let port = free_port()?;
        write_configuration(data.path(), port)?;
        let mut command = python.program("trytond");
        command
            .arg("-c")
            .arg(configuration(data.path()))
            .args(["-d", DATABASE]);
        let log = data.path().join("trytond.log");
        Ok(Self {
            server: Server::start("trytond", command, port, log)?,
            python,
            _data: data,
        })
    }

    /// The configuration key `base_url`; the key `database` is [`DATABASE`].
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// What a person does with Tryton's own client library, proteus
    /// (tests/real/tryton/people.py).
    pub fn people(
        &self,
        verb: &str,
        input: &serde_json::Value,
    ) -> Result<serde_json::Value, Failed> {
        let url = format!(
            "http://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}/",
            self.server.port()
        );
        self.python.script("people.py", &[&url, verb], input)
    }
}

fn configuration(folder: &Path) -> PathBuf {
    folder.join("trytond.conf")
}

fn write_configuration(folder: &Path, port: u16) -> Result<(), Failed> {
    let made = |e: io::Error| step("writing Tryton's configuration", e);
    let passlib = folder.join("passlib.ini");
    fs::write(&passlib, PASSLIB).map_err(made)?;
    let text = format!(
        "[database]\nuri = sqlite://\npath = {}\n[web]\nlisten = 127.0.0.1:{port}\n[password]\npasslib = {}\n",
        folder.display(),
        passlib.display()
    );
    fs::write(configuration(folder), text).map_err(made)
}

/// Creating the database takes a minute: it is done once for each list of
/// packages and set-up, and copied for each test.
fn template(python: &Python) -> Result<PathBuf, Failed> {
    static CREATING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    let made = |error: io::Error| step("creating the Tryton database", error);
    let company = files("tryton").join("company.py");
    let mut hash = blake3::Hasher::new();
    for source in [&files("tryton").join("requirements.txt"), &company] {
        hash.update(&fs::read(source).map_err(made)?);
    }
    let key = hash.update(PASSLIB.as_bytes()).finalize().to_hex();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("tryton")
        .join(&key[..16]);
    // Written last: a database that was cut short is made again.
    let ready = folder.join("ready");
    if ready.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(made)?;
    }
    fs::create_dir_all(&folder).map_err(made)?;
    eprintln!(
        "creating the Tryton database in {} (once, about a minute)",
        folder.display()
    );
    fill(python, &folder, &company)?;
    fs::write(ready, "").map_err(made)?;
    Ok(folder)
}

fn fill(python: &Python, folder: &Path, company: &Path) -> Result<(), Failed> {
    let made = |error: io::Error| step("creating the Tryton database", error);
    write_configuration(folder, 0)?;
    let password = folder.join("password");
    fs::write(&password, PASSWORD).map_err(made)?;
    // For SQLite, trytond takes an empty file as a database to fill.
    fs::write(folder.join(format!("{DATABASE}.sqlite")), "").map_err(made)?;
    let admin = |arguments: &[&str]| {
        let mut command = python.program("trytond-admin");
        command
            .arg("-c")
            .arg(configuration(folder))
            .args(["-d", DATABASE])
            .args(arguments);
        run("trytond-admin", command.env("TRYTONPASSFILE", &password))
    };
    admin(&["--all", "--email", "admin@example.com"])?;
    admin(&[
        "-u",
        "party",
        "account",
        "account_invoice",
        "--activate-dependencies",
    ])?;
    let mut command = python.program("python");
    command
        .arg(company)
        .arg(configuration(folder))
        .arg(DATABASE);
    run("company.py", &mut command).map(drop)
}
