//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use concord_store::Place;

use crate::logging::LogFormat;
use crate::wire::key::KeySource;
use crate::{commands, exit};

#[derive(Debug, Parser)]
#[command(
    name = "concord",
    version,
    about = "Keeps one record per customer and holds every connected system to it",
    after_help = exit::HELP,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Print one JSON document on standard output and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// The database: a file, or postgres://ROLE@HOST/DATABASE on a server.  The
    /// server's password is better kept in PGPASSWORD or a password file
    #[arg(
        long,
        global = true,
        value_name = "FILE|URL",
        env = "CONCORD_DB",
        hide_env_values = true,
        default_value = "concord.db",
        value_parser = Place::parse
    )]
    pub db: Place,
    /// A folder with connector components, looked at before all others.
    /// Without it, the folder `plugins` beside the program is
    #[arg(long, global = true, value_name = "FOLDER", env = "CONCORD_PLUGINS")]
    pub plugins: Option<PathBuf>,
    /// The file with the key that seals secrets and backups.  CONCORD_KEY may
    /// name it, or hold the key itself
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CONCORD_KEY",
        hide_env_values = true,
        value_parser = KeySource::parse
    )]
    pub key: Option<KeySource>,
    /// Say more on standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What standard error is written as
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        env = "CONCORD_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// Say nothing but errors on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a database
    Init(commands::init::Arguments),
    /// Set a database up, move it, spread it over machines
    #[command(subcommand)]
    Db(commands::db::Command),
    /// Take over a configuration, or carry out a saved plan
    Apply(commands::apply::Arguments),
    /// Print the configuration in the form that `apply` takes
    Export(commands::export::Arguments),
    /// Add, list, check and remove connections
    #[command(subcommand)]
    Connection(commands::connection::Command),
    /// Show what the next sync would write, as far as the systems are read
    Plan(commands::plan::Arguments),
    /// Read all systems, match, and write what they are owed
    Sync(commands::sync::Arguments),
    /// Keep running, and sync on schedule
    Serve(commands::serve::Arguments),
    /// Show, pause and hurry the schedule that `serve` follows
    #[command(subcommand)]
    Schedule(commands::schedule::Command),
    /// Look at everything that a hub needs, and say what to do
    Doctor(commands::doctor::Arguments),
    /// Show what people are told of, and try whether it arrives
    #[command(subcommand)]
    Alerts(commands::alerts::Command),
    /// Stop all writes to all systems, and let them go on
    #[command(subcommand)]
    Writes(commands::writes::Command),
    /// Show who sends webhooks, and ask systems to send them
    #[command(subcommand)]
    Webhooks(commands::webhooks::Command),
    /// Run a recorded sync again, offline, and show where it departs
    Replay(commands::replay::Arguments),
    /// Take back what a run wrote
    Undo(commands::undo::Arguments),
    /// Show the runs so far
    #[command(subcommand)]
    Runs(commands::runs::Command),
    /// Show where every connection stands and what waits for a person
    Status(commands::status::Arguments),
    /// Tell the story of one value: where it came from and who holds what
    Why(commands::why::Arguments),
    /// List conflicts and settle those that are held
    #[command(subcommand)]
    Conflicts(commands::conflicts::Command),
    /// List what systems refused and what could not be taken in, and try again
    #[command(subcommand)]
    DeadLetters(commands::letters::Command),
    /// List what is held, and let go of a fight that was stopped
    #[command(subcommand)]
    Holds(commands::holds::Command),
    /// Keep a record out: nothing is read from it or written to it
    Exclude(commands::exclude::ExcludeArguments),
    /// Let a record in again that was kept out
    Include(commands::exclude::IncludeArguments),
    /// Try other rules on the conflicts on record, before they go live
    #[command(subcommand)]
    Policy(commands::policy::Command),
    /// List records that may be several customers, or none, and say who they are
    #[command(subcommand)]
    Matches(commands::matches::Command),
    /// Say that two records of the hub are one
    Merge(commands::merge::MergeArguments),
    /// Take apart what was merged
    Unmerge(commands::merge::UnmergeArguments),
    /// Read every linked record back and compare it with the canonical one
    Verify(commands::verify::Arguments),
    /// Write everything that the hub knows into one file
    Backup(commands::backup::Arguments),
    /// Take a backup into a new database
    Restore(commands::restore::Arguments),
    /// Make keys that seal secrets and backups
    #[command(subcommand)]
    Key(commands::key::Command),
    /// Give secrets that the database keeps sealed, look after them and their key
    #[command(subcommand)]
    Secrets(commands::secrets::Command),
    /// Look at connector components
    #[command(subcommand)]
    Plugin(commands::plugin::Command),
    /// Run a stand-in of a vendor's API on this machine, for trying and testing
    Twin(commands::twin::Arguments),
}

impl Command {
    /// Whether it is to say where the processor's time went.
    pub fn wants_timings(&self) -> bool {
        matches!(self, Command::Sync(arguments) if arguments.timings)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_and_every_argument_its_help() {
        fn look(command: &clap::Command, path: &str) {
            if command.get_name() == "help" {
                return;
            }
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no help");
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{path}: {}",
                    argument.get_id()
                );
            }
            let mut children = command.get_subcommands().peekable();
            if children.peek().is_none() {
                let after = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(after.contains("Example"), "{path} has no example");
            }
            children.for_each(|child| look(child, &path));
        }
        Arguments::command()
            .get_subcommands()
            .for_each(|command| look(command, "concord"));
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["concord --json status", "concord status --json"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert!(arguments.global.json, "{line}");
        }
        assert!(Arguments::try_parse_from(["concord", "status", "-q", "-v"]).is_err());
    }
}
