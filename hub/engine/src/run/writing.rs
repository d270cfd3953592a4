//! The part of a run that brings to the systems what they do not hold yet.

use std::time::Duration;

use concord_core::RunId;

use super::reading::note;
use super::{Report, Request};
use crate::error::EngineError;
use crate::guard::{Granted, Watchman};
use crate::hub::{Connection, Hub};
use crate::lane::Lane;
use crate::progress::Progress;

/// Emitting and sending settle after a few turns; a bound keeps a fight from
/// turning one run into an endless one.
const TURNS: u32 = 12;

impl Hub {
    /// Plans, sends, reads back, until nothing is left that can be done now.
    /// Short waits that a system needs are waited out.
    pub(super) async fn write_all(
        &self,
        request: &Request,
        run: RunId,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let only = request.connection.as_deref();
        let store = self.store.as_ref();
        let granted = Granted::load(store, request.approve, only, &report.approved).await?;
        let left = self.connections.iter().filter(|connection| {
            // Its debts are planned when it is written to.
            !request.writes(&connection.row.name)
        });
        let mut watchman = Watchman::new(granted, left.map(Connection::id).collect());
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
            let lanes = self.lanes(run, |name| request.writes(name));
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
            let lanes = self.lanes(run, |_| true);
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
        for lane in self.lanes(run, |name| request.writes(name)) {
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
}
