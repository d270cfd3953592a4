//! Where the databases of a bench lie: files of its folder, or a server of its
//! own, whose processor time counts as that of its client does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::figures::Measured;
use super::server::{self, Server};

/// What a database in a file consists of while it is open.
const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// The role of the one who may do everything.
const ADMIN: &str = "admin";

pub(super) enum Ground {
    Files,
    Server(Server),
}

impl Ground {
    /// The word for it in the report.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Files => "sqlite",
            Self::Server(_) => "postgres",
        }
    }

    /// A database that is not there yet.
    pub(super) fn database<'a>(&'a self, folder: &Path, name: &str) -> Database<'a> {
        Database {
            ground: self,
            name: name.to_owned(),
            path: folder.join(format!("{name}.db")),
        }
    }

    /// Of a process that runs, and of the server it talks to since that started.
    pub(super) fn processor_time(&self, process: u32) -> Result<Duration> {
        let own = server::processor_time_of(process)?;
        Ok(match self {
            Self::Files => own,
            Self::Server(server) => own + server.processor_time()?,
        })
    }

    /// Adds what the server does meanwhile to what a process takes.
    pub(super) fn measure(&self, run: impl FnOnce() -> Result<Measured>) -> Result<Measured> {
        let Self::Server(server) = self else {
            return run();
        };
        server.settle()?;
        let before = server.processor_time()?;
        let mut measured = run()?;
        let spent = server.processor_time()?.saturating_sub(before);
        measured.cpu += spent;
        let ms = spent.as_secs_f64() * 1e3;
        measured.stages_ms.insert("server".to_owned(), ms);
        Ok(measured)
    }
}

pub(super) struct Database<'a> {
    ground: &'a Ground,
    name: String,
    /// Where it lies if it is a file.
    path: PathBuf,
}

impl Database<'_> {
    /// What a program is told, with the role that it is to be on a server.
    pub(super) fn address(&self, role: &str) -> String {
        match self.ground {
            Ground::Files => self.path.display().to_string(),
            Ground::Server(server) => server.address(role, &self.name),
        }
    }

    /// The same for the one who may do everything.
    pub(super) fn admin(&self) -> String {
        self.address(ADMIN)
    }

    pub(super) fn is_on_a_server(&self) -> bool {
        matches!(self.ground, Ground::Server(_))
    }

    /// Begins again with nothing in it: on a server it is made.
    pub(super) fn renew(&self) -> Result<()> {
        match self.ground {
            Ground::Files => remove(&self.path),
            Ground::Server(server) => server.make(&self.name, None),
        }
    }

    /// Puts it aside as it is now.
    pub(super) fn keep(&self) -> Result<()> {
        match self.ground {
            Ground::Files => copy(&self.path, &self.file_aside()),
            Ground::Server(server) => {
                server.tidy(&self.name)?;
                server.make(&self.name_aside(), Some(&self.name))
            }
        }
    }

    /// Takes what was put aside.
    pub(super) fn go_back(&self) -> Result<()> {
        match self.ground {
            Ground::Files => copy(&self.file_aside(), &self.path),
            Ground::Server(server) => server.make(&self.name, Some(&self.name_aside())),
        }
    }

    /// Gives the disk space back.
    pub(super) fn remove(&self) -> Result<()> {
        match self.ground {
            Ground::Files => {
                remove(&self.path)?;
                remove(&self.file_aside())
            }
            Ground::Server(server) => {
                server.remove(&self.name)?;
                server.remove(&self.name_aside())
            }
        }
    }

    fn file_aside(&self) -> PathBuf {
        self.path.with_extension("aside")
    }

    fn name_aside(&self) -> String {
        format!("{}_aside", self.name)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for (from, to) in files(from).zip(files(to)) {
        remove_file(&to)?;
        if from.exists() {
            // What is not on the disk yet would be written at the cost of the
            // run that is measured.
            std::fs::copy(&from, &to)
                .and_then(|_| std::fs::File::open(&to)?.sync_all())
                .with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    files(path).try_for_each(|file| remove_file(&file))
}

fn files(path: &Path) -> impl Iterator<Item = PathBuf> {
    ENDINGS.iter().map(move |ending| {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        PathBuf::from(file)
    })
}

/// If it is there.
fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
