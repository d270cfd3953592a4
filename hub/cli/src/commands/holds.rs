//! `concord holds …`

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_core::ports::Store as _;
use concord_core::{EntityId, FieldName};

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::table;
use crate::wire::hub::Reach;
use crate::wire::lease;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what is held, with the reason of each
    List(ListArguments),
    /// Let go of a field that was held for another reason than a conflict
    Release(ReleaseArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord holds list

Nothing of a held field is written to any system.")]
pub struct ListArguments {
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord holds release person/42 job_title

For a fight that was stopped, once its cause is mended. The canonical value
stands, and the next sync brings it everywhere. A conflict is decided instead:
`concord conflicts decide`.")]
pub struct ReleaseArguments {
    /// The record, written kind/number
    #[arg(value_name = "ENTITY")]
    entity: EntityId,
    /// The held field; none for a hold of the whole record
    field: Option<String>,
    /// Who releases it, for the record's story
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    by: String,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::List(arguments) => list(cli, arguments).await,
        Command::Release(arguments) => release(cli, arguments).await,
    }
}

async fn list(cli: &Invocation, arguments: &ListArguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let holds = store.all_holds(arguments.limit).await?;
    cli.output.show(&holds, |holds| {
        if holds.is_empty() {
            return "nothing is held".into();
        }
        table(
            ["entity", "field", "since", "because"],
            holds.iter().map(|hold| {
                let field = hold.field.as_ref().map_or("(all of it)", FieldName::as_str);
                [
                    hold.entity.to_string(),
                    field.to_owned(),
                    hold.at.to_string(),
                    hold.reason.clone(),
                ]
            }),
        )
    })?;
    Ok(Ending::Fine)
}

async fn release(cli: &Invocation, arguments: &ReleaseArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let field = arguments.field.as_ref().map(FieldName::new);
    let released = lease::with(
        store.as_ref(),
        cli.clock.as_ref(),
        "holds release",
        async || {
            hub.release(&arguments.entity, field.as_ref(), &arguments.by)
                .await
        },
    );
    let hold = released.await?;
    cli.output.show(&hold, |hold| {
        let field = hold.field.as_ref().map_or("", FieldName::as_str);
        format!("{} {field} is held no longer", hold.entity)
    })?;
    Ok(Ending::Fine)
}
