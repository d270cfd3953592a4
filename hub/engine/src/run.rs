//! The story of one sync.

mod report;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use concord_core::RunId;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::error::EngineError;
use crate::guard::{Granted, Watchman};
use crate::hub::{Connection, Hub, Stream};
use crate::lane::Lane;
use crate::matcher::Matched;
use crate::meters;
use crate::outbox::Sent;
use crate::progress::Progress;
use crate::pull::Stopped;
use crate::webhooks::Hinted;

pub use self::report::{Gap, Report, Request, StreamReport};

/// Emitting and sending settle after a few turns; a bound keeps a fight from
/// turning one run into an endless one.
const TURNS: u32 = 12;

impl Hub {
    /// Reads every connection, matches, plans, writes, and ends when nothing is
    /// left to do now.
    pub async fn sync(&mut self, request: &Request) -> Result<Report, EngineError> {
        let span = tracing::info_span!(
            target: "concord::trace",
            "run",
            concord.run = Empty,
            otel.status_code = Empty,
        );
        let result = self.sync_untraced(request).instrument(span.clone()).await;
        match &result {
            Ok(report) => span.record("concord.run", report.run),
            Err(_) => span.record("otel.status_code", "ERROR"),
        };
        result
    }

    async fn sync_untraced(&mut self, request: &Request) -> Result<Report, EngineError> {
        if let Some(name) = &request.connection {
            self.named(name)?;
        }
        if let Some(sharing) = self.options.sharing.clone() {
            return self.sync_in_turns(request, &sharing).await;
        }
        self.with_lease(async |hub| hub.sync_with_lease(request).await)
            .await
    }

    /// Does something with the right to write, and gives that back.
    pub(crate) async fn with_lease<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if let Some(sharing) = self.options.sharing.clone() {
            return self.in_turns(&sharing, work).await;
        }
        self.extend_lease().await?;
        let result = work(self).await;
        self.leased_until.store(0, Ordering::Relaxed);
        // A lease that cannot be given back ends by itself.
        if let Err(error) = self.store.release(&self.options.owner).await {
            tracing::warn!(%error, "the lease was not given back");
        }
        result
    }

    pub(crate) async fn sync_with_lease(
        &mut self,
        request: &Request,
    ) -> Result<Report, EngineError> {
        let row = match request.only_hinted {
            true => self.begin_hinted_run().await?,
            false => self.begin_run().await?,
        };
        let run = row.id;
        let mut report = Report {
            run: run.0,
            resumed: request.resumed.clone(),
            ..Report::default()
        };
        self.note_mappings().await?;
        self.note_identity(self.rng.as_ref()).await?;
        self.recover_alone().await?;
        self.redirect_all().await?;
        self.read_all(request, run, &mut report).await?;
        self.match_all(run, &mut report).await?;
        if request.approve {
            report.approved = self
                .approve(request.connection.as_deref(), request.first_contact, run)
                .await?;
        }
        if !request.read_only {
            self.write_all(request, run, &mut report).await?;
        }
        report.waits_for_approval = self
            .connections
            .iter()
            .filter(|connection| !connection.approved())
            .map(|connection| connection.row.name.clone())
            .collect();
        self.end_run(row, &report).await?;
        self.compact_some().await?;
        Ok(report)
    }

    /// The streams of a run, those that others refer to first.
    fn lanes<'a>(&'a self, request: &'a Request, run: RunId) -> impl Iterator<Item = Lane<'a>> {
        let wanted = |connection: &&Connection| {
            let only = request.connection.as_ref();
            only.is_none_or(|name| *name == connection.row.name)
        };
        let refers = |stream: &&Stream| {
            let mut lenses = stream.mapping.lenses.iter();
            lenses.any(|lens| lens.refers_to().is_some())
        };
        let sharing = self.options.sharing.as_ref();
        let offset = sharing.map_or(0, |sharing| sharing.offset(self.connections.len()));
        let (later, sooner) = self.connections.split_at(offset);
        let chosen = sooner.iter().chain(later).filter(wanted);
        chosen.flat_map(move |connection| {
            let mut streams: Vec<&Stream> = connection.streams.iter().collect();
            streams.sort_by_key(refers);
            streams.into_iter().map(move |stream| Lane {
                hub: self,
                connection,
                stream,
                run,
            })
        })
    }

    async fn read_all(
        &self,
        request: &Request,
        run: RunId,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let hinted = match request.only_hinted {
            true => Some(self.hinted().await?),
            false => None,
        };
        let mut elsewhere = Vec::new();
        for lane in self.lanes(request, run) {
            let named = |hinted: &BTreeSet<String>| hinted.contains(&lane.connection.row.name);
            if !hinted.as_ref().is_none_or(named) {
                continue;
            }
            if !self.may_ask(lane).await? {
                elsewhere.push(lane);
                continue;
            }
            self.read_lane(lane, request, report).await?;
        }
        // What another hub is asking is asked again when that one is through, or
        // its claim has ended: it may have stopped half-way.
        for lane in elsewhere {
            self.wait_for(lane).await?;
            self.read_lane(lane, request, report).await?;
        }
        Ok(())
    }

    async fn read_lane(
        &self,
        lane: Lane<'_>,
        request: &Request,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let entry = report.streams.entry(lane.to_string()).or_default();
        let started = self.clock.monotonic();
        let mut hinted = Hinted::default();
        let connector = lane.connection.connector.as_ref();
        connector.hurry(request.urgency());
        let before = entry.sent;
        // A write in doubt is settled first: its record cannot be believed
        // before.
        let result = async {
            lane.take_hints(&mut hinted).await?;
            lane.settle_doubts(&mut entry.sent).await?;
            if lane.stream.caps.read {
                lane.read_passed_over(&mut entry.read).await?;
                if !request.only_hinted {
                    lane.pull(request.full, &mut entry.read).await?;
                    // It may have read everything, for which nobody waits.
                    connector.hurry(request.urgency());
                }
                lane.reread(&mut entry.read).await?;
            }
            Ok(())
        };
        let result = result.await;
        entry.took(self.clock.monotonic().saturating_sub(started));
        note(result, lane, before, entry)?;
        if hinted != Hinted::default() {
            let name = lane.connection.row.name.clone();
            *report.hinted.entry(name).or_default() += hinted;
        }
        Ok(())
    }

    async fn match_all(&self, run: RunId, report: &mut Report) -> Result<(), EngineError> {
        for kind in self.kinds() {
            let matched = self.match_kind(&kind, run).await?;
            if matched != Matched::default() {
                report.matched.insert(kind.to_string(), matched);
            }
        }
        Ok(())
    }

    /// Plans, sends, reads back, until nothing is left that can be done now.
    /// Short waits that a system needs are waited out.
    async fn write_all(
        &self,
        request: &Request,
        run: RunId,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let only = request.connection.as_deref();
        let store = self.store.as_ref();
        let granted = Granted::load(store, request.approve, only, &report.approved).await?;
        let mut watchman = Watchman::new(granted);
        match self.write_turns(request, run, report, &mut watchman).await {
            Err(EngineError::WritesStopped(brake)) => report.writes_stopped = Some(brake),
            written => written?,
        }
        self.keep_guarded(&watchman.guarded).await?;
        report.guarded = watchman.guarded;
        let filter = concord_core::ports::IntentFilter {
            open_only: true,
            limit: 100_000,
            ..Default::default()
        };
        report.open = self.store.intents(&filter).await?.len() as u64;
        Ok(())
    }

    /// Plans and sends until nothing moves any more.
    async fn write_turns(
        &self,
        request: &Request,
        run: RunId,
        report: &mut Report,
        watchman: &mut Watchman,
    ) -> Result<(), EngineError> {
        let mut turns = 0;
        loop {
            self.may_write().await?;
            self.guard(watchman).await?;
            let made = self.emit(run, &watchman.stopped).await?;
            let (sent, elsewhere) = self.send_turn(request, run, report).await?;
            let moved = sent || made > 0;
            if !moved && self.is_owed_to_any(&elsewhere).await? {
                // Whoever has it sends it, or it is free before long.
                self.rest_for_claims().await?;
                continue;
            }
            turns += 1;
            let lanes = self.lanes(request, run);
            if turns >= TURNS || (!moved && !self.wait_for_more(lanes, report).await?) {
                return Ok(());
            }
        }
    }

    /// Sends what was written down and finds out what became of it, without
    /// planning anything.
    pub(crate) async fn send_all(
        &self,
        run: RunId,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let request = Request::default();
        for _ in 0..TURNS {
            let (moved, elsewhere) = self.send_turn(&request, run, report).await?;
            if moved {
                continue;
            }
            if self.is_owed_to_any(&elsewhere).await? {
                self.rest_for_claims().await?;
                continue;
            }
            let lanes = self.lanes(&request, run);
            if !self.wait_for_more(lanes, report).await? {
                break;
            }
        }
        Ok(())
    }

    /// One look at every stream; says whether anything moved.
    async fn send_turn<'a>(
        &'a self,
        request: &'a Request,
        run: RunId,
        report: &mut Report,
    ) -> Result<(bool, Vec<Lane<'a>>), EngineError> {
        let mut moved = false;
        let mut elsewhere = Vec::new();
        for lane in self.lanes(request, run) {
            if !self.may_ask(lane).await? {
                elsewhere.push(lane);
                continue;
            }
            let entry = report.streams.entry(lane.to_string()).or_default();
            if entry.stopped.is_some() {
                continue;
            }
            lane.connection.connector.hurry(request.urgency());
            let before = (entry.read, entry.sent);
            let started = self.clock.monotonic();
            let result = async {
                lane.send(&mut entry.read, &mut entry.sent).await?;
                lane.settle_doubts(&mut entry.sent).await?;
                lane.reread(&mut entry.read).await
            };
            let result = result.await;
            entry.took(self.clock.monotonic().saturating_sub(started));
            note(result, lane, before.1, entry)?;
            moved |= before != (entry.read, entry.sent);
        }
        Ok((moved, elsewhere))
    }

    /// Sleeps until the next record or intent may go on, where that is soon.
    async fn wait_for_more(
        &self,
        lanes: impl Iterator<Item = Lane<'_>>,
        report: &Report,
    ) -> Result<bool, EngineError> {
        let mut next = None;
        for lane in lanes {
            let entry = report.streams.get(&lane.to_string());
            if entry.is_none_or(|entry| entry.stopped.is_some()) {
                continue;
            }
            let due = self.store.next_due(lane.id()).await?;
            for moment in [due, lane.next_intent().await?].into_iter().flatten() {
                if next.is_none_or(|(soonest, _)| moment < soonest) {
                    next = Some((moment, lane.connection));
                }
            }
        }
        let Some((until, connection)) = next else {
            return Ok(false);
        };
        let wait = until.since(self.clock.now());
        if wait > self.options.longest_wait {
            return Ok(false);
        }
        self.watch.tell(Progress::Waiting {
            connection: connection.row.name.clone(),
            until,
            why: "the system may still answer with an older state".into(),
        });
        self.give_claims_up().await?;
        self.sleep(wait.max(Duration::from_millis(1))).await?;
        self.extend_lease().await?;
        Ok(true)
    }

    /// Sleeps under a lease that lasts longer, or lets other hubs decide
    /// meanwhile.
    pub(crate) async fn sleep(&self, span: Duration) -> Result<(), EngineError> {
        if let Some(sharing) = &self.options.sharing {
            return Ok(sharing.rest(span).await?);
        }
        self.lease_for(span + self.options.request_timeout).await?;
        self.clock.sleep(span).await;
        Ok(())
    }

    /// Called at every step of a run, so that the lease outlives each request,
    /// and a run that is to stop does so between two steps.
    pub(crate) async fn extend_lease(&self) -> Result<(), EngineError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(EngineError::Ended);
        }
        self.lease_for(self.options.lease / 2).await
    }

    /// Makes sure that the lease outlives this span from now on.  One that has
    /// run out is not taken again: another hub may have worked since, and what
    /// this one knows would be written over it.
    pub(crate) async fn lease_for(&self, span: Duration) -> Result<(), EngineError> {
        if let Some(sharing) = &self.options.sharing {
            // A request is covered by the claim to its connection.
            return sharing.keep_turn().await;
        }
        let ours = Duration::from_micros(self.leased_until.load(Ordering::Relaxed));
        // Asked before the store is: time that the store takes is time off.
        let before = self.clock.monotonic();
        if !ours.is_zero() && ours <= before {
            return Err(EngineError::Lapsed);
        }
        if ours > before + span {
            return Ok(());
        }
        let now = self.clock.now();
        let until = now.plus(self.options.lease);
        self.store.lease(&self.options.owner, now, until).await?;
        let ours = (before + self.options.lease).as_micros();
        let ours = u64::try_from(ours).unwrap_or(u64::MAX);
        self.leased_until.store(ours, Ordering::Relaxed);
        Ok(())
    }
}

impl std::fmt::Display for Lane<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.connection.row.name, self.name())
    }
}

/// One connection's failure is written down and does not stop the next.
fn note(
    result: Result<(), Stopped>,
    lane: Lane<'_>,
    before: Sent,
    entry: &mut StreamReport,
) -> Result<(), EngineError> {
    meters::sent(&lane, before, entry.sent);
    match result {
        Ok(()) => Ok(()),
        Err(Stopped::Engine(error)) => Err(error),
        Err(Stopped::Fault(fault)) => {
            tracing::error!(stream = %lane, "stopped: {fault}");
            entry.stopped = Some(fault.to_string());
            Ok(())
        }
    }
}
