//! `concord serve`

mod front;
mod meters;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use concord_core::Timestamp;
use concord_core::ports::{Rng as _, StoreError};
use concord_core::webhook::DeliveryStore as _;
use concord_engine::clock::SystemRng;
use concord_engine::run::{Gap, Report, Request};
use concord_engine::schedule::{Schedule, ScheduleConfig};
use concord_engine::{Hub, alerts, history};
use concord_store::SqlStore;
use serde_json::json;
use tokio::sync::Notify;

use self::front::Front;
use super::{sync, writes};
use crate::exit::Ending;
use crate::interrupt::told;
use crate::invocation::Invocation;
use crate::output::count;
use crate::wire::alerts::messengers;
use crate::wire::config;
use crate::wire::hub::held;
use crate::wire::right::Right;
use crate::wire::wishes::{Pause, Wishes};

/// How soon a wish, or a schedule that was applied meanwhile, is noticed.
const LOOK: Duration = Duration::from_secs(1);

/// When webhooks are looked at again that could not be worked off.
const HINTS_AGAIN: Duration = Duration::from_secs(30);

/// What begins later than this was kept from beginning.
pub(super) const LATE: Duration = Duration::from_secs(15 * 60);

/// The waits after runs that failed as a whole.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

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
    /// Take webhooks at this address, and answer /healthz, /readyz and /metrics there
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

pub async fn run(cli: &Invocation, arguments: &Arguments) -> Result<Ending> {
    let store = cli.writing().await?;
    // A schedule that cannot be followed ends it at once, and not in the night.
    let config = config::stored(store.as_ref()).await?;
    let schedule = Schedule::new(&config.schedule, cli.clock.now())?;
    let began = history::last_began(store.as_ref()).await?;
    if !cli.global.quiet {
        eprintln!("serving; SIGTERM and Ctrl-C end it, `concord schedule show` says what is next");
    }
    let arrived = Arc::new(Notify::new());
    let front = match &arguments.listen {
        Some(address) => Some(Front::open(cli, &store, address, Arc::clone(&arrived)).await?),
        None => None,
    };
    match (&front, &config.webhooks) {
        (Some(front), _) if !cli.global.quiet => eprintln!("listening at {}", front.address()),
        (None, Some(_)) => {
            tracing::warn!("webhooks are configured, and this hub takes none without --listen");
        }
        _ => {}
    }
    let mut server = Server {
        cli,
        store,
        claim: Duration::from_secs(arguments.lease),
        failures: 0,
        gap: overdue(&schedule, began, cli.clock.now()),
        arrived,
        front,
        hints_from: Timestamp::ZERO,
    };
    server.run().await;
    if let Some(front) = server.front {
        front.close(cli).await;
    }
    Ok(Ending::Fine)
}

struct Server<'a> {
    cli: &'a Invocation,
    store: Arc<SqlStore>,
    claim: Duration,
    /// Runs in a row that failed as a whole.
    failures: u32,
    /// Since when nothing could run, for the history.
    gap: Option<Gap>,
    /// Told when webhooks were kept here.
    arrived: Arc<Notify>,
    front: Option<Front>,
    /// Webhooks that wait are not looked at before, unless new ones come.
    hints_from: Timestamp,
}

/// What is to be done now.
enum Due {
    Sync,
    /// A person asked for it.
    Asked,
    /// Only what webhooks named.
    Hinted,
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
            if self.sync(due).await {
                return;
            }
        }
    }

    /// Waits until a sync is due.
    async fn wait(&mut self) -> Due {
        // One draw for one wait: drawn with each look, the earliest of many would
        // win, and nobody would be late.
        let chance = SystemRng::default().next_u64();
        let clock = &self.cli.clock;
        let rest = match self.failures {
            0 => Duration::ZERO,
            n => FIRST_WAIT
                .saturating_mul(1 << (n - 1).min(10))
                .min(LONGEST_WAIT),
        };
        clock.sleep(rest).await;
        // What is due stays due while the schedule is the same and nobody has begun a
        // sync.
        let mut known = None;
        let mut due: Option<Timestamp> = None;
        let mut unread = None;
        loop {
            let now = clock.now();
            match self.look(now).await {
                Ok(Look::Paused(pause)) => {
                    known = None;
                    self.gap.get_or_insert_with(|| Gap {
                        since: pause.since,
                        tries: 0,
                        reason: format!("paused {}", pause.reason).trim_end().to_owned(),
                    });
                }
                Ok(Look::Hurry) => return Due::Asked,
                Ok(Look::Hinted) => return Due::Hinted,
                Ok(Look::Schedule(basis)) => {
                    if known.as_ref() != Some(&basis) {
                        due = basis.next(now, chance);
                        known = Some(basis);
                    }
                    // What failed is tried again now that its wait is over.
                    if self.failures > 0 || due.is_some_and(|due| due <= now) {
                        return Due::Sync;
                    }
                    unread = None;
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    // A database that is gone for an hour is told once.
                    if unread.as_ref() != Some(&error) {
                        tracing::warn!("the schedule cannot be read: {error}");
                        unread = Some(error);
                    }
                }
            }
            tokio::select! {
                () = clock.sleep(LOOK) => {}
                () = self.arrived.notified() => self.hints_from = Timestamp::ZERO,
            }
        }
    }

    async fn look(&mut self, now: Timestamp) -> Result<Look> {
        if let Some(front) = &mut self.front {
            front.refresh(self.cli, &self.store).await?;
        }
        let wishes = Wishes::read(self.store.as_ref()).await?;
        if let Some(pause) = wishes.paused {
            return Ok(Look::Paused(pause));
        }
        let began = history::last_began(self.store.as_ref()).await?;
        // A sync that began since then has fulfilled it.
        if wishes.hurry > began && wishes.hurry <= Some(now) {
            return Ok(Look::Hurry);
        }
        let schedule = config::stored(self.store.as_ref()).await?.schedule;
        if now >= self.hints_from && !self.store.backlog().await?.is_empty() {
            return Ok(Look::Hinted);
        }
        Ok(Look::Schedule(Basis { schedule, began }))
    }

    /// True where it was told to end.
    async fn sync(&mut self, due: Due) -> bool {
        let only_hinted = matches!(due, Due::Hinted);
        if only_hinted {
            // Those of a connection that cannot run now wait for it.
            self.hints_from = self.cli.clock.now().plus(HINTS_AGAIN);
        }
        let start = self.cli.clock.monotonic();
        let ended = self.once(&due).await;
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
                if !only_hinted {
                    self.failures = 0;
                    // A run for webhooks looks at some connections and not at all.
                    self.alert(&hub, &report).await;
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

    async fn once(&self, due: &Due) -> Result<Option<(Hub, Report)>> {
        let (cli, store) = (self.cli, &self.store);
        let place = &cli.global.db;
        let request = Request {
            only_hinted: matches!(due, Due::Hinted),
            urgent: matches!(due, Due::Asked),
            resumed: self.gap.clone(),
            ..Request::default()
        };
        let right = Right::take(place, store, &cli.clock, "serve", self.claim).await?;
        let done = sync::once(cli, store, &right, &request).await;
        let given_back = right.give_back().await;
        let done = done?;
        given_back?;
        Ok(done)
    }

    async fn alert(&self, hub: &Hub, report: &Report) {
        let store = self.store.as_ref();
        let found = alerts::troubles(hub, report);
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
fn overdue(schedule: &Schedule, began: Option<Timestamp>, now: Timestamp) -> Option<Gap> {
    let began = began?;
    let since = schedule.next(Some(began), began, 0)?;
    (since.plus(LATE) < now).then(|| Gap {
        since,
        tries: 0,
        reason: "no hub was running".to_owned(),
    })
}

enum Look {
    Paused(Pause),
    Hurry,
    Hinted,
    Schedule(Basis),
}

/// What the next start follows from.
#[derive(PartialEq, Eq)]
struct Basis {
    schedule: ScheduleConfig,
    began: Option<Timestamp>,
}

impl Basis {
    fn next(&self, now: Timestamp, chance: u64) -> Option<Timestamp> {
        match Schedule::new(&self.schedule, now) {
            Ok(schedule) => schedule.next(self.began, now, chance),
            Err(error) => {
                tracing::warn!("there is no schedule to follow: {error}");
                None
            }
        }
    }
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
