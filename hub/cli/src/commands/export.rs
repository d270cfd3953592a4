//! `concord export`

use anyhow::Result;
use clap::Args;

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::wire::config;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord export > config.yaml

What it prints is what `concord apply` takes. It says where the secrets are,
never what they are.")]
pub struct Arguments {}

pub async fn run(cli: &Invocation, _: &Arguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let config = config::stored(store.as_ref()).await?;
    let text = config::to_yaml(&config)?;
    cli.output.show(&config, |_| text)?;
    Ok(Ending::Fine)
}
