//! `cargo xtask release`: the program, its connectors and the service's unit in one
//! archive, which is unpacked again and tried.
//!
//! The same sources and compiler give the same archive, byte for byte.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use crate::prerequisites::{self, BUILD};
use crate::workspace::Workspace;
use crate::{plugins, run};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pack what was built for tests: quick, and not to be given to anybody
    #[arg(long)]
    debug: bool,
    /// The folder that the archive is put into
    #[arg(long, value_name = "FOLDER", default_value = "target/dist")]
    into: PathBuf,
}

/// What comes along as it stands in the sources.
const FILES: &[&str] = &[
    "LICENSE",
    "README.md",
    "docs/cli.md",
    "docs/operations.md",
    "hub/deploy/concord.service",
];

/// A file of the archive.
struct Entry {
    name: String,
    path: PathBuf,
    mode: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    prerequisites::check(&BUILD.iter().collect::<Vec<_>>())?;
    let workspace = Workspace::read()?;
    let archive = make(&workspace, arguments.debug, &arguments.into)?;
    println!("{}", archive.display());
    Ok(())
}

/// Builds, packs and tries the archive.
pub(crate) fn make(workspace: &Workspace, debug: bool, into: &Path) -> Result<PathBuf> {
    plugins::build_for(workspace, &[])?;
    let mut build = workspace.cargo();
    build.args(["build", "--package", "concord"]);
    if !debug {
        build.arg("--release");
    }
    run::loud("program", &mut build)?;
    let profile = if debug { "debug" } else { "release" };
    let program = workspace.target().join(profile).join("concord");
    let name = format!("concord-{}-{}", workspace.version("concord")?, triple()?);
    let entries = entries(workspace, &program)?;
    fs::create_dir_all(into).with_context(|| format!("{} cannot be made", into.display()))?;
    let archive = into.join(format!("{name}.tar.gz"));
    pack(&archive, &name, &entries)
        .with_context(|| format!("{} is not whole", archive.display()))?;
    sign(&archive)?;
    attempt(&archive, &name)?;
    Ok(archive)
}

/// The machine that it is built for, as rustc names it.
fn triple() -> Result<String> {
    let told = run::output(Command::new("rustc").arg("-vV")).context("rustc does not answer")?;
    let mut lines = told.lines();
    let host = lines.find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not say what it builds for")?
        .to_owned())
}

fn entries(workspace: &Workspace, program: &Path) -> Result<Vec<Entry>> {
    let mut entries = vec![Entry {
        name: "concord".to_owned(),
        path: program.to_owned(),
        mode: 0o755,
    }];
    for connector in workspace.connectors() {
        let file = format!("{connector}.wasm");
        entries.push(Entry {
            path: workspace.plugins().join(&file),
            name: format!("plugins/{file}"),
            mode: 0o644,
        });
    }
    for file in FILES {
        let path = workspace.root().join(file);
        let name = path.file_name().context("a file has a name")?;
        entries.push(Entry {
            name: name.to_string_lossy().into_owned(),
            path,
            mode: 0o644,
        });
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// Without owners and moments, in order of the names.
fn pack(archive: &Path, folder: &str, entries: &[Entry]) -> Result<()> {
    let packed = GzEncoder::new(File::create(archive)?, Compression::best());
    let mut builder = Builder::new(packed);
    for entry in entries {
        let bytes = fs::read(&entry.path)
            .with_context(|| format!("{} cannot be read", entry.path.display()))?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.set_mode(entry.mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let name = format!("{folder}/{}", entry.name);
        builder.append_data(&mut header, name, bytes.as_slice())?;
    }
    builder.into_inner()?.finish()?.sync_all()?;
    Ok(())
}

/// The digest beside it, as `sha256sum --check` takes it.
fn sign(archive: &Path) -> Result<()> {
    let mut line = String::new();
    for byte in Sha256::digest(fs::read(archive)?) {
        line += &format!("{byte:02x}");
    }
    let name = archive.file_name().context("an archive has a name")?;
    let sums = archive.with_file_name("SHA256SUMS");
    let mut file = File::create(&sums)?;
    writeln!(file, "{line}  {}", name.to_string_lossy())?;
    Ok(())
}

/// Unpacks it where nothing else is, and runs it with an empty environment.
fn attempt(archive: &Path, name: &str) -> Result<()> {
    let folder = tempfile::tempdir().context("there is no room for a try")?;
    Archive::new(GzDecoder::new(File::open(archive)?)).unpack(folder.path())?;
    let home = folder.path().join(name);
    let concord = |words: &[&str]| {
        let mut command = Command::new(home.join("concord"));
        command
            .args(words)
            .env_clear()
            .env("CONCORD_DB", folder.path().join("concord.db"))
            .env("XDG_CACHE_HOME", folder.path().join("cache"))
            .current_dir(folder.path());
        run::output(&mut command)
            .with_context(|| format!("from the archive, `concord {}` fails", words.join(" ")))
    };
    let version = concord(&["--version"])?;
    concord(&["init"])?;
    let listed = concord(&["--json", "plugin", "list"])?;
    for plugin in fs::read_dir(home.join("plugins"))? {
        let file = plugin?.file_name();
        let id = file.to_string_lossy().replace(".wasm", "");
        if !listed.contains(&id) {
            bail!("the archive's program does not find its own connector {id}: {listed}");
        }
    }
    unit(&home)?;
    run::say(&format!("{} from the archive works", version.trim()));
    Ok(())
}

/// Has systemd read the unit, where there is one.
fn unit(home: &Path) -> Result<()> {
    let text = fs::read_to_string(home.join("concord.service"))?;
    let program = home.join("concord");
    let here = text.replace("/opt/concord/concord", &program.to_string_lossy());
    let path = home.join("concord-here.service");
    fs::write(&path, here.replace("User=concord\n", ""))?;
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").arg("--man=no").arg(&path);
    match verify.output() {
        Ok(output) if output.status.success() && output.stderr.is_empty() => Ok(()),
        Ok(output) => bail!(
            "systemd does not take the unit: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            run::say("there is no systemd here to read the unit");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
