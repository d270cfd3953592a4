//! A seeded simulation that attacks the sync engine: the real core, engine and
//! store in worlds of misbehaving systems, busy people and dying hubs.

mod allowance;
mod behaviour;
mod check;
mod clock;
mod deed;
mod ground;
mod house;
mod ledger;
mod lenses;
mod mortal;
mod operator;
mod race;
mod run;
mod shrink;
mod story;
mod system;
mod town;
mod turns;
mod value;
mod weather;
mod world;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(
    name = "concord-sim",
    about = "Attacks the sync engine in seeded worlds"
)]
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
    /// Tell everything that happens in it
    #[arg(long)]
    trace: bool,
    /// How many worlds at a time; by default one a core
    #[arg(long)]
    jobs: Option<usize>,
    /// End at the first world that fails
    #[arg(long)]
    first: bool,
    /// On a PostgreSQL of the run's own, with hubs that share it
    #[arg(long)]
    postgres: bool,
    /// Results as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run::run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}
