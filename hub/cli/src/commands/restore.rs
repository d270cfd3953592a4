//! `concord restore`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use concord_core::ports::Store as _;
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{count, section};
use crate::wire::{self, archive, config, lease, secrets};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord --db restored.db restore --key backup.key concord-2026-11-22.backup
  concord --db restored.db sync
  concord --db restored.db plan
  concord --db restored.db sync --approve

Into a new file, or a server's database after `concord db setup`. It is restored
whole or not at all, and only where nothing is there yet. The systems went on
since the backup: the next sync reads all of them whole and writes nothing,
until its plan is approved.")]
pub struct Arguments {
    /// What `concord backup` made
    file: PathBuf,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = wire::store::make(&cli.global.db).await?;
    let clock = cli.clock.as_ref();
    let restoring = async || {
        let key = cli.global.key.as_ref();
        archive::restore(&store, &arguments.file, key, clock.now()).await
    };
    let restored = lease::with(store.as_ref(), clock, "restore", restoring);
    let contents = restored.await?;
    // They are where they were on the machine of the backup, or not.
    let config = config::stored(store.as_ref()).await?;
    let vault = cli.vault(&store).await?;
    let rows = store.connections().await?;
    let missing: Vec<String> = rows
        .iter()
        .filter(|row| !row.removed)
        .filter_map(|row| {
            let wish = config.connections.get(&row.name)?;
            let problem = secrets::read(row.id, &wish.secrets, &vault).err()?;
            Some(format!("{}: {problem}", row.name))
        })
        .collect();
    let document = json!({
        "rows": contents.rows(),
        "contents": contents,
        "missing_secrets": missing,
    });
    cli.output.show(&document, |_| {
        let mut text = format!(
            "{} restored, as of {} (concord {})\n\
             Next: `concord sync` reads every system whole and writes nothing; `concord plan` \
             shows what it would write, `concord sync --approve` writes it",
            count(contents.rows(), "row"),
            contents.made,
            contents.version
        );
        text += &section("Secrets that are not here:", &missing);
        text
    })?;
    Ok(Ending::Fine)
}
