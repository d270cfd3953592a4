//! `concord serve`

mod callback;
mod front;
mod meters;
mod renewal;
mod waiting;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use concord_core::Timestamp;
use concord_core::ports::StoreError;
use concord_engine::history::Began;
use concord_engine::run::{Chosen, Gap, Report, Request};
use concord_engine::timetable::{Agenda, Timetable};
use concord_engine::{Hub, alerts};
use concord_store::SqlStore;
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use self::front::Front;
use self::waiting::{Cause, Due};
use super::{sync, writes};
use crate::exit::Ending;
use crate::interrupt::told;
use crate::invocation::Invocation;
use crate::logging::say;
use crate::output::count;
use crate::wire::alerts::messengers;
use crate::wire::config;
use crate::wire::hub::held;
use crate::wire::right::Right;
use crate::wire::wishes::Pause;

/// How soon a wish, or a schedule that was applied meanwhile, is noticed.
const LOOK: Duration = Duration::from_secs(1);

/// How many browsers wait for their turn.
const BROWSERS: usize = 8;

/// When webhooks are looked at again that could not be worked off.
const HINTS_AGAIN: Duration = Duration::from_secs(30);

/// What begins later than this was kept from beginning.
pub(super) const LATE: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  concord serve
  concord --json serve >> runs.jsonl

Syncs when the `schedule` of the configuration says: every 15 minutes where it says
nothing. What was missed while it did not run is made up for once. A configuration
that is applied meanwhile counts from the next sync on. SIGTERM and Ctrl-C end it
between two steps; killed, it goes on from there at its next start. Several of them
may run on one database: each sync is begun by one of them. Writes one line for each
sync; with --json a document.")]
pub struct Arguments {
    /// On a server: how long others leave alone what this one has taken, should it
    /// die
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(5..=3600))]
    lease: u64,
    /// Take webhooks and browsers that come back from a sign-in at this address, and
    /// answer /healthz, /readyz and /metrics there
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = cli.writing().await?;
    // A schedule that cannot be followed ends it at once, and not in the night.
    let config = config::stored(store.as_ref()).await?;
    let now = cli.clock.now();
    let began = Began::load(store.as_ref()).await?;
    let table = Timetable::new(&config, &began, now)?;
    if !cli.global.quiet {
        say("serving; SIGTERM and Ctrl-C end it, `concord schedule show` says what is next");
    }
    let arrived = Arc::new(Notify::new());
    let (browsers, came_back) = mpsc::channel(BROWSERS);
    let front = match &arguments.listen {
        Some(address) => {
            let arrived = Arc::clone(&arrived);
            Some(Front::open(cli, &store, address, arrived, browsers, &config).await?)
        }
        None => None,
    };
    match (&front, &config.webhooks) {
        (Some(front), _) if !cli.global.quiet => say(&format!("listening at {}", front.address())),
        (None, Some(_)) => {
            tracing::warn!("webhooks are configured, and this hub takes none without --listen");
        }
        _ => {}
    }
    let mut server = Server {
        cli,
        store: Arc::clone(&store),
        claim: Duration::from_secs(arguments.lease),
        failures: 0,
        again: Chosen::default(),
        agenda: Agenda::default(),
        gap: overdue(&table, now),
        paused: BTreeMap::new(),
        arrived,
        front,
        hints_from: Timestamp::ZERO,
    };
    // Beside the syncs, which may take long, and until the last one was answered.
    let mut meeting = pin!(callback::meet(cli, &store, came_back));
    tokio::select! {
        () = server.run() => {}
        never = &mut meeting => match never {},
    }
    if let Some(front) = server.front {
        tokio::select! {
            () = front.close(cli) => {}
            never = &mut meeting => match never {},
        }
    }
    Ok(Ending::Fine)
}

struct Server<'a> {
    cli: &'a Invocation,
    store: Arc<SqlStore>,
    claim: Duration,
    /// Runs in a row that failed as a whole.
    failures: u32,
    /// What they were about.
    again: Chosen,
    agenda: Agenda,
    /// Connections that were paused by themselves when last looked at.
    paused: BTreeMap<String, Pause>,
    /// Since when nothing could run, for the history.
    gap: Option<Gap>,
    /// Told when webhooks were kept here.
    arrived: Arc<Notify>,
    front: Option<Front>,
    /// Webhooks that wait are not looked at before, unless new ones come.
    hints_from: Timestamp,
}

impl Server<'_> {
    /// Serves until it is told to end.
    async fn run(&mut self) {
        let mut end = pin!(told());
        loop {
            let due = tokio::select! {
                () = &mut end => return,
                due = self.wait() => due,
            };
            match due {
                Due::Sync(cause, chosen) => {
                    if self.sync(cause, chosen).await {
                        return;
                    }
                }
                Due::Renewal(renewal) => self.renew(&renewal).await,
            }
        }
    }

    /// True where it was told to end.
    async fn sync(&mut self, cause: Cause, chosen: Chosen) -> bool {
        let only_hinted = cause == Cause::Webhooks;
        self.note_resumed(&chosen);
        let request = Request {
            only_hinted,
            urgent: cause == Cause::Asked,
            resumed: self.gap.clone(),
            chosen: Some(chosen),
            ..Request::default()
        };
        if only_hinted {
            // Those of a connection that cannot run now wait for it.
            self.hints_from = self.cli.clock.now().plus(HINTS_AGAIN);
        }
        let start = self.cli.clock.monotonic();
        let ended = self.once(&request).await;
        let took = self.cli.clock.monotonic().saturating_sub(start);
        meters::ended(&ended, took);
        if let Some(front) = &self.front
            && let Err(error) = front.count(&self.store).await
        {
            tracing::warn!("the metrics stay as they were before the sync: {error:#}");
        }
        match ended {
            Ok(Some((hub, report))) => {
                self.gap = None;
                self.failures = 0;
                if !only_hinted {
                    self.again = Chosen::default();
                    self.alert(&hub, &request, &report).await;
                }
                if let Err(error) = self.tell(&hub, &report) {
                    tracing::warn!("{error:#}");
                }
            }
            Ok(None) => return true,
            Err(error) => match error.downcast_ref::<StoreError>() {
                // A sync by hand is under way: what is due waits for its end.
                Some(StoreError::Busy { owner }) => {
                    tracing::debug!(owner, "another sync is under way");
                    self.hints_from = Timestamp::ZERO;
                    self.cli.clock.sleep(LOOK).await;
                }
                _ => {
                    self.failures += 1;
                    // Webhooks wait no longer than everything does now.
                    self.hints_from = Timestamp::ZERO;
                    if !only_hinted {
                        self.again.join(request.chosen.unwrap_or_default());
                    }
                    self.failed(&error);
                }
            },
        }
        false
    }

    fn failed(&mut self, error: &anyhow::Error) {
        tracing::error!("a sync failed, and is tried again: {error:#}");
        let gap = self.gap.get_or_insert_with(|| Gap {
            since: self.cli.clock.now(),
            tries: 0,
            reason: String::new(),
        });
        gap.tries += 1;
        gap.reason = format!("{error:#}");
    }

    async fn once(&self, request: &Request) -> Result<Option<(Hub, Report)>> {
        self.with_right(async |right| sync::once(self.cli, &self.store, right, request).await)
            .await
    }

    async fn with_right<T>(&self, work: impl AsyncFnOnce(&Right) -> Result<T>) -> Result<T> {
        self.cli
            .with_right(&self.store, "serve", self.claim, work)
            .await
    }

    async fn alert(&self, hub: &Hub, request: &Request, report: &Report) {
        let store = self.store.as_ref();
        let found = alerts::troubles(hub, request, report);
        let told = async {
            let config = config::stored(store).await?;
            let messengers = messengers(&config.alerts)?;
            let now = self.cli.clock.now();
            anyhow::Ok(alerts::tell(store, found, now, &messengers).await?)
        };
        if let Err(error) = told.await {
            tracing::error!("no alert: {error:#}");
        }
    }

    fn tell(&self, hub: &Hub, report: &Report) -> Result<()> {
        let mut document = json!(report);
        document["writes"] = json!(report.writes());
        document["held"] = json!(held(hub));
        self.cli.output.show(&document, |_| words(hub, report))
    }
}

/// What was due before this hub began, and did not happen.
fn overdue(table: &Timetable, now: Timestamp) -> Option<Gap> {
    let entries = table.entries().iter();
    let since = entries.filter_map(|entry| entry.overdue(now, LATE)).min()?;
    Some(Gap {
        since,
        tries: 0,
        reason: "no hub was running".to_owned(),
    })
}

/// One line for one run.
fn words(hub: &Hub, report: &Report) -> String {
    let streams = report.streams.values();
    let read = streams.map(|stream| stream.read.records).sum();
    let mut text = format!(
        "run {}: {} read, {} written",
        report.run,
        count(read, "record"),
        count(report.writes(), "record")
    );
    if report.open > 0 {
        text += &format!(", {} under way", report.open);
    }
    let stopped = report.streams.iter().filter_map(|(place, stream)| {
        let why = stream.stopped.as_ref()?;
        Some(format!("{place} stopped: {why}"))
    });
    let held = held(hub);
    let held = held.iter().map(|(name, why)| format!("{name} held: {why}"));
    let guarded = report
        .guarded
        .iter()
        .map(|guarded| format!("{} waits for approval", guarded.connection));
    let brake = report.writes_stopped.as_ref();
    let brake = brake.map(|brake| writes::words(Some(brake)));
    for trouble in stopped.chain(held).chain(guarded).chain(brake) {
        text += "; ";
        text += &trouble;
    }
    text
}
