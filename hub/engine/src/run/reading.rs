//! The part of a run that asks the systems what has changed.

use concord_core::RunId;

use super::{Report, Request, StreamReport};
use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::lane::Lane;
use crate::matcher::Matched;
use crate::meters;
use crate::outbox::Sent;
use crate::pull::Stopped;
use crate::webhooks::Hinted;

impl Hub {
    /// The streams of the wanted connections, those that others refer to first.
    pub(super) fn lanes<'a>(
        &'a self,
        run: RunId,
        wanted: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = Lane<'a>> {
        let refers = |stream: &&Stream| {
            let mut lenses = stream.mapping.lenses.iter();
            lenses.any(|lens| lens.refers_to().is_some())
        };
        let sharing = self.options.sharing.as_ref();
        let offset = sharing.map_or(0, |sharing| sharing.offset(self.connections.len()));
        let (later, sooner) = self.connections.split_at(offset);
        let all = sooner.iter().chain(later);
        let chosen = all.filter(move |connection: &&Connection| wanted(&connection.row.name));
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

    pub(super) async fn read_all(
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
        let named = |name: &str| hinted.as_ref().is_none_or(|hinted| hinted.contains(name));
        // What is only written to is asked for what became of earlier writes.
        let wanted = |name: &str| match request.reads(name) {
            true => named(name),
            false => request.writes(name) && !request.only_hinted,
        };
        for lane in self.lanes(run, wanted) {
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
        let is_read = request.reads(&lane.connection.row.name);
        let before = entry.sent;
        // A write in doubt is settled first: its record cannot be believed
        // before.
        let result = async {
            if is_read {
                lane.take_hints(&mut hinted).await?;
            }
            lane.settle_doubts(&mut entry.sent).await?;
            if lane.stream.caps.read {
                if is_read {
                    lane.read_passed_over(&mut entry.read).await?;
                    if !request.only_hinted {
                        lane.pull(request.full, &mut entry.read).await?;
                        // It may have read everything, for which nobody waits.
                        connector.hurry(request.urgency());
                    }
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

    pub(super) async fn match_all(
        &self,
        run: RunId,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        for kind in self.kinds() {
            let matched = self.match_kind(&kind, run).await?;
            if matched != Matched::default() {
                report.matched.insert(kind.to_string(), matched);
            }
        }
        Ok(())
    }
}

/// One connection's failure is written down and does not stop the next.
pub(super) fn note(
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
