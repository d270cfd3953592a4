//! `concord matches …`

use std::collections::BTreeMap;

use anyhow::Result;
use clap::{Args, Subcommand};
use concord_core::ports::Store as _;
use concord_core::state::{Review, Verdict};
use concord_core::{EntityId, Kind};

use crate::exit::Ending;
use crate::invocation::Invocation;
use crate::output::{table, value};
use crate::wire::hub::Reach;
use crate::wire::lease;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List records that wait for a decision
    List(ListArguments),
    /// Say that a record is this entity
    Link(LinkArguments),
    /// Say that a record is none of its candidates
    Apart(ApartArguments),
    /// Learn from the records at hand how much each field says about who somebody is
    Learn(LearnArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord matches list")]
pub struct ListArguments {
    /// Also those that are decided
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord matches link 3 person/42

The next sync carries it out.")]
pub struct LinkArguments {
    /// The match's number, as `concord matches list` shows it
    id: i64,
    /// Who the record is
    entity: EntityId,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord matches apart 3

The next sync makes it an entity of its own.")]
pub struct ApartArguments {
    /// The match's number, as `concord matches list` shows it
    id: i64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord matches learn person

Reads every record of every system as it was last seen; nobody has to say which
are the same. What it learns is used for every comparison from then on, and
replaces what was learned before.")]
pub struct LearnArguments {
    /// The kind of entity
    #[arg(default_value = "person")]
    kind: String,
}

pub async fn run(cli: &Invocation, command: &Command) -> Result<Ending> {
    match command {
        Command::List(arguments) => list(cli, arguments).await,
        Command::Link(arguments) => {
            decide(cli, arguments.id, Verdict::Link(arguments.entity.clone())).await
        }
        Command::Apart(arguments) => decide(cli, arguments.id, Verdict::Apart).await,
        Command::Learn(arguments) => learn(cli, arguments).await,
    }
}

async fn list(cli: &Invocation, arguments: &ListArguments) -> Result<Ending> {
    let store = cli.reading().await?;
    let reviews = store.reviews(!arguments.all, arguments.limit).await?;
    let rows = store.connections().await?;
    let names: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row.name)).collect();
    cli.output.show(&reviews, |reviews| {
        if reviews.is_empty() {
            return "no record waits for a decision".into();
        }
        table(
            ["id", "record", "says", "may be", "because"],
            reviews.iter().map(|review| {
                let connection = names
                    .get(&review.link.connection)
                    .map_or("?", String::as_str);
                row(review, connection)
            }),
        )
    })?;
    Ok(Ending::Fine)
}

fn row(review: &Review, connection: &str) -> [String; 5] {
    let says: Vec<String> = ["given_name", "family_name", "name", "email", "phone"]
        .iter()
        .filter_map(|field| review.values.get(*field))
        .filter(|found| !found.is_null())
        .map(value)
        .collect();
    let candidates: Vec<String> = review.candidates.iter().map(ToString::to_string).collect();
    let verdict = match &review.verdict {
        None => review.reason.clone(),
        Some(Verdict::Link(entity)) => format!("decided: {entity}"),
        Some(Verdict::Apart) => "decided: none of them".into(),
    };
    [
        review.id.to_string(),
        format!(
            "{connection}/{} {}",
            review.link.stream, review.link.remote_id
        ),
        says.join(" "),
        candidates.join(", "),
        verdict,
    ]
}

async fn learn(cli: &Invocation, arguments: &LearnArguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let kind = Kind::new(&arguments.kind);
    let lesson = lease::with(store.as_ref(), cli.clock.as_ref(), "matches", async || {
        hub.learn_matches(&kind, hub.rng.as_ref()).await
    })
    .await?;
    cli.output.show(&lesson, |lesson| {
        let fields = lesson.fields.iter().map(|(field, equal, different)| {
            [
                field.clone(),
                format!("{equal:+.1}"),
                format!("{different:+.1}"),
            ]
        });
        format!(
            "learned from {} records, {} pairs of which are one {}; in bits, each doubles the \
             odds:\n{}",
            lesson.records,
            lesson.pairs,
            lesson.kind,
            table(["field", "equal", "different"], fields)
        )
    })?;
    Ok(Ending::Fine)
}

async fn decide(cli: &Invocation, id: i64, verdict: Verdict) -> Result<Ending> {
    let store = cli.writing().await?;
    let hub = cli
        .hub(store.clone(), Reach::Records, String::new())
        .await?;
    let review = lease::with(store.as_ref(), cli.clock.as_ref(), "matches", async || {
        hub.decide_match(id, verdict).await
    })
    .await?;
    cli.output.show(&review, |review| {
        format!(
            "match {} is decided; the next sync carries it out",
            review.id
        )
    })?;
    Ok(Ending::Fine)
}
