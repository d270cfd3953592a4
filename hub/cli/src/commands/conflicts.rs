//! `concord conflicts …`

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_core::ports::{ConflictFilter, Store};
use concord_core::state::{Conflict, ConflictKind, Winner};
use concord_core::{EntityId, Timestamp, Value};
use concord_engine::EngineError;
use concord_engine::review::{Alike, Choice, Explained};

use super::why;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section, table, value, whole};
use crate::wire::hub::Reach;
use crate::wire::lease;

/// Conflicts are looked through in pages, because there may be very many.
const PAGE: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List conflicts, whoever won
    List(ListArguments),
    /// Show one conflict with both values, its base and the field's history
    Show(ShowArguments),
    /// Decide a conflict that is held, or all that are like it
    #[command(alias = "resolve")]
    Decide(DecideArguments),
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
    /// Only those over this field
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Only those that this connection brought up
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// At most so many; 0 lists all
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord conflicts show 7")]
pub struct ShowArguments {
    /// The conflict's number, as `concord conflicts list` shows it
    id: i64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord conflicts decide 7 --take remote
  concord conflicts decide 7 --take 'value=\"Ann\"'
  concord conflicts decide 7 --take canonical --all-alike

Alike are all held conflicts over the same field that the same stream brought
up. The next sync brings a decision to every system.")]
pub struct DecideArguments {
    /// The conflict's number, as `concord conflicts list` shows it
    id: i64,
    /// canonical, remote, or value=JSON
    #[arg(long, value_parser = choice)]
    take: Choice,
    /// Decide all held conflicts like this one in the same way
    #[arg(long)]
    all_alike: bool,
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
        Command::Show(arguments) => show(cli, arguments).await,
        Command::Decide(arguments) => decide(cli, arguments).await,
    }
}

async fn list(cli: &Invocation, arguments: &ListArguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let conflicts = chosen(store.as_ref(), arguments).await?;
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

/// The conflicts that were asked for, looked through in pages.
async fn chosen(store: &dyn Store, arguments: &ListArguments) -> Result<Vec<Conflict>> {
    let rows = store.connections().await?;
    let number = match &arguments.connection {
        Some(name) => {
            let row = rows.iter().find(|row| row.name == *name);
            Some(
                row.ok_or_else(|| EngineError::NoConnection(name.clone()))?
                    .id,
            )
        }
        None => None,
    };
    let most = match arguments.limit {
        0 => usize::MAX,
        limit => limit as usize,
    };
    let is_wanted = |conflict: &Conflict| {
        let field = arguments.field.as_ref();
        field.is_none_or(|field| conflict.field.as_str() == field)
            && number.is_none_or(|number| conflict.link.connection == number)
    };
    let mut filter = ConflictFilter {
        entity: arguments.entity.clone(),
        held_only: arguments.held,
        after: None,
        limit: PAGE,
    };
    let mut found = Vec::new();
    loop {
        let page = store.conflicts(&filter).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id);
        found.extend(page.into_iter().filter(is_wanted));
        if found.len() >= most {
            break;
        }
    }
    found.truncate(most);
    Ok(found)
}

fn outcome(conflict: &Conflict) -> String {
    match (&conflict.decision, conflict.winner) {
        (Some(decision), _) => format!("{} took {}", decision.by, value(&decision.value)),
        (None, Winner::Canonical) => "canonical".into(),
        (None, Winner::Remote) => "remote".into(),
        (None, Winner::Held) => "held".into(),
    }
}

fn row(conflict: &Conflict) -> [String; 8] {
    [
        conflict.id.to_string(),
        conflict.entity.to_string(),
        conflict.field.to_string(),
        value(&conflict.base),
        value(&conflict.canonical),
        value(&conflict.remote),
        conflict.rule.clone(),
        outcome(conflict),
    ]
}

async fn show(cli: &Invocation, arguments: &ShowArguments) -> Result<Ending> {
    let hub = cli.records().await?;
    let explained = hub.explain_conflict(arguments.id).await?;
    cli.output.show(&explained, words)?;
    Ok(Ending::Fine)
}

fn words(explained: &Explained) -> String {
    let Explained {
        conflict,
        connection,
        alike,
        undecidable,
        story,
    } = explained;
    let kind = match conflict.kind {
        ConflictKind::Edit => "both sides changed it since they last agreed",
        ConflictKind::FirstContact => "it differed when the record was first linked",
        ConflictKind::Delete => "one side deleted what another changed",
        ConflictKind::Lost => "it was read and then lost with its record",
    };
    let mut text = format!(
        "conflict {} over {} {}: {kind}\n",
        conflict.id, conflict.entity, conflict.field
    );
    let provenance = conflict.provenance.as_ref();
    let dated = |from: Timestamp, until: Timestamp| match from {
        Timestamp::ZERO => format!("not after {until}"),
        from => format!("between {from} and {until}"),
    };
    let ours = provenance.map_or_else(String::new, |known| dated(known.after, known.until));
    let theirs = provenance.map_or_else(String::new, |known| {
        dated(known.edited_after, known.edited_until)
    });
    text += &table(
        ["", "value", "edited"],
        [
            ["before".into(), whole(&conflict.base), String::new()],
            ["canonical".into(), whole(&conflict.canonical), ours],
            [format!("at {connection}"), whole(&conflict.remote), theirs],
        ],
    );
    text += &format!("rule: {}\noutcome: {}\n", conflict.rule, outcome(conflict));
    text += &format!("\n{}", why::words(story));
    if conflict.winner == Winner::Held && conflict.decision.is_none() {
        text += &match undecidable {
            Some(reason) => format!("\n{reason}\n"),
            None => format!(
                "\nNext: `concord conflicts decide {} --take canonical|remote|value=JSON`{}\n",
                conflict.id,
                match alike {
                    0 => String::new(),
                    alike => format!("; with --all-alike also {}", count(*alike, "other")),
                }
            ),
        };
    }
    text
}

async fn decide(cli: &Invocation, arguments: &DecideArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let (id, take, by) = (arguments.id, &arguments.take, arguments.by.as_str());
    let decided = lease::with(
        store.as_ref(),
        cli.clock.as_ref(),
        "conflicts decide",
        async || {
            if arguments.all_alike {
                return hub.decide_alike(id, take, by).await;
            }
            let conflict = hub.decide_conflict(id, take, by).await?;
            Ok(Alike {
                decided: vec![conflict],
                skipped: Vec::new(),
            })
        },
    );
    let done: Alike = decided.await?;
    cli.output.show(&done, |done| {
        let mut text = String::new();
        for conflict in &done.decided {
            let taken = conflict.decision.as_ref().map(|d| value(&d.value));
            let taken = taken.unwrap_or_default();
            text += &format!("{} {} is {taken}\n", conflict.entity, conflict.field);
        }
        let skipped: Vec<String> = done
            .skipped
            .iter()
            .map(|(id, reason)| format!("conflict {id}: {reason}"))
            .collect();
        text += &section("Not decided:", &skipped);
        text + "the next sync brings it everywhere"
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
