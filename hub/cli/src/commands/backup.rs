//! `concord backup`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::count;
use crate::wire::archive;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord key make backup.key
  concord backup --key backup.key concord-2026-11-22.backup

Works while a sync runs: the backup is of one moment. It holds every record, and
everything that the hub knows of them, from a file or from a server; `restore`
takes it into either. Secrets that the database holds are in it, each sealed;
files and variables that hold others are only named. With `--key` all of it is
sealed. Keep the key elsewhere.")]
pub struct Arguments {
    /// The file, which is not there yet
    file: PathBuf,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let key = cli.global.key.as_ref();
    let now = cli.clock.now();
    let contents = archive::back_up(&store, &arguments.file, key, now).await?;
    let bytes = std::fs::metadata(&arguments.file)
        .context("the backup was written and is not there")?
        .len();
    let document = json!({
        "file": arguments.file,
        "bytes": bytes,
        "sealed": key.is_some(),
        "rows": contents.rows(),
        "contents": contents,
    });
    cli.output.show(&document, |_| {
        let mut text = format!(
            "{} holds {} in {bytes} bytes",
            arguments.file.display(),
            count(contents.rows(), "row")
        );
        if key.is_none() {
            text += ".\nIt is not sealed: whoever reads the file reads your customers' records. \
                     `--key` seals it";
        }
        text
    })?;
    Ok(Ending::Fine)
}
