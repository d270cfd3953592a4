//! `concord verify`

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
    let store = cli.reading().await?;
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
    let (excused, diverged): (Vec<&Difference>, Vec<&Difference>) = verified
        .differences
        .iter()
        .partition(|difference| difference.excused.is_some());
    let row = |difference: &&Difference| {
        [
            format!(
                "{}/{} {}",
                difference.connection, difference.stream, difference.remote_id
            ),
            difference.entity.to_string(),
            difference.field.clone(),
            value(&difference.canonical),
            value(&difference.remote),
            difference
                .excused
                .clone()
                .unwrap_or_else(|| "nothing excuses it".into()),
        ]
    };
    let all = diverged.len() + excused.len();
    let rows = diverged.iter().chain(&excused).take(SHOWN).map(row);
    let differences = table(
        ["where", "entity", "field", "canonical", "there", "because"],
        rows,
    );
    if !differences.is_empty() {
        text += &format!("\n{differences}");
    }
    if all > SHOWN {
        text += &format!(" … and {} more (`--json` has them all)\n", all - SHOWN);
    }
    let unreadable: Vec<String> = verified
        .unreadable
        .iter()
        .map(|(place, reason)| format!("{place}: {reason}"))
        .collect();
    text + &section("Could not be read:", &unreadable)
}
