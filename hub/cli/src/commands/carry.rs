//! What `apply PLAN` and `undo` have in common: writes to the systems that were
//! chosen by a person, with the right to write, and an account of them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use concord_engine::saved::{Carried, SavedPlan};
use concord_engine::{EngineError, Hub};
use concord_store::SqlStore;
use serde_json::json;

use super::sync::{interrupted, note_held};
use crate::exit::Ending;
use crate::interrupt::until_told;
use crate::invocation::Invocation;
use crate::output::{count, section};
use crate::wire::hub::Reach;
use crate::wire::lease;
use crate::wire::right::Right;

/// Skipped writes that a person sees; `--json` has them all.
const SHOWN: usize = 20;

/// Carries out a saved plan.
pub async fn apply_plan(cli: &Invocation, path: &PathBuf) -> Result<Ending> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let plan = SavedPlan::parse(&text).with_context(|| format!("{}", path.display()))?;
    with_systems(cli, "apply", async |hub| hub.apply_plan(&plan).await).await
}

/// Takes back what a run wrote.
pub async fn undo(cli: &Invocation, run: i64) -> Result<Ending> {
    with_systems(cli, "undo", async |hub| hub.undo(run).await).await
}

async fn with_systems(
    cli: &Invocation,
    command: &str,
    work: impl AsyncFnOnce(&mut Hub) -> Result<Carried, EngineError>,
) -> Result<Ending> {
    let store = cli.writing().await?;
    let carried = async |right: &Right| carry(cli, &store, right, work).await;
    cli.with_right(&store, command, lease::SPAN, carried).await
}

async fn carry(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    right: &Right,
    work: impl AsyncFnOnce(&mut Hub) -> Result<Carried, EngineError>,
) -> Result<Ending> {
    let mut hub = cli
        .hub_with(
            Arc::clone(store),
            Reach::Systems,
            right.owner.clone(),
            right.sharing.clone(),
        )
        .await?;
    right
        .once(async || note_held(store.as_ref(), &hub).await)
        .await?;
    let stop = Arc::clone(&hub.stop);
    let ended = until_told(work(&mut hub), stop, cli.clock.as_ref()).await;
    cli.watch.finish();
    let carried = match ended {
        Some(Ok(carried)) => carried,
        None | Some(Err(EngineError::Ended)) => return interrupted(cli),
        Some(Err(error)) => return Err(error.into()),
    };
    let document = json!(carried);
    cli.output.show(&document, |_| words(&carried))?;
    Ok(match carried.report.failed() {
        true => Ending::PartlyStopped,
        false => Ending::Fine,
    })
}

fn words(carried: &Carried) -> String {
    let mut text = format!(
        "run {}: {} carried out\n",
        carried.report.run,
        count(carried.done, "write")
    );
    if carried.report.open > 0 {
        let open = count(carried.report.open, "write");
        text += &format!("{open} under way or in doubt; `concord sync` settles them\n");
    }
    let stopped: Vec<String> = carried
        .report
        .streams
        .iter()
        .filter_map(|(place, stream)| Some(format!("{place}: {}", stream.stopped.as_ref()?)))
        .collect();
    text += &section("Stopped:", &stopped);
    let mut skipped: Vec<String> = carried
        .skipped
        .iter()
        .take(SHOWN)
        .map(|one| {
            let field = one.field.as_deref().unwrap_or_default();
            let what = format!("{} {} {field}", one.connection, one.entity);
            format!("{}: {}", what.trim_end(), one.why)
        })
        .collect();
    if carried.skipped.len() > SHOWN {
        skipped.push(format!("… and {} more", carried.skipped.len() - SHOWN));
    }
    text + &section("Skipped:", &skipped)
}
