//! `concord exclude` and `concord include`

use anyhow::{Result, bail};
use clap::Args;
use concord_core::EntityId;
use concord_core::state::LinkKey;
use concord_engine::Hub;
use concord_engine::exclude::{Excluded, KeptOut};
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, table};
use crate::wire::hub::Reach;
use crate::wire::lease;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord exclude person/42
  concord exclude crm/contacts/1207
  concord exclude --list

A customer is excluded with each of its records, and is made nowhere anew; or one
record of it is, and the others go on without it. Nothing is read from an excluded
record and nothing is written to it; that it is deleted at its system deletes
nothing, and a delete elsewhere does not reach it.")]
pub struct ExcludeArguments {
    /// A customer, written kind/number, or a record, written
    /// connection/stream/id
    #[arg(value_name = "RECORD", required_unless_present = "list")]
    what: Option<String>,
    /// List what is excluded
    #[arg(long, conflicts_with = "what")]
    list: bool,
    /// Who excludes it, for the record's story
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    by: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord include person/42
  concord include crm/contacts/1207

The next sync reads it first. What changed on one side meanwhile is carried to
the other; what changed on both is a conflict, decided as ever.")]
pub struct IncludeArguments {
    /// A customer, written kind/number, or a record, written
    /// connection/stream/id
    #[arg(value_name = "RECORD")]
    what: String,
    /// Who includes it, for the record's story
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    by: String,
}

pub async fn exclude(cli: &Invocation, arguments: &ExcludeArguments) -> Result<Ending> {
    let Some(text) = &arguments.what else {
        return list(cli).await;
    };
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let what = parse(&hub, text)?;
    let clock = cli.clock.as_ref();
    let records = lease::with(store.as_ref(), clock, "exclude", async || {
        hub.exclude(&what, &arguments.by).await
    })
    .await?;
    cli.output
        .show(&json!({ "what": text, "records": records }), |_| {
            format!("{text} is excluded, with {}", count(records, "record"))
        })?;
    Ok(Ending::Fine)
}

pub async fn include(cli: &Invocation, arguments: &IncludeArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let text = &arguments.what;
    let what = parse(&hub, text)?;
    let clock = cli.clock.as_ref();
    let records = lease::with(store.as_ref(), clock, "include", async || {
        hub.include(&what, &arguments.by).await
    })
    .await?;
    cli.output
        .show(&json!({ "what": text, "records": records }), |_| {
            let records = count(records, "record");
            format!("{text} takes part again; the next sync reads {records} first")
        })?;
    Ok(Ending::Fine)
}

async fn list(cli: &Invocation) -> Result<Ending> {
    let hub = cli.records().await?;
    let kept_out = hub.kept_out().await?;
    cli.output.show(&kept_out, |kept_out| {
        if kept_out.is_empty() {
            return "nothing is excluded".into();
        }
        table(
            ["record", "entity"],
            kept_out.iter().map(|record| {
                let KeptOut {
                    connection,
                    stream,
                    remote_id,
                    entity,
                } = record;
                [
                    format!("{connection}/{stream}/{remote_id}"),
                    entity.to_string(),
                ]
            }),
        )
    })?;
    Ok(Ending::Fine)
}

/// What stands behind the second slash is the system's own id, with whatever it
/// has in it.
fn parse(hub: &Hub, text: &str) -> Result<Excluded> {
    let parts: Vec<&str> = text.splitn(3, '/').collect();
    match parts.as_slice() {
        [_, _] => Ok(Excluded::Entity(text.parse::<EntityId>()?)),
        [connection, stream, id] if !id.is_empty() => Ok(Excluded::Record(LinkKey {
            connection: hub.named(connection)?.id(),
            stream: (*stream).into(),
            remote_id: (*id).into(),
        })),
        _ => bail!(
            "'{text}' is neither a customer nor a record: write person/42, or crm/contacts/1207"
        ),
    }
}
