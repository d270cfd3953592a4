//! `concord policy …`

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_core::state::Winner;
use concord_engine::Hub;
use concord_engine::config::Config;
use concord_engine::policy::{Different, Tryout};
use concord_sync::scene::Rules;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, table, value};
use crate::wire::problem::Problems;
use crate::wire::rules::{self, Carried};
use crate::wire::{apply, config};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what other rules would have made of the conflicts on record
    Try(TryArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord policy try config.yaml
  printf 'rules: { person: { phone: longest } }' | concord policy try -

Takes a configuration, or only its `rules`. Rules and clock skews replace those
in force; a connection that the file does not name keeps its own. Nothing is
changed: `concord apply` takes rules over, and then they decide new conflicts
and no old one.")]
pub struct TryArguments {
    /// The configuration, YAML or JSON; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    let Command::Try(arguments) = command;
    let wish = config::read(&arguments.file)?;
    let hub = cli.records().await?;
    let store = cli.reading().await?;
    let present = config::stored(store.as_ref()).await?;
    let rules = on_trial(&hub, with_rules_of(present, wish))?;
    let tryout = hub.try_rules(&rules).await?;
    cli.output.show(&tryout, words)?;
    Ok(Ending::Fine)
}

/// The configuration in force with the rules of another.
fn with_rules_of(mut present: Config, wish: Config) -> Config {
    present.rules = wish.rules;
    for (name, wish) in wish.connections {
        let Some(connection) = present.connections.get_mut(&name) else {
            continue;
        };
        connection.rules = wish.rules;
        connection.clock_skew = wish.clock_skew;
        for stream in connection.streams.values_mut() {
            stream.rules.clear();
        }
        for (stream, wish) in wish.streams {
            connection.streams.entry(stream).or_default().rules = wish.rules;
        }
    }
    present
}

fn on_trial(hub: &Hub, config: Config) -> Result<Rules, apply::ApplyError> {
    let mut carried = Carried::default();
    for connection in &hub.connections {
        carried.add(&connection.row.name, &connection.streams);
    }
    let mut problems = Problems::default();
    rules::check(&config, &hub.schemas, &carried, &mut problems);
    problems.or(())?;
    let names = hub
        .connections
        .iter()
        .map(|connection| (connection.row.name.clone(), connection.id()))
        .collect();
    Ok(rules::build(&config, &carried, &names))
}

fn words(tryout: &Tryout) -> String {
    let seen = count(tryout.conflicts, "conflict");
    let mut text = if tryout.differs.is_empty() {
        format!("nothing would come out differently in {seen} on record\n")
    } else {
        table(
            [
                "entity",
                "field",
                "conflict",
                "now",
                "then",
                "rule",
                "value now",
                "value then",
            ],
            tryout.differs.iter().flat_map(rows),
        ) + &format!(
            "\n{} of {seen} on record would come out differently\n",
            tryout
                .differs
                .iter()
                .map(|one| one.conflicts.len())
                .sum::<usize>()
        )
    };
    if tryout.differs.iter().any(|one| one.overtaken) {
        text += "(*) changed since: today's value depends on neither\n";
    }
    if tryout.unknown > 0 {
        text += &format!(
            "{} say nothing of where their values came from and are left as they are\n",
            tryout.unknown
        );
    }
    text
}

/// One line per conflict; the values stand in the last.
fn rows(different: &Different) -> Vec<[String; 8]> {
    let mut rows: Vec<[String; 8]> = different
        .conflicts
        .iter()
        .map(|one| {
            [
                different.entity.to_string(),
                different.field.to_string(),
                one.conflict.to_string(),
                side(one.present).into(),
                side(one.tried).into(),
                one.rule.clone(),
                String::new(),
                String::new(),
            ]
        })
        .collect();
    if let (Some(last), Some((now, then))) = (rows.last_mut(), &different.change) {
        let mark = if different.overtaken { " (*)" } else { "" };
        last[6] = value(now) + mark;
        last[7] = value(then) + mark;
    }
    rows
}

fn side(winner: Winner) -> &'static str {
    match winner {
        Winner::Canonical => "canonical",
        Winner::Remote => "remote",
        Winner::Held => "held",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn a_file_of_rules_alone_leaves_the_connections_as_they_are() {
        let present = config(
            "rules: { person: { email: hold } }
connections: { crm: { connector: x, clock-skew: 30, rules: { person: { phone: hold } } } }",
        );
        let tried = with_rules_of(
            present.clone(),
            config("rules: { person: { email: longest } }"),
        );
        assert_eq!(tried.connections, present.connections);
        assert_ne!(tried.rules, present.rules);
        let whole = config("connections: { crm: { connector: x, clock-skew: 5 } }");
        let tried = with_rules_of(present, whole.clone());
        assert_eq!(tried, whole);
    }
}
