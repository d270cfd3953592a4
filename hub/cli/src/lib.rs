//! The program `concord`: parses, wires, prints.  It is the only crate that
//! sees all the others; what it decides is decided in them.

pub mod arguments;
pub mod commands;
pub mod exit;
pub mod interrupt;
pub mod invocation;
pub mod logging;
pub mod output;
pub mod progress;
pub mod stages;
pub mod traces;
mod typed;
pub mod wire;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use concord_store::OpenFault;
use serde_json::json;

use arguments::{Arguments, Command};
use exit::Ending;
use invocation::Invocation;
use stages::Stages;
use traces::Traces;

/// Everything from the command line to the exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) => {
            // Help and version come this way too.  A closed pipe is no failure.
            let _ = wrong.print();
            return ExitCode::from(if wrong.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    let stages = Stages::default();
    let traces = Traces::from_environment();
    logging::begin(&arguments, &stages, &traces);
    let json = arguments.global.json;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments, stages)),
        Err(error) => Err(error.into()),
    };
    traces.close();
    result.map_or_else(|error| failed(&error, json), ExitCode::from)
}

/// Carries out one command.
pub async fn run(arguments: Arguments, stages: Stages) -> Result<Ending> {
    let cli = Invocation::new(arguments.global, stages);
    match arguments.command {
        Command::Init(arguments) => commands::init::run(&cli, &arguments).await,
        Command::Apply(arguments) => commands::apply::run(&cli, &arguments).await,
        Command::Export(arguments) => commands::export::run(&cli, &arguments).await,
        Command::Db(command) => commands::db::run(&cli, &command).await,
        Command::Connection(command) => commands::connection::run(&cli, &command).await,
        Command::Plan(arguments) => commands::plan::run(&cli, &arguments).await,
        Command::Sync(arguments) => commands::sync::run(&cli, &arguments).await,
        Command::Serve(arguments) => commands::serve::run(&cli, &arguments).await,
        Command::Schedule(command) => commands::schedule::run(&cli, &command).await,
        Command::Doctor(arguments) => commands::doctor::run(&cli, &arguments).await,
        Command::Alerts(command) => commands::alerts::run(&cli, &command).await,
        Command::Runs(command) => commands::runs::run(&cli, &command).await,
        Command::Writes(command) => commands::writes::run(&cli, &command).await,
        Command::Webhooks(command) => commands::webhooks::run(&cli, &command).await,
        Command::Replay(arguments) => commands::replay::run(&cli, &arguments).await,
        Command::Undo(arguments) => commands::undo::run(&cli, &arguments).await,
        Command::Status(arguments) => commands::status::run(&cli, &arguments).await,
        Command::Why(arguments) => commands::why::run(&cli, &arguments).await,
        Command::Conflicts(command) => commands::conflicts::run(&cli, &command).await,
        Command::DeadLetters(command) => commands::letters::run(&cli, &command).await,
        Command::Holds(command) => commands::holds::run(&cli, &command).await,
        Command::Exclude(arguments) => commands::exclude::exclude(&cli, &arguments).await,
        Command::Include(arguments) => commands::exclude::include(&cli, &arguments).await,
        Command::Policy(command) => commands::policy::run(&cli, &command).await,
        Command::Matches(command) => commands::matches::run(&cli, &command).await,
        Command::Merge(arguments) => commands::merge::merge(&cli, &arguments).await,
        Command::Unmerge(arguments) => commands::merge::unmerge(&cli, &arguments).await,
        Command::Verify(arguments) => commands::verify::run(&cli, &arguments).await,
        Command::Backup(arguments) => commands::backup::run(&cli, &arguments).await,
        Command::Restore(arguments) => commands::restore::run(&cli, &arguments).await,
        Command::Key(command) => commands::key::run(&cli, &command),
        Command::Secrets(command) => commands::secrets::run(&cli, &command).await,
        Command::Plugin(command) => commands::plugin::run(&cli, &command).await,
        Command::Twin(arguments) => commands::twin::run(&cli, &arguments).await,
    }
}

/// One line per cause, on standard error; with `--json` also as the document,
/// so that a script need not read text.
fn failed(error: &anyhow::Error, json: bool) -> ExitCode {
    let text = words(error);
    if json {
        println!("{}", json!({ "error": text }));
    }
    logging::fail(&text);
    ExitCode::from(exit::FAILED)
}

/// An error with its causes, leaving out those that it already quotes.  A file
/// that cannot be opened is no failure of the database.
fn words(error: &anyhow::Error) -> String {
    if let Some(fault) = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<OpenFault>())
    {
        return fault.to_string();
    }
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use std::io;

    use concord_core::ports::StoreError;

    use super::*;

    #[test]
    fn an_error_names_each_cause_once() {
        let error = Err::<(), _>(io::Error::other("the disk is full")).context("not written");
        assert_eq!(words(&error.unwrap_err()), "not written: the disk is full");
        let quoted = Err::<(), _>(io::Error::other("full")).context("the disk is full");
        assert_eq!(words(&quoted.unwrap_err()), "the disk is full");
        let missing = StoreError::from(OpenFault::Missing("x.db".into()));
        assert!(words(&missing.into()).starts_with("there is no database at x.db"));
    }
}
