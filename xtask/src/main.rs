//! The project's own chores: `cargo xtask plugins`, `test`, `sim`, `demo`, `bench`,
//! `release`, `ci`.

mod bench;
mod ci;
mod demo;
mod plugins;
mod prerequisites;
mod release;
mod run;
mod sim;
mod stage;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of the Concord workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the connectors into WASM components
    Plugins(plugins::Arguments),
    /// Checks formatting and lints, builds the plugins and runs the tests
    Test(test::Arguments),
    /// Shows two systems being held in agreement, on this machine alone
    Demo(demo::Arguments),
    /// Attacks the sync engine in seeded worlds
    Sim(sim::Arguments),
    /// Measures the program against a floor
    Bench(bench::Arguments),
    /// Packs the program and its connectors for a machine that builds nothing
    Release(release::Arguments),
    /// What the continuous integration runs
    Ci,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Plugins(arguments) => plugins::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Sim(arguments) => sim::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Release(arguments) => release::run(&arguments),
        Task::Ci => ci::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
