//! A PostgreSQL of a test run's own: on a free port, in a folder for the time of
//! the run, gone when whoever started it is gone.
//!
//! `cargo xtask test` starts one for all test binaries and names it in
//! `CONCORD_TEST_POSTGRES`; a binary that finds no name starts its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names the address of a running cluster: `127.0.0.1:5433`.
pub const VARIABLE: &str = "CONCORD_TEST_POSTGRES";

/// The command that installs what this needs.
pub const INSTALL: &str = "apt-get install --no-install-recommends postgresql-15";

/// For many clients that do little.  What a test writes need not survive a power
/// cut.
const FOR_TESTS: &str = "\
max_connections = 400
shared_buffers = 64MB
fsync = off
full_page_writes = off
autovacuum_naptime = 10s";

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("PostgreSQL 15 or later is not there: {INSTALL}")]
    Missing,
    #[error("PostgreSQL did not start: {0}")]
    Start(String),
    #[error("{program} failed: {problem}")]
    Client {
        program: &'static str,
        problem: String,
    },
}

/// A cluster that this process started; stops when it is dropped, and when the
/// process ends.
pub struct Cluster {
    child: Child,
    /// Its end tells the child to stop.
    stdin: Option<ChildStdin>,
    said: Option<BufReader<ChildStdout>>,
    address: String,
    process: u32,
}

impl Cluster {
    pub fn start() -> Result<Self, Fault> {
        Self::start_with(FOR_TESTS)
    }

    /// One with settings of the caller's, a line of `postgresql.conf` each.
    pub fn start_with(settings: &str) -> Result<Self, Fault> {
        let programs = programs().ok_or(Fault::Missing)?;
        let failed = |error: std::io::Error| Fault::Start(error.to_string());
        let port = free_port().map_err(failed)?;
        let mut command = as_somebody();
        command
            .args(["sh", "-c", include_str!("keep.sh"), "keep"])
            .arg(programs)
            .arg(port.to_string())
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let stdin = child.stdin.take();
        let mut said = child.stdout.take().map(BufReader::new);
        let mut line = String::new();
        if let Some(said) = &mut said {
            said.read_line(&mut line).map_err(failed)?;
        }
        let process = line.trim().strip_prefix("ready ");
        let Some(process) = process.and_then(|number| number.parse().ok()) else {
            let end = child.wait().map_err(failed)?;
            return Err(Fault::Start(format!("its keeper ended with {end}")));
        };
        Ok(Self {
            child,
            stdin,
            said,
            address: format!("127.0.0.1:{port}"),
            process,
        })
    }

    /// The server is cut off in the middle of whatever it does, as by a crash of
    /// its machine's memory, and refuses connections.
    pub fn stop(&mut self) -> Result<(), Fault> {
        self.tell("stop")
    }

    /// It is there again, on the same port, with what was committed.
    pub fn start_again(&mut self) -> Result<(), Fault> {
        self.tell("start")
    }

    fn tell(&mut self, word: &str) -> Result<(), Fault> {
        let failed = |error: std::io::Error| Fault::Start(error.to_string());
        let mut line = String::new();
        if let (Some(stdin), Some(said)) = (&mut self.stdin, &mut self.said) {
            writeln!(stdin, "{word}").map_err(failed)?;
            said.read_line(&mut line).map_err(failed)?;
        }
        if line.trim() != word {
            return Err(Fault::Start(format!("its keeper said {line:?} to {word}")));
        }
        Ok(())
    }

    /// Makes a database in this cluster.
    pub fn database(&self) -> Result<Database, Fault> {
        database_in(&self.address)
    }

    /// What [`VARIABLE`] is to hold.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process that all others of the server are children of, until it is
    /// stopped.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Runs one statement as the one who may do everything, `admin`.
    pub fn sql(&self, database: &str, text: &str) -> Result<(), Fault> {
        sql(&self.address, database, text)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It has been told; there is nothing to do about a failure.
        let _ = self.child.wait();
    }
}

/// A database of its own with nothing in it yet, and the roles for it.
#[derive(Clone, Debug)]
pub struct Database {
    /// The address for the role that owns it and may make roles.
    pub owner: String,
    /// The address for the hub's role, which does not exist yet.
    pub hub: String,
    /// The address for the one who may do everything.
    pub admin: String,
}

impl Database {
    /// Runs statements as the one who may do everything, and gives the rows of
    /// the last, a line each, its values apart by tabulators.
    pub fn tell(&self, text: &str) -> Result<Vec<String>, Fault> {
        tell(&self.admin, text)
    }
}

/// Makes a database in the cluster of this run.
pub fn database() -> Result<Database, Fault> {
    database_in(&address()?)
}

fn database_in(address: &str) -> Result<Database, Fault> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    // Other test binaries make theirs in the same cluster.
    let process = std::process::id();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("concord_{process}_{number}");
    let text = format!("CREATE ROLE owner_{name} LOGIN CREATEROLE PASSWORD 'owner'");
    sql(address, "postgres", &text)?;
    let text = format!("CREATE DATABASE {name} OWNER owner_{name}");
    sql(address, "postgres", &text)?;
    let url = |user: String| format!("postgres://{user}@{address}/{name}");
    Ok(Database {
        owner: url(format!("owner_{name}:owner")),
        hub: url(format!("hub_{name}:hub")),
        admin: url("admin".to_owned()),
    })
}

/// The address of the cluster of this run.  A cluster that this process starts
/// for it ends with the process.
fn address() -> Result<String, Fault> {
    static OWN: OnceLock<Result<Cluster, String>> = OnceLock::new();
    if let Ok(address) = std::env::var(VARIABLE) {
        return Ok(address);
    }
    let own = OWN.get_or_init(|| Cluster::start().map_err(|fault| fault.to_string()));
    match own {
        Ok(cluster) => Ok(cluster.address.clone()),
        Err(problem) => Err(Fault::Start(problem.clone())),
    }
}

/// Runs one statement as the one who may do everything.
fn sql(address: &str, database: &str, text: &str) -> Result<(), Fault> {
    tell(&format!("postgres://admin@{address}/{database}"), text).map(drop)
}

/// Runs statements, and gives the rows of the last, a line each.
fn tell(url: &str, text: &str) -> Result<Vec<String>, Fault> {
    let failed = |problem: String| Fault::Client {
        program: "psql",
        problem,
    };
    let programs = programs().ok_or(Fault::Missing)?;
    let output = Command::new(programs.join("psql"))
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"])
        .args(["--tuples-only", "--no-align", "--field-separator=\t"])
        .arg(format!("--dbname={url}"))
        .arg(format!("--command={text}"))
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        let rows = String::from_utf8_lossy(&output.stdout);
        return Ok(rows.lines().map(str::to_owned).collect());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// The folder with the server's programs, the newest of those that are there:
/// Debian keeps them out of the search path.
pub fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(version, folder)| *version >= 15 && folder.join("initdb").exists())
        .collect();
    folders.sort();
    let installed = folders.pop().map(|(_, folder)| folder);
    installed.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    })
}

/// PostgreSQL refuses to run as root, so root becomes somebody else.
fn as_somebody() -> Command {
    #[cfg(unix)]
    if rustix::process::getuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
        return command;
    }
    Command::new("env")
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_stops_when_it_is_dropped() {
        let cluster = Cluster::start().unwrap();
        let address = cluster.address().to_owned();
        let text = "CREATE TABLE here (it integer)";
        cluster.sql("postgres", text).unwrap();
        drop(cluster);
        let error = sql(&address, "postgres", "SELECT 1").unwrap_err();
        assert!(error.to_string().contains("psql failed"), "{error}");
    }
}
