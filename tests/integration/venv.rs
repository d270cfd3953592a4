//! Python packages for tests that drive or start software written in Python:
//! an environment for each list of pinned requirements, kept between runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Tests run in parallel, and two of them may want the same environment.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The interpreter that sees exactly what the requirements file lists.
/// Another list gets another environment, so an old one is never patched up.
pub(crate) fn python(requirements: &Path) -> io::Result<PathBuf> {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let key = blake3::hash(&fs::read(requirements)?).to_hex();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("python")
        .join(&key[..16]);
    let python = folder.join("bin").join("python");
    // Written last: an installation that was cut short is done again.
    let ready = folder.join("ready");
    if ready.exists() {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    eprintln!("installing {}", requirements.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ];
    run(Command::new(&python).args(pip).arg(requirements))?;
    fs::write(&ready, "")?;
    Ok(python)
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{command:?} failed with {status}"
    )))
}
