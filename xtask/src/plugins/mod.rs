//! `cargo xtask plugins`: connectors into WASM components.
//!
//! Each lands as `<target>/plugins/<folder>.wasm`.  They are built with a
//! target directory of their own, because the compiler that is found for them
//! may be another one than the hub's.

mod compiler;
mod component;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::run;
use crate::workspace::{Guest, Workspace};
use compiler::{Compiler, TARGET};

/// The profile of the root Cargo.toml that guests are built with.
const PROFILE: &str = "guest";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this one, by the name of its folder; may be given more than once
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Print one JSON object about what was built
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Built {
    compiler: String,
    plugins: Vec<Plugin>,
}

#[derive(Serialize)]
struct Plugin {
    name: String,
    path: PathBuf,
    bytes: usize,
    /// False where the component was there already and is still right.
    changed: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let built = build(&Workspace::read()?, &arguments.only)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&built)?);
        return Ok(());
    }
    for plugin in &built.plugins {
        let state = if plugin.changed { "built" } else { "unchanged" };
        println!(
            "{:<16} {:>6} kB  {state:<9}  {}",
            plugin.name,
            plugin.bytes.div_ceil(1000),
            plugin.path.display()
        );
    }
    Ok(())
}

/// Builds plugins for a step that needs them: those named, or all.
pub(crate) fn build_for(workspace: &Workspace, only: &[&str]) -> Result<()> {
    let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
    build(workspace, &only).map(|_| ())
}

fn build(workspace: &Workspace, only: &[String]) -> Result<Built> {
    let guests = chosen(workspace.guests(), only)?;
    let compiler = compiler::find()?;
    run::say(&format!("WASM compiler: {}", compiler.describe()));
    let target = workspace.target().join("guests");
    if !guests.is_empty() {
        compile(workspace, &compiler, &target, &guests)?;
    }
    let modules = target.join(TARGET).join(PROFILE);
    let plugins = workspace.plugins();
    std::fs::create_dir_all(&plugins)
        .with_context(|| format!("cannot make the folder {}", plugins.display()))?;
    let plugins = guests
        .into_iter()
        .map(|guest| {
            let path = plugins.join(format!("{}.wasm", guest.name));
            let made = component::make(&modules.join(&guest.module), &path)
                .with_context(|| format!("plugin '{}'", guest.name))?;
            Ok(Plugin {
                name: guest.name,
                path,
                bytes: made.bytes,
                changed: made.changed,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Built {
        compiler: compiler.describe(),
        plugins,
    })
}

fn chosen(guests: Vec<Guest>, only: &[String]) -> Result<Vec<Guest>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| !guests.iter().any(|guest| guest.name == **name))
    {
        let names: Vec<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
        bail!(
            "there is no plugin '{unknown}'; there are: {}",
            names.join(", ")
        );
    }
    Ok(guests
        .into_iter()
        .filter(|guest| only.is_empty() || only.contains(&guest.name))
        .collect())
}

fn compile(
    workspace: &Workspace,
    compiler: &Compiler,
    target: &std::path::Path,
    guests: &[Guest],
) -> Result<()> {
    let mut cargo = compiler.cargo(workspace);
    cargo
        .args([
            "build",
            "--profile",
            PROFILE,
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(target);
    for guest in guests {
        cargo.args(["--package", &guest.package]);
    }
    run::loud(&format!("compiling {} plugins", guests.len()), &mut cargo)
}
