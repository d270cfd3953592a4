//! `concord sync`

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use concord_core::ports::Store;
use concord_core::{Changeset, RunId};
use concord_engine::planner::Plan;
use concord_engine::run::{Report, Request};
use concord_engine::{EngineError, Hub};
use concord_store::SqlStore;
use concord_sync::approve::FirstContact;
use serde_json::{Value, json};

use super::plan;
use super::refusals::{Refusal, refused};
use super::writes;
use crate::exit::Ending;
use crate::interrupt::until_told;
use crate::invocation::Invocation;
use crate::output::{section, table};
use crate::stages::Spent;
use crate::wire::flight::{Flight, Recording};
use crate::wire::hub::{self, Reach};
use crate::wire::recording::Recorded;
use crate::wire::right::Right;

/// How many planned writes of each connection a dry run shows.
const SHOWN: usize = 8;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord sync
  concord sync --dry-run
  concord sync --approve --first-contact remote
  concord sync --record run.recording

A connection's first sync reads and matches only: nothing is written to it until
its plan is approved. Ctrl-C ends between two steps; the next sync goes on from
there. Ends with 4 when a connection was stopped and the others went on.
Several of them may run at once on one PostgreSQL: each takes the connections
that are free, and what one that died had taken is free before long.")]
pub struct Arguments {
    /// Only read and write this connection
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Read and match, then show what would be written and write nothing there
    #[arg(long, conflicts_with = "approve")]
    dry_run: bool,
    /// Approve the first plan of connections that wait for it, and what a guard
    /// stopped the last sync over
    #[arg(long)]
    approve: bool,
    /// How the approved plan settles fields that differed at first contact
    #[arg(long, value_enum, default_value = "rules", requires = "approve")]
    first_contact: Settle,
    /// Read everything, whatever changed
    #[arg(long)]
    full: bool,
    /// On a server: how long others leave alone what this one has taken, should
    /// it die
    #[arg(long, value_name = "SECONDS", default_value = "120",
          value_parser = clap::value_parser!(u64).range(5..=3600))]
    lease: u64,
    /// Write down everything that this run reads, decides and sends, for `concord
    /// replay`: secrets are masked, customers' records are not
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Say where the processor's time went, stage by stage
    #[arg(long)]
    pub timings: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Settle {
    /// A field's rule where it names an owner, otherwise what is known already
    Rules,
    /// What is known already
    Canonical,
    /// What the new connection holds
    Remote,
}

impl From<Settle> for FirstContact {
    fn from(settle: Settle) -> Self {
        match settle {
            Settle::Rules => FirstContact::Rules,
            Settle::Canonical => FirstContact::Canonical,
            Settle::Remote => FirstContact::Remote,
        }
    }
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = cli.writing().await?;
    let claim = Duration::from_secs(arguments.lease);
    let synced = async |right: &Right| with_right(cli, arguments, &store, right).await;
    let ending = cli.with_right(&store, "sync", claim, synced).await;
    // Folds the log into the file, so that the next start need not read it.
    if let Some(store) = Arc::into_inner(store) {
        store.close().await?;
    }
    ending
}

/// One run with a hub of its own, so that what was applied meanwhile counts.  None
/// where it was told to end before it was through.
pub(super) async fn once(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    right: &Right,
    request: &Request,
) -> Result<Option<(Hub, Report)>> {
    once_recorded(cli, store, right, request, None).await
}

/// The same, and written down where a file is named.
async fn once_recorded(
    cli: &Invocation,
    store: &Arc<SqlStore>,
    right: &Right,
    request: &Request,
    record: Option<&Path>,
) -> Result<Option<(Hub, Report)>> {
    let recording = record.map(|path| (path, Arc::new(Recording::default())));
    let flight = match &recording {
        Some((_, recording)) => Flight::Recorded(Arc::clone(recording)),
        None => cli.flight.clone(),
    };
    let mut hub = cli
        .hub_in_flight(
            Arc::clone(store),
            Reach::Systems,
            right.owner.clone(),
            right.sharing.clone(),
            flight,
        )
        .await?;
    right
        .once(async || note_held(store.as_ref(), &hub).await)
        .await?;
    let recorded = match &recording {
        Some((path, recording)) => {
            let key = cli.global.key.as_ref();
            let now = cli.clock.now();
            let begun = Recorded::begin(path, key, recording, &mut hub, request, store, now);
            Some(begun.await?)
        }
        None => None,
    };
    let stop = Arc::clone(&hub.stop);
    let ended = until_told(hub.sync(request), stop, cli.clock.as_ref()).await;
    if let Some(recorded) = recorded {
        recorded.end(ended.as_ref());
    }
    cli.watch.finish();
    let report = match ended {
        Some(Ok(report)) => report,
        None | Some(Err(EngineError::Ended)) => return Ok(None),
        Some(Err(error)) => return Err(error.into()),
    };
    let vault = cli.vault(store).await?;
    hub::look_at_sign_ins(&mut hub, &vault).await?;
    // The run is through and its right may be another's by now.
    let noted = right.once(async || note_held(store.as_ref(), &hub).await);
    if let Err(error) = noted.await {
        tracing::warn!("the next sync will write down what stopped this one: {error:#}");
    }
    Ok(Some((hub, report)))
}

async fn with_right(
    cli: &Invocation,
    arguments: &Arguments,
    store: &Arc<SqlStore>,
    right: &Right,
) -> Result<Ending> {
    let request = Request {
        connection: arguments.connection.clone(),
        approve: arguments.approve,
        first_contact: arguments.first_contact.into(),
        full: arguments.full,
        read_only: arguments.dry_run,
        // A script that runs it from time to time is nobody who waits.
        urgent: std::io::stdout().is_terminal(),
        ..Request::default()
    };
    let record = arguments.record.as_deref();
    let done = once_recorded(cli, store, right, &request, record).await?;
    let Some((hub, report)) = done else {
        return interrupted(cli);
    };
    let plan = if arguments.dry_run {
        Some(hub.plan().await?)
    } else {
        None
    };
    cli.watch.finish();
    let any_refused = report
        .streams
        .values()
        .any(|stream| stream.sent.refused > 0);
    let refused = if any_refused {
        refused(&hub, RunId(report.run)).await?
    } else {
        Vec::new()
    };
    let account = Account {
        held: held(&hub, arguments.connection.as_deref()),
        refused,
        plan,
        report,
        spent: arguments.timings.then(|| cli.stages.spent()),
    };
    cli.output.show(&account.document(), |_| account.words())?;
    let guarded = !account.report.guarded.is_empty();
    Ok(
        if account.report.failed()
            || guarded
            || account.report.writes_stopped.is_some()
            || !account.held.is_empty()
        {
            Ending::PartlyStopped
        } else {
            Ending::Fine
        },
    )
}

pub(super) fn interrupted(cli: &Invocation) -> Result<Ending> {
    let done = cli.watch.so_far();
    let document = json!({ "interrupted": true, "done": done });
    cli.output.show(&document, |_| {
        format!("ended before it was through: {done}. The next `concord sync` goes on from there")
    })?;
    Ok(Ending::Interrupted)
}

/// Connections that could not run, of those that were asked for.
fn held(hub: &Hub, only: Option<&str>) -> BTreeMap<String, String> {
    let mut held = hub::held(hub);
    held.retain(|name, _| only.is_none_or(|only| only == name));
    held
}

/// Writes down why a connection does not run, for `status`.
pub(super) async fn note_held(store: &dyn Store, hub: &Hub) -> Result<()> {
    let before = store.connections().await?;
    let mut out = Changeset::default();
    for connection in &hub.connections {
        let known = before.iter().find(|row| row.id == connection.row.id);
        if known.is_some_and(|row| row.held != connection.row.held) {
            out.connections.push(connection.row.clone());
        }
    }
    if !out.is_empty() {
        store.commit(&out).await?;
    }
    Ok(())
}

/// Everything that is told about a run.
struct Account {
    report: Report,
    held: BTreeMap<String, String>,
    refused: Vec<Refusal>,
    plan: Option<Plan>,
    /// Where the time went, for somebody who asked.
    spent: Option<Spent>,
}

impl Account {
    fn document(&self) -> Value {
        let mut document = json!(self.report);
        document["writes"] = json!(self.report.writes());
        document["held"] = json!(self.held);
        document["refused"] = json!(self.refused);
        if let Some(plan) = &self.plan {
            document["plan"] = plan::document(plan);
        }
        if let Some(spent) = &self.spent {
            document["cpu"] = json!(spent);
        }
        document
    }

    fn words(&self) -> String {
        let Account { report, held, .. } = self;
        let mut text = format!("run {}\n", report.run);
        text += &table(
            [
                "stream",
                "read",
                "new",
                "changed",
                "gone",
                "conflicts",
                "created",
                "updated",
                "deleted",
                "refused",
            ],
            report.streams.iter().map(|(place, stream)| {
                let number = |n: u64| n.to_string();
                [
                    place.clone(),
                    number(stream.read.records),
                    number(stream.read.new),
                    number(stream.read.changed),
                    number(stream.read.gone),
                    number(stream.read.conflicts + stream.sent.conflicts),
                    number(stream.sent.created),
                    number(stream.sent.updated),
                    number(stream.sent.deleted),
                    number(stream.sent.refused),
                ]
            }),
        );
        for (kind, matched) in &report.matched {
            text += &format!(
                "\n{kind}: {} linked, {} new, {} to review",
                matched.linked, matched.new, matched.to_review
            );
            if !matched.waits_for.is_empty() {
                text += &format!("; waits for {}", matched.waits_for.join(", "));
            }
            text += "\n";
        }
        if report.open > 0 {
            text += &format!(
                "\n{} writes are under way or in doubt; a later sync settles them\n",
                report.open
            );
        }
        let is_held = |place: &str| {
            held.keys()
                .any(|name| place.starts_with(&format!("{name}/")))
        };
        let mut stopped: Vec<String> = held
            .iter()
            .map(|(name, reason)| format!("{name}: {reason}"))
            .collect();
        stopped.extend(report.streams.iter().filter_map(|(place, stream)| {
            let reason = stream.stopped.as_ref().filter(|_| !is_held(place))?;
            Some(format!("{place}: {reason}"))
        }));
        text += &section("Stopped:", &stopped);
        let refused: Vec<String> = self.refused.iter().map(Refusal::words).collect();
        text += &section("Refused by the system:", &refused);
        if !report.approved.is_empty() {
            text += &format!("\napproved: {}\n", report.approved.join(", "));
        }
        if let Some(plan) = &self.plan {
            text += &format!("\n{}", plan::words(plan, SHOWN));
        }
        text += &plan::guarded(&report.guarded);
        if let Some(brake) = &report.writes_stopped {
            text += &format!("\n{}\n", writes::words(Some(brake)));
        }
        if !report.waits_for_approval.is_empty() {
            text += &format!(
                "\nThe first plan of {} waits: `concord plan` shows it, `concord sync --approve` writes it\n",
                report.waits_for_approval.join(", ")
            );
        }
        if let Some(spent) = &self.spent {
            text += &format!("\n{}", spent.words());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use concord_core::EntityId;
    use concord_engine::run::StreamReport;

    use super::*;

    #[test]
    fn what_stopped_and_what_waits_is_said_once() {
        let mut report = Report {
            waits_for_approval: vec!["mail".into()],
            ..Report::default()
        };
        let stopped = |reason: &str| StreamReport {
            stopped: Some(reason.into()),
            ..Default::default()
        };
        report.streams.insert(
            "crm/contacts".into(),
            stopped("the sign-in is no longer valid"),
        );
        report
            .streams
            .insert("shop/orders".into(), stopped("no secret"));
        let held = BTreeMap::from([("shop".to_owned(), "no secret".to_owned())]);
        let refused = vec![Refusal {
            place: "crm/contacts".into(),
            reason: "email: exists".into(),
            writes: 3,
            first: EntityId::new("person", 1),
        }];
        let text = Account {
            report,
            held,
            refused,
            plan: None,
            spent: None,
        }
        .words();
        assert!(
            text.contains("person/1 and 2 more: email: exists"),
            "{text}"
        );
        assert!(
            text.contains("crm/contacts: the sign-in is no longer valid"),
            "{text}"
        );
        assert_eq!(text.matches("no secret").count(), 1, "{text}");
        assert!(
            text.contains("plan of mail waits") && text.contains("--approve"),
            "{text}"
        );
    }
}
