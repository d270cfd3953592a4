//! `cargo xtask sim`: the engine in seeded worlds, and bugs planted into it that
//! those worlds must find.

mod mutants;

use anyhow::Result;

use crate::prerequisites::{self, BUILD};
use crate::run;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many worlds
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many systems each world has; drawn where it is not given
    #[arg(long)]
    systems: Option<usize>,
    /// One world only
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: tell everything that happens in it
    #[arg(long)]
    trace: bool,
    /// Plant bugs into a copy of the engine, one at a time, and see each caught
    #[arg(long)]
    mutants: bool,
    /// With --mutants: only those whose name holds this text
    #[arg(long)]
    only: Option<String>,
    /// On a PostgreSQL of the run's own, with hubs that share it
    #[arg(long)]
    postgres: bool,
    /// Results as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    prerequisites::check(&BUILD.iter().collect::<Vec<_>>())?;
    let workspace = Workspace::read()?;
    if arguments.mutants {
        return mutants::run(&workspace, arguments.only.as_deref(), arguments.json);
    }
    build(&workspace)?;
    let mut command = std::process::Command::new(program(&workspace));
    match arguments.seed {
        Some(seed) => command.args(["--seed", &seed.to_string()]),
        None => command.args([
            "--seeds",
            &arguments.seeds.to_string(),
            "--from",
            &arguments.from.to_string(),
        ]),
    };
    if let Some(systems) = arguments.systems {
        command.args(["--systems", &systems.to_string()]);
    }
    let flags = [
        (arguments.trace, "--trace"),
        (arguments.postgres, "--postgres"),
        (arguments.json, "--json"),
    ];
    for (wanted, flag) in flags {
        if wanted {
            command.arg(flag);
        }
    }
    run::plain(&mut command)
}

/// The worlds that every test run lives through.
pub(crate) fn some(workspace: &Workspace) -> Result<()> {
    build(workspace)?;
    let mut command = std::process::Command::new(program(workspace));
    run::plain(command.args(["--seeds", "200"]))?;
    let mut command = std::process::Command::new(program(workspace));
    run::plain(command.args(["--seeds", "30", "--postgres"]))
}

fn build(workspace: &Workspace) -> Result<()> {
    let mut build = workspace.cargo();
    build.args(["build", "--profile", "sim", "--package", "concord-sim"]);
    run::loud("simulation", &mut build)
}

fn program(workspace: &Workspace) -> std::path::PathBuf {
    workspace.target().join("sim").join("concord-sim")
}
