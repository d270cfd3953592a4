//! `concord conflicts …`

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_core::ports::{ConflictFilter, Store as _};
use concord_core::state::{Conflict, Winner};
use concord_core::{EntityId, Value};
use concord_engine::review::Choice;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{table, value};
use crate::wire::hub::Reach;
use crate::wire::lease;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List conflicts, whoever won
    List(ListArguments),
    /// Decide a conflict that is held
    Resolve(ResolveArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord conflicts list --held
  concord --json conflicts list --entity person/42")]
pub struct ListArguments {
    /// Only those that wait for a person
    #[arg(long)]
    held: bool,
    /// Only those of this record
    #[arg(long, value_name = "ENTITY")]
    entity: Option<EntityId>,
    /// At most so many; 0 lists all
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord conflicts resolve 7 --take remote
  concord conflicts resolve 7 --take 'value=\"Ann\"'

The next sync brings the decision to every system.")]
pub struct ResolveArguments {
    /// The conflict's number
    id: i64,
    /// canonical, remote, or value=JSON
    #[arg(long, value_parser = choice)]
    take: Choice,
    /// Who decides, for the record's story
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    by: String,
}

fn choice(text: &str) -> Result<Choice, String> {
    match (text, text.strip_prefix("value=")) {
        ("canonical", _) => Ok(Choice::Canonical),
        ("remote", _) => Ok(Choice::Remote),
        (_, Some(json)) => serde_json::from_str::<Value>(json)
            .map(Choice::Value)
            .map_err(|error| {
                format!("{json} is not JSON ({error}); a text wants quotes: value='\"Ann\"'")
            }),
        _ => Err("take canonical, remote or value=JSON".into()),
    }
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::List(arguments) => list(cli, arguments).await,
        Command::Resolve(arguments) => resolve(cli, arguments).await,
    }
}

async fn list(cli: &Invocation, arguments: &ListArguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let filter = ConflictFilter {
        entity: arguments.entity.clone(),
        held_only: arguments.held,
        after: None,
        limit: arguments.limit,
    };
    let conflicts = store.conflicts(&filter).await?;
    cli.output.show(&conflicts, |conflicts| {
        if conflicts.is_empty() {
            return "no conflicts".into();
        }
        table(
            [
                "id",
                "entity",
                "field",
                "before",
                "canonical",
                "remote",
                "rule",
                "outcome",
            ],
            conflicts.iter().map(row),
        )
    })?;
    Ok(Ending::Fine)
}

fn row(conflict: &Conflict) -> [String; 8] {
    let outcome = match (&conflict.decision, conflict.winner) {
        (Some(decision), _) => format!("{} took {}", decision.by, value(&decision.value)),
        (None, Winner::Canonical) => "canonical".into(),
        (None, Winner::Remote) => "remote".into(),
        (None, Winner::Held) => "held".into(),
    };
    [
        conflict.id.to_string(),
        conflict.entity.to_string(),
        conflict.field.to_string(),
        value(&conflict.base),
        value(&conflict.canonical),
        value(&conflict.remote),
        conflict.rule.clone(),
        outcome,
    ]
}

async fn resolve(cli: &Invocation, arguments: &ResolveArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let resolved = lease::with(
        store.as_ref(),
        cli.clock.as_ref(),
        "conflicts resolve",
        async || {
            hub.resolve_conflict(arguments.id, &arguments.take, &arguments.by)
                .await
        },
    );
    let conflict = resolved.await?;
    cli.output.show(&conflict, |conflict| {
        let taken = conflict
            .decision
            .as_ref()
            .map_or_else(String::new, |d| value(&d.value));
        format!(
            "{} {} is {taken}; the next sync brings it everywhere",
            conflict.entity, conflict.field
        )
    })?;
    Ok(Ending::Fine)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_is_a_side_or_a_value() {
        assert_eq!(choice("canonical"), Ok(Choice::Canonical));
        assert_eq!(choice("remote"), Ok(Choice::Remote));
        assert_eq!(choice("value=\"Ann\""), Ok(Choice::Value(json!("Ann"))));
        assert_eq!(choice("value=null"), Ok(Choice::Value(json!(null))));
        assert!(choice("value=Ann").unwrap_err().contains("quotes"));
        assert!(choice("mine").unwrap_err().contains("canonical"));
    }
}
