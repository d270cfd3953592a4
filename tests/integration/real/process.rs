//! Somebody else's programs as child processes: one that runs to its end, and a
//! server on loopback.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long a server may take to its first answer: this many waits of `WAIT`.
const TRIES: u32 = 1200;
const WAIT: Duration = Duration::from_millis(100);

/// Why a real system is not there, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("python3 with its venv module is needed: apt-get install python3 python3-venv")]
    NoPython,
    #[error(
        "Node.js 20.19 or later with npm is needed: apt-get install nodejs npm \
         (Debian 13 or later; elsewhere as nodejs.org/en/download says)"
    )]
    NoNode,
    #[error("{what} failed: {problem}")]
    Step { what: String, problem: String },
    #[error("{name} ended before it answered; the end of {log}:\n{tail}")]
    Ended {
        name: String,
        log: String,
        tail: String,
    },
    #[error("{name} did not answer in time; the end of {log}:\n{tail}")]
    Silent {
        name: String,
        log: String,
        tail: String,
    },
}

pub fn step(what: &str, problem: impl ToString) -> Failed {
    Failed::Step {
        what: what.to_owned(),
        problem: problem.to_string(),
    }
}

/// Runs to the end; a failure carries what was said on the error stream.
pub fn run(what: &str, command: &mut Command) -> Result<Output, Failed> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| step(what, error))?;
    good(what, output)
}

pub fn good(what: &str, output: Output) -> Result<Output, Failed> {
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(step(what, format!("{}: {}", output.status, said.trim())))
}

/// A port that nobody listens on now.
pub fn free_port() -> Result<u16, Failed> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| step("finding a free port", e))?;
    Ok(listener
        .local_addr()
        .map_err(|e| step("finding a free port", e))?
        .port())
}

/// A server on loopback.  It ends with this value.
pub struct Server {
    name: &'static str,
    command: Command,
    port: u16,
    log: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Starts the command and waits until it answers HTTP on the port.
    pub fn start(
        name: &'static str,
        command: Command,
        port: u16,
        log: PathBuf,
    ) -> Result<Self, Failed> {
        let mut server = Self {
            name,
            command,
            port,
            log,
            child: None,
        };
        server.up()?;
        Ok(server)
    }

    fn up(&mut self) -> Result<(), Failed> {
        let what = format!("starting {}", self.name);
        let out = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|e| step(&what, e))?;
        let err = out.try_clone().map_err(|e| step(&what, e))?;
        self.command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = self.command.spawn().map_err(|e| step(&what, e))?;
        let child = self.child.insert(child);
        for _ in 0..TRIES {
            if answers(self.port) {
                return Ok(());
            }
            if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
                let name = self.name.to_owned();
                let (log, tail) = self.log_tail();
                return Err(Failed::Ended { name, log, tail });
            }
            std::thread::sleep(WAIT);
        }
        let name = self.name.to_owned();
        let (log, tail) = self.log_tail();
        Err(Failed::Silent { name, log, tail })
    }

    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if let Err(error) = child.kill().and_then(|()| child.wait()) {
            let name = self.name;
            eprintln!("{name} (pid {}) could not be stopped: {error}", child.id());
        }
    }

    /// Stops and starts again with the same data on the same port.
    pub fn restart(&mut self) -> Result<(), Failed> {
        self.stop();
        self.up()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn log_tail(&self) -> (String, String) {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        (self.log.display().to_string(), tail)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Any HTTP answer will do: servers differ in what they say to a stranger.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/")
    };
    ask().unwrap_or(false)
}
