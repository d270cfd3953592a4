//! `concord apply`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use concord_core::ports::Store as _;
use concord_engine::config::Config;

use super::carry;
use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::apply::{self, ApplyError, Changes};
use crate::wire::{config, lease, subscriptions};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord apply -f config.yaml
  concord apply plan.json
  concord export | sed s/both/read/ | concord apply -f -

The file is the whole configuration: a connection that is not in it is removed;
its records stay known. Applying the same file again changes nothing.

A plan that `concord plan --save` made is carried out as it is: every write of it
whose record has not moved since, and nothing else. What is skipped is named.")]
#[group(required = true, multiple = false)]
pub struct Arguments {
    /// The configuration, YAML or JSON; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A saved plan
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    if let Some(plan) = &arguments.plan {
        return carry::apply_plan(cli, plan).await;
    }
    let standard_input = PathBuf::from("-");
    let config = config::read(arguments.file.as_ref().unwrap_or(&standard_input))?;
    let changes = take_over(cli, &config, "apply").await?;
    for name in left_sending(cli, &changes).await? {
        tracing::warn!(
            "the system of '{name}' was asked for webhooks and sends them still: take them back at \
             its own pages. `concord connection remove {name}` would have done so"
        );
    }
    cli.output.show(&changes, words)?;
    Ok(Ending::Fine)
}

/// Checks a configuration and writes it down under the lease.
pub async fn take_over(
    cli: &Invocation,
    config: &Config,
    command: &str,
) -> Result<Changes, ApplyError> {
    apply::check(config, cli.global.plugins.as_ref(), cli.clock.now())?;
    let store = cli.writing().await?;
    let store = store.as_ref();
    lease::with(store, cli.clock.as_ref(), command, async || {
        let changes = apply::commit(store, config).await?;
        subscriptions::forget_strays(store).await?;
        Ok(changes)
    })
    .await
}

/// Connections that are gone and whose systems still send webhooks.
async fn left_sending(cli: &Invocation, changes: &Changes) -> Result<Vec<String>> {
    let store = cli.reading().await?;
    let mut left = Vec::new();
    for row in store.connections().await? {
        let is_gone = row.removed && changes.removed.contains(&row.name);
        if is_gone
            && subscriptions::known(store.as_ref(), row.id)
                .await?
                .is_some()
        {
            left.push(row.name);
        }
    }
    Ok(left)
}

fn words(changes: &Changes) -> String {
    if changes.is_empty() {
        return "nothing changed".into();
    }
    let mut lines = Vec::new();
    lines.extend(changes.settings.iter().map(|part| format!("~ {part}")));
    lines.extend(
        changes
            .added
            .iter()
            .map(|name| format!("+ connection {name}")),
    );
    for (name, parts) in &changes.changed {
        lines.push(format!("~ connection {name}: {}", parts.join(", ")));
    }
    lines.extend(
        changes
            .removed
            .iter()
            .map(|name| format!("- connection {name}")),
    );
    if !changes.unchanged.is_empty() {
        lines.push(format!("  unchanged: {}", changes.unchanged.join(", ")));
    }
    if !changes.added.is_empty() {
        lines.push("Next: `concord connection check NAME`, then `concord sync`".into());
    }
    lines.join("\n")
}
