//! `concord key …`

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::key::Key;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key that seals secrets and backups
    Make(MakeArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord key make concord.key

Keep it where the database and its backups are not: who has both can read what it
seals, and who has lost it cannot.")]
pub struct MakeArguments {
    /// The file, which is not there yet
    file: PathBuf,
}

pub fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    let Command::Make(arguments) = command;
    let id = Key::make(&arguments.file)?.id();
    let document = json!({ "file": arguments.file, "id": id });
    cli.output.show(&document, |_| {
        let file = arguments.file.display();
        format!("{file} holds a new key with the id {id}; nobody but you can read it")
    })?;
    Ok(Ending::Fine)
}
