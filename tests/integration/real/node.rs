//! Systems written for Node.js: the files of a system with the packages of its
//! lockfile beside them, kept between runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::files;
use super::process::{Failed, run, step};

/// Tests run in parallel, and two of them may want the same packages.
static INSTALLING: Mutex<()> = Mutex::new(());

/// What every system that is started here is written for.
const NEW_ENOUGH: &str = "URL.parse('http://127.0.0.1/')";

/// The folder of an installed system.
///
/// Scripts find packages in the folders above their own, so they are copied out
/// of the checkout to where the packages may be.  Other scripts or another
/// lockfile get another folder, so an old one is never patched up.
pub fn installed(system: &'static str) -> Result<PathBuf, Failed> {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let made = |error: io::Error| step("installing the packages of the lockfile", error);
    let sources = sources(&files(system)).map_err(made)?;
    let mut hash = blake3::Hasher::new();
    for (name, content) in &sources {
        hash.update(blake3::hash(name.as_encoded_bytes()).as_bytes());
        hash.update(blake3::hash(content).as_bytes());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("node")
        .join(&hash.finalize().to_hex()[..16]);
    there(Command::new("node").args(["--eval", NEW_ENOUGH]))?;
    // Written last: an installation that was cut short is done again.
    let ready = folder.join("ready");
    if ready.exists() {
        return Ok(folder);
    }
    there(Command::new("npm").arg("--version"))?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(made)?;
    }
    fs::create_dir_all(&folder).map_err(made)?;
    for (name, content) in &sources {
        fs::write(folder.join(name), content).map_err(made)?;
    }
    eprintln!("installing {} in {}", system, folder.display());
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--omit=dev", "--prefer-offline"])
        .args(["--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder);
    run("npm ci", &mut npm)?;
    fs::write(&ready, "").map_err(made)?;
    Ok(folder)
}

/// The files of a folder in the order of their names.
fn sources(folder: &Path) -> io::Result<Vec<(std::ffi::OsString, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            found.push((entry.file_name(), fs::read(entry.path())?));
        }
    }
    found.sort();
    Ok(found)
}

/// An old Node.js is as good as none.
fn there(command: &mut Command) -> Result<(), Failed> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(Failed::NoNode),
    }
}
