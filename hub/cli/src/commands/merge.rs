//! `concord merge` and `concord unmerge`

use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use concord_core::EntityId;
use concord_engine::merge::Merged;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::hub::Reach;
use crate::wire::lease;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord merge person/42 person/77

The first lives on and keeps its values; the second fills its gaps, and what it
loses is listed by `concord conflicts list`. The next sync brings it to every
system. `concord unmerge person/77`, or the number of the event that it names,
takes it back.")]
pub struct MergeArguments {
    /// The one that lives on
    lives: EntityId,
    /// The one that becomes a part of it
    other: EntityId,
    /// Who says so, for the record's story
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    by: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord unmerge person/77
  concord unmerge 1204

The number is that of the merge's event, as `concord merge` and `concord why`
show it. Also what a system of yours merged can be taken apart. Both get the values back that they had before, with what people put into the
records of each since. The next sync brings it to every system.")]
pub struct UnmergeArguments {
    /// The one that became a part of another, or the number of the merge's event
    #[arg(value_name = "ENTITY|EVENT")]
    merge: Merge,
    /// Who says so, for the record's story
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    by: String,
}

/// Which merge: by who ended with it, or by its event.
#[derive(Clone, Debug)]
enum Merge {
    Of(EntityId),
    Event(i64),
}

impl FromStr for Merge {
    type Err = <EntityId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim_start_matches('#').parse() {
            Ok(event) => Ok(Merge::Event(event)),
            Err(_) => text.parse().map(Merge::Of),
        }
    }
}

pub async fn merge(cli: &Invocation, arguments: &MergeArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let merged = lease::with(store.as_ref(), cli.clock.as_ref(), "merge", async || {
        hub.merge(&arguments.lives, &arguments.other, &arguments.by)
            .await
    })
    .await?;
    cli.output.show(&merged, |merged| {
        let lost = match merged.lost.as_slice() {
            [] => String::new(),
            fields => format!("; given up of it: {}", fields.join(", ")),
        };
        format!(
            "{} is a part of {} now, {}{lost} (event {}); the next sync brings it everywhere",
            merged.other,
            merged.lives,
            records(merged),
            merged.event
        )
    })?;
    Ok(Ending::Fine)
}

pub async fn unmerge(cli: &Invocation, arguments: &UnmergeArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let apart = lease::with(store.as_ref(), cli.clock.as_ref(), "unmerge", async || {
        let other = match &arguments.merge {
            Merge::Of(other) => other.clone(),
            Merge::Event(event) => hub.merged_by(*event).await?,
        };
        hub.unmerge(&other, &arguments.by).await
    })
    .await?;
    cli.output.show(&apart, |apart| {
        format!(
            "{} is by itself again, {}, and so is {}; the next sync brings it everywhere",
            apart.other,
            records(apart),
            apart.lives
        )
    })?;
    Ok(Ending::Fine)
}

fn records(merged: &Merged) -> String {
    match merged.records {
        1 => "with 1 record".into(),
        many => format!("with {many} records"),
    }
}
