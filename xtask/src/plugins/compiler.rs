//! Finds a compiler for `wasm32-unknown-unknown`, or gets one.
//!
//! Four steps, the first that works is taken:
//! 1. the active toolchain has the target;
//! 2. rustup adds it;
//! 3. a compiler of the Debian kind whose library source is installed, or can
//!    be installed by us: the standard library is then built from source;
//! 4. a message that says what to install.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::run;
use crate::workspace::Workspace;

pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// How long rustup may take.  Where its server cannot be reached it may hang.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);

/// The packages of step 3.  They come with a newer compiler than Debian's
/// own `rustc`, and live beside rustup's.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Where those packages put their programs; rustup's come earlier in PATH.
const DISTRIBUTION_RUSTC: &str = "/usr/bin/rustc";
const DISTRIBUTION_CARGO: &str = "/usr/bin/cargo";

pub(super) enum Compiler {
    /// The toolchain that runs us; true if rustup has just added the target.
    Active { added: bool },
    /// A compiler that builds the standard library first.
    FromSource { linker: PathBuf, installed: bool },
}

impl Compiler {
    /// Which compiler was taken and by which step, for a person.
    pub(super) fn describe(&self) -> String {
        match self {
            Compiler::Active { added: false } => {
                format!("step 1, the active toolchain has the target {TARGET}")
            }
            Compiler::Active { added: true } => {
                format!("step 2, rustup has added the target {TARGET}")
            }
            Compiler::FromSource { installed, linker } => format!(
                "step 3, {DISTRIBUTION_RUSTC} with its library source ({}), linker {}",
                if *installed { "installed now" } else { "found" },
                linker.display()
            ),
        }
    }

    /// A cargo command that compiles with it.
    pub(super) fn cargo(&self, workspace: &Workspace) -> Command {
        let Compiler::FromSource { linker, .. } = self else {
            return workspace.cargo();
        };
        let mut cargo = Command::new(DISTRIBUTION_CARGO);
        cargo
            .current_dir(workspace.root())
            .env("RUSTC", DISTRIBUTION_RUSTC)
            // Building the standard library is an unstable option of cargo.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            .arg("-Zbuild-std=std,panic_abort");
        // The cargo that runs us has set these for its own toolchain.
        for name in [
            "CARGO",
            "RUSTUP_TOOLCHAIN",
            "RUSTUP_HOME",
            "RUSTDOC",
            "LD_LIBRARY_PATH",
        ] {
            cargo.env_remove(name);
        }
        cargo
    }
}

pub(super) fn find() -> Result<Compiler> {
    if active_has_target() {
        return Ok(Compiler::Active { added: false });
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]);
    if run::attempt("asking rustup for the WASM target", &mut add, RUSTUP_LIMIT)
        && active_has_target()
    {
        return Ok(Compiler::Active { added: true });
    }
    let mut installed = false;
    if !distribution_has_source() {
        installed = install(&PACKAGES);
    }
    if distribution_has_source() {
        if linker().is_none() {
            installed |= install(&["lld"]);
        }
        if let Some(linker) = linker() {
            return Ok(Compiler::FromSource { linker, installed });
        }
    }
    bail!(
        "no compiler for {TARGET} was found and none could be installed. Do one of these and run \
         again: `rustup target add {TARGET}`; or, on Debian 12 and later, as root: `apt-get update \
         && apt-get install --no-install-recommends {} lld`",
        PACKAGES.join(" ")
    )
}

fn active_has_target() -> bool {
    run::output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))
        .is_some_and(|folder| has_entries(Path::new(&folder)))
}

fn has_entries(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn distribution_has_source() -> bool {
    if !Path::new(DISTRIBUTION_CARGO).exists() {
        return false;
    }
    sysroot(DISTRIBUTION_RUSTC)
        .is_some_and(|root| has_entries(&root.join("lib/rustlib/src/rust/library/std")))
}

fn sysroot(rustc: &str) -> Option<PathBuf> {
    run::output(
        Command::new(rustc)
            .args(["--print", "sysroot"])
            .env_remove("RUSTUP_TOOLCHAIN"),
    )
    .map(PathBuf::from)
}

/// rustup's own linker, or that of the package `lld`.
fn linker() -> Option<PathBuf> {
    let host = run::output(Command::new(DISTRIBUTION_RUSTC).args(["--print", "host-tuple"]));
    let rustup = sysroot("rustc")
        .zip(host)
        .map(|(root, host)| root.join(format!("lib/rustlib/{host}/bin/rust-lld")));
    [rustup, Some(PathBuf::from("/usr/bin/wasm-ld"))]
        .into_iter()
        .flatten()
        .find(|path| path.exists())
}

/// Installs packages where this is Debian and we may.
fn install(packages: &[&str]) -> bool {
    let Some(rights) = rights() else {
        return false;
    };
    let apt = |arguments: &[&str]| {
        let mut words = rights.to_vec();
        words.extend(["apt-get", "-o", "DPkg::Lock::Timeout=300"]);
        words.extend(arguments);
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    let title = format!("installing {}", packages.join(" "));
    // A list that is out of date names files that the server has replaced.
    let done = run::quiet("reading the list of packages", &mut apt(&["update"]))
        .and_then(|()| run::quiet(&title, &mut apt(&arguments)));
    if let Err(error) = &done {
        run::say(&format!("{error:#}"));
    }
    done.is_ok()
}

/// What to put before `apt-get`: nothing as root, sudo where it does not ask.
fn rights() -> Option<&'static [&'static str]> {
    run::output(Command::new("apt-get").arg("--version"))?;
    if run::output(Command::new("id").arg("-u")).as_deref() == Some("0") {
        return Some(&[]);
    }
    run::output(Command::new("sudo").args(["-n", "true"])).map(|_| ["sudo", "-n"].as_slice())
}
