//! `concord doctor`

mod connections;
mod place;
mod runs;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{section, table};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord doctor
  concord --json doctor | jq '.[] | select(.state != \"fine\")'

Looks at the database, the key, the schedule and the last run, and asks each system
who it is. Writes nothing to any of them. Ends with 2 where something is to be
done.")]
pub struct Arguments {
    /// Ask no system
    #[arg(long)]
    offline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Fine,
    /// It works, and somebody should look at it.
    Warning,
    /// Something does not work.
    Broken,
}

/// What was found at one place.
#[derive(Debug, Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    /// At which connection, where it is about one.
    connection: Option<String>,
    state: State,
    says: String,
    /// What to do about it.
    next: Option<String>,
}

impl Finding {
    fn fine(check: &'static str, says: impl Into<String>) -> Self {
        Self {
            check,
            connection: None,
            state: State::Fine,
            says: says.into(),
            next: None,
        }
    }

    fn warning(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            state: State::Warning,
            next: Some(next.into()),
            ..Self::fine(check, says)
        }
    }

    fn broken(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            state: State::Broken,
            ..Self::warning(check, says, next)
        }
    }

    fn at(self, connection: &str) -> Self {
        Self {
            connection: Some(connection.to_owned()),
            ..self
        }
    }
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    // A token may have to be renewed on the way, and is kept.
    let store = match arguments.offline {
        true => cli.reading().await?,
        false => cli.writing().await?,
    };
    let mut findings = place::look(cli, &store).await?;
    findings.extend(runs::look(cli, store.as_ref()).await?);
    findings.extend(connections::look(cli, &store, arguments.offline).await?);
    cli.output.show(&findings, |findings| words(findings))?;
    let well = findings.iter().all(|found| found.state == State::Fine);
    Ok(match well {
        true => Ending::Fine,
        false => Ending::SomethingToDo,
    })
}

fn words(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|found| {
        let state = match found.state {
            State::Fine => "fine",
            State::Warning => "look",
            State::Broken => "BROKEN",
        };
        [
            state.to_owned(),
            found.check.to_owned(),
            found.connection.clone().unwrap_or_default(),
            found.says.clone(),
        ]
    });
    let mut text = table(["", "what", "connection", "found"], rows);
    let next = findings.iter().filter_map(|found| {
        let next = found.next.as_ref()?;
        Some(match &found.connection {
            Some(connection) => format!("{} of {connection}: {next}", found.check),
            None => format!("{}: {next}", found.check),
        })
    });
    text += &section("Next:", &next.collect::<Vec<_>>());
    text
}
