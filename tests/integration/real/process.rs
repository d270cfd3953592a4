//! A server of somebody else's as a child process on loopback.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a server may take to its first answer: this many waits of `WAIT`.
const TRIES: u32 = 1200;
const WAIT: Duration = Duration::from_millis(100);

/// Why a real system is not there, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("python3 with its venv module is needed: apt-get install python3 python3-venv")]
    NoPython,
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

/// A port that nobody listens on now.
pub fn free_port() -> Result<u16, Failed> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| step("finding a free port", e))?;
    Ok(listener
        .local_addr()
        .map_err(|e| step("finding a free port", e))?
        .port())
}

/// A running server.  It ends with this value.
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts the command and waits until it answers HTTP on the port.
    pub fn start(
        name: &'static str,
        command: &mut Command,
        port: u16,
        log: &Path,
    ) -> Result<Self, Failed> {
        let what = format!("starting {name}");
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|e| step(&what, e))?;
        let err = out.try_clone().map_err(|e| step(&what, e))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|e| step(&what, e))?;
        let mut server = Self {
            name,
            child,
            log: log.to_owned(),
        };
        for _ in 0..TRIES {
            if answers(port) {
                return Ok(server);
            }
            if matches!(server.child.try_wait(), Ok(Some(_)) | Err(_)) {
                let (log, tail) = server.log_tail();
                return Err(Failed::Ended {
                    name: name.to_owned(),
                    log,
                    tail,
                });
            }
            std::thread::sleep(WAIT);
        }
        let (log, tail) = server.log_tail();
        Err(Failed::Silent {
            name: name.to_owned(),
            log,
            tail,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
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
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!(
                "{} (pid {}) could not be stopped: {error}",
                self.name,
                self.child.id()
            );
        }
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
