//! `concord plan`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use concord_core::Timestamp;
use concord_core::state::IntentAction;
use concord_engine::forecast::Forecast;
use concord_engine::guard::Guarded;
use concord_engine::planner::{Plan, PlannedWrite, summary};
use concord_engine::saved::Price;
use serde_json::{Value, json};

use super::allowances;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section, table, value};

/// How many writes of each connection a person sees.
const SHOWN: usize = 8;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord plan
  concord --json plan | jq .writes[0]
  concord plan --save plan.json && concord apply plan.json

Shows what is owed by what was read so far; `concord sync --dry-run` reads
first. Ends with 2 when there is something to do.")]
pub struct Arguments {
    /// Show every write, not only the first of each connection
    #[arg(long)]
    all: bool,
    /// Keep the plan in a file, for `concord apply FILE`
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let hub = cli.records_of(Arc::clone(&store)).await?;
    let plan = hub.plan().await?;
    cli.watch.finish();
    if let Some(path) = &arguments.save {
        let saved = hub.save(&plan).await?;
        let text = serde_json::to_string_pretty(&saved).context("the plan cannot be written")?;
        std::fs::write(path, text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let prices = hub.price(&plan.writes);
    let limit = if arguments.all { usize::MAX } else { SHOWN };
    let now = cli.clock.now();
    let forecasts = allowances::of_plan(&hub, &store, &prices, now).await?;
    let mut shown = document(&plan);
    shown["price"] = json!(prices);
    shown["forecast"] = json!(forecasts);
    cli.output.show(&shown, |_| {
        words(&plan, limit) + &priced(&prices, &forecasts, now)
    })?;
    Ok(ending(&plan))
}

pub fn ending(plan: &Plan) -> Ending {
    if plan.writes.is_empty() && plan.first_contact.is_empty() {
        Ending::Fine
    } else {
        Ending::SomethingToDo
    }
}

/// The plan with its counts.
pub fn document(plan: &Plan) -> Value {
    json!({
        "summary": summary(plan),
        "writes": plan.writes,
        "first_contact": plan.first_contact,
        "guarded": plan.guarded,
    })
}

pub fn words(plan: &Plan, limit: usize) -> String {
    if ending(plan) == Ending::Fine {
        return "nothing to do: no system is owed anything by what was read so far".into();
    }
    let counts = summary(plan);
    let number = |connection: &str, what: &str| {
        counts[connection]
            .get(what)
            .copied()
            .unwrap_or_default()
            .to_string()
    };
    let waiting = |connection: &str| {
        let blocked =
            |write: &&PlannedWrite| write.connection == connection && write.blocked.is_some();
        plan.writes.iter().filter(blocked).count().to_string()
    };
    let mut text = table(
        ["connection", "create", "update", "delete", "differ", "wait"],
        counts.keys().map(|name| {
            [
                name.clone(),
                number(name, "create"),
                number(name, "update"),
                number(name, "delete"),
                number(name, "differ"),
                waiting(name),
            ]
        }),
    );
    for connection in counts.keys() {
        text += &of_connection(plan, connection, limit);
    }
    text + &guarded(&plan.guarded)
}

/// What the plan costs.
fn priced(
    prices: &BTreeMap<String, Price>,
    forecasts: &BTreeMap<String, Forecast>,
    now: Timestamp,
) -> String {
    let lines: Vec<String> = prices
        .iter()
        .map(|(name, price)| {
            let (writes, reads) = (count(price.writes, "call"), count(price.reads, "call"));
            let forecast = forecasts.get(name).map(|forecast| forecast.words(now));
            let forecast = forecast.map_or_else(String::new, |words| format!("; {words}"));
            format!("{name}: {writes} to write, {reads} to read before or after{forecast}")
        })
        .collect();
    section("Price, in calls of the connector:", &lines)
}

/// What the guards stop, and how it is let through.
pub fn guarded(guarded: &[Guarded]) -> String {
    let lines: Vec<String> = guarded
        .iter()
        .flat_map(|one| {
            let words = |tripped: &String| format!("{}: {tripped}", one.connection);
            one.tripped.iter().map(words)
        })
        .collect();
    let mut text = section(
        "Stopped by a guard before anything is written there:",
        &lines,
    );
    if !lines.is_empty() {
        text += "\nNext: look at it with `concord plan --all`; `concord sync --approve` lets through \
                 what the last sync was stopped over, and a limit is changed under `guards` of its \
                 connection\n";
    }
    text
}

fn of_connection(plan: &Plan, connection: &str, limit: usize) -> String {
    let writes: Vec<&PlannedWrite> = plan
        .writes
        .iter()
        .filter(|write| write.connection == connection)
        .collect();
    let rows = writes.iter().take(limit).flat_map(|write| rows(write));
    let mut text = format!("\n{connection}\n");
    text += &table(["", "record", "field", "from", "to", "waits because"], rows);
    if writes.len() > limit {
        text += &format!(" … and {} more (`--all`)\n", writes.len() - limit);
    }
    let differing: Vec<String> = plan
        .first_contact
        .iter()
        .filter(|difference| difference.connection == connection)
        .take(limit)
        .map(|d| {
            let (ours, theirs) = (value(&d.canonical), value(&d.remote));
            format!("{} {}: {ours} here, {theirs} there", d.entity, d.field)
        })
        .collect();
    text + &section(
        "Differs at first contact (`concord sync --first-contact` decides):",
        &differing,
    )
}

/// One line per field; what is the same for all of them stands in the first.
fn rows(write: &PlannedWrite) -> Vec<[String; 6]> {
    let action = match write.action {
        IntentAction::Create => "create",
        IntentAction::Update => "update",
        IntentAction::Delete | IntentAction::Withdraw => "delete",
        IntentAction::Restore => "restore",
    };
    let record = format!("{} in {}", write.entity, write.stream);
    let reason = write.blocked.clone().unwrap_or_default();
    let mut rows: Vec<[String; 6]> = write
        .values
        .iter()
        .map(|(field, new)| {
            let old = write.before.get(field).map_or_else(String::new, value);
            [
                String::new(),
                String::new(),
                field.clone(),
                old,
                value(new),
                String::new(),
            ]
        })
        .collect();
    if rows.is_empty() {
        rows.push(Default::default());
    }
    rows[0][0] = action.to_owned();
    rows[0][1] = record;
    rows[0][5] = reason;
    rows
}

#[cfg(test)]
mod tests {
    use concord_core::EntityId;
    use serde_json::json;

    use super::*;

    fn write(number: i64, blocked: Option<&str>) -> PlannedWrite {
        PlannedWrite {
            connection: "crm".into(),
            stream: "contacts".into(),
            entity: EntityId::new("person", number),
            remote_id: None,
            action: IntentAction::Update,
            values: json!({"email": "new@example.com"})
                .as_object()
                .unwrap()
                .clone(),
            before: json!({"email": "old@example.com"})
                .as_object()
                .unwrap()
                .clone(),
            base_version: None,
            blocked: blocked.map(str::to_owned),
        }
    }

    #[test]
    fn a_plan_shows_counts_differences_and_reasons() {
        let writes = (1..=10)
            .map(|n| write(n, (n == 1).then_some("it is held")))
            .collect();
        let plan = Plan {
            writes,
            ..Plan::default()
        };
        let text = words(&plan, SHOWN);
        for part in [
            "person/1 in contacts",
            "old@example.com",
            "it is held",
            "and 2 more",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(ending(&plan), Ending::SomethingToDo);
        assert_eq!(ending(&Plan::default()), Ending::Fine);
    }
}
