//! `concord verify`

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use clap::Args;
use concord_engine::verify::{Difference, Verified};

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section, table, value};
use crate::wire::hub::{self, Reach};

/// How many differences a person sees.
const SHOWN: usize = 30;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord verify
  concord verify --connection crm

Writes nothing, here or there, and may run beside a sync. Ends with 3 when
something differs that should not, and with 1 when a system could not be read.")]
pub struct Arguments {
    /// Only this connection
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    // A token may have to be renewed on the way, and is kept.
    let store = cli.writing().await?;
    let hub = cli.hub(store, Reach::Systems, String::new()).await?;
    let verified = hub.verify(arguments.connection.as_deref()).await;
    cli.watch.finish();
    let mut verified = verified?;
    // A connection without streams has nothing that could fail to be read.
    for (name, reason) in hub::held(&hub) {
        let prefix = format!("{name}/");
        let chosen = arguments
            .connection
            .as_ref()
            .is_none_or(|only| *only == name);
        if chosen
            && !verified
                .unreadable
                .iter()
                .any(|(place, _)| place.starts_with(&prefix))
        {
            verified.unreadable.push((name, reason));
        }
    }
    cli.output.show(&verified, words)?;
    if verified.diverged > 0 {
        return Ok(Ending::Diverged);
    }
    if !verified.unreadable.is_empty() {
        bail!("not everything could be read, so not everything is verified");
    }
    Ok(Ending::Fine)
}

fn words(verified: &Verified) -> String {
    let mut text = format!(
        "{} read back, {} compared: {} diverged, {} excused, {} missing\n",
        count(verified.records, "record"),
        count(verified.fields, "field"),
        verified.diverged,
        verified.excused,
        verified.missing
    );
    let diverged = verified.differences.iter().filter(|d| d.excused.is_none());
    let rows = diverged.clone().take(SHOWN).map(|difference| {
        [
            format!(
                "{}/{} {}",
                difference.connection, difference.stream, difference.remote_id
            ),
            difference.entity.to_string(),
            difference.field.clone(),
            value(&difference.canonical),
            value(&difference.remote),
        ]
    });
    let table = table(["where", "entity", "field", "canonical", "there"], rows);
    if !table.is_empty() {
        text += &format!("\nDiverged:\n{table}");
    }
    let more = diverged.count().saturating_sub(SHOWN);
    if more > 0 {
        text += &format!(" … and {more} more (`--json` has them all)\n");
    }
    text += &section("Excused:", &excused(&verified.differences));
    let unreadable: Vec<String> = verified
        .unreadable
        .iter()
        .map(|(place, reason)| format!("{place}: {reason}"))
        .collect();
    text + &section("Could not be read:", &unreadable)
}

/// Excused differences by field and reason; there may be one for every record.
fn excused(differences: &[Difference]) -> Vec<String> {
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for difference in differences {
        if let Some(because) = &difference.excused {
            let place = format!(
                "{}/{} {}",
                difference.connection, difference.stream, difference.field
            );
            *counts.entry((place, because)).or_default() += 1;
        }
    }
    let line = |((place, because), number): ((String, &str), u64)| {
        format!("{number} × {place}: {because}")
    };
    counts.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use concord_core::EntityId;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_diverged_is_shown_and_what_is_excused_is_counted() {
        let difference = |field: &str, excused: Option<&str>| Difference {
            connection: "crm".into(),
            stream: "contacts".into(),
            remote_id: "17".into(),
            entity: EntityId::new("person", 3),
            field: field.into(),
            canonical: json!("Ann"),
            remote: json!("Anna"),
            excused: excused.map(str::to_owned),
        };
        let verified = Verified {
            records: 1,
            diverged: 1,
            excused: 2,
            differences: vec![
                difference("email", Some("the field is held")),
                difference("phone", Some("the field is held")),
                difference("email", Some("the field is held")),
                difference("given_name", None),
            ],
            ..Verified::default()
        };
        let text = words(&verified);
        assert!(
            text.contains("2 × crm/contacts email: the field is held"),
            "{text}"
        );
        assert!(
            text.contains("given_name") && text.contains("Anna"),
            "{text}"
        );
    }
}
