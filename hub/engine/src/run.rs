//! The story of one sync.

use std::collections::BTreeMap;

use concord_core::ports::Sequence;
use concord_core::state::RunRow;
use concord_core::{Changeset, RunId};
use concord_sync::approve::FirstContact;
use serde::Serialize;

use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::matcher::Matched;
use crate::outbox::Sent;
use crate::page::PageCounts;
use crate::progress::Progress;
use crate::pull::Stopped;

/// What an operator asks a run to do.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Only this connection is read and written; the others keep their debts.
    pub connection: Option<String>,
    /// Approve the first plan of the connections that wait for it.
    pub approve: bool,
    pub first_contact: FirstContact,
    /// Read everything, whatever changed.
    pub full: bool,
    /// Read and match, and write nothing.
    pub read_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    pub read: PageCounts,
    pub sent: Sent,
    /// Why the stream's part of the run ended early.
    pub stopped: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub run: i64,
    /// By `connection/stream`.
    pub streams: BTreeMap<String, StreamReport>,
    pub matched: BTreeMap<String, Matched>,
    pub approved: Vec<String>,
    /// Connections whose first plan waits for approval.
    pub waits_for_approval: Vec<String>,
    /// Writes whose outcome is not known yet.
    pub open: u64,
}

impl Report {
    pub fn writes(&self) -> u64 {
        self.streams
            .values()
            .map(|s| s.sent.created + s.sent.updated)
            .sum()
    }

    pub fn failed(&self) -> bool {
        self.streams.values().any(|stream| stream.stopped.is_some())
    }
}

/// Emitting and sending settle after a few turns; a bound keeps a fight from
/// turning one run into an endless one.
const TURNS: u32 = 12;

impl Hub {
    /// Reads every connection, matches, plans, writes, and ends when nothing is
    /// left to do now.
    pub async fn sync(&mut self, request: &Request) -> Result<Report, EngineError> {
        if let Some(name) = &request.connection {
            self.named(name)?;
        }
        self.take_lease().await?;
        let result = self.sync_with_lease(request).await;
        // A lease that cannot be given back ends by itself.
        if let Err(error) = self.store.release(&self.options.owner).await {
            tracing::warn!(%error, "the lease was not given back");
        }
        result
    }

    async fn sync_with_lease(&mut self, request: &Request) -> Result<Report, EngineError> {
        let run = RunId(self.store.reserve(&Sequence::Run, 1).await?);
        let started_at = self.clock.now();
        let mut row = RunRow {
            id: run,
            started_at,
            ended_at: None,
            summary: serde_json::Value::Null,
        };
        self.keep_run(&row).await?;
        let mut report = Report {
            run: run.0,
            ..Report::default()
        };
        self.recover().await?;
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
        row.ended_at = Some(self.clock.now());
        row.summary = serde_json::to_value(&report).unwrap_or_default();
        self.keep_run(&row).await?;
        Ok(report)
    }

    async fn keep_run(&self, row: &RunRow) -> Result<(), EngineError> {
        let mut out = Changeset::default();
        out.runs.push(row.clone());
        Ok(self.store.commit(&out).await?)
    }

    /// The connections of a run, with the streams that others refer to first.
    fn chosen<'a>(
        &'a self,
        request: &'a Request,
    ) -> impl Iterator<Item = (&'a Connection, &'a Stream)> {
        let wanted = |connection: &&Connection| {
            request
                .connection
                .as_ref()
                .is_none_or(|name| *name == connection.row.name)
        };
        self.connections
            .iter()
            .filter(wanted)
            .flat_map(|connection| {
                let mut streams: Vec<&Stream> = connection.streams.iter().collect();
                streams.sort_by_key(|s| {
                    s.mapping
                        .lenses
                        .iter()
                        .any(|lens| lens.refers_to().is_some())
                });
                streams.into_iter().map(move |stream| (connection, stream))
            })
    }

    async fn read_all(
        &self,
        request: &Request,
        run: RunId,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        for (connection, stream) in self.chosen(request) {
            let entry = report.streams.entry(place(connection, stream)).or_default();
            // A write in doubt is settled first: its record cannot be believed
            // before.
            let result = async {
                self.settle_doubts(connection, stream, run, &mut entry.sent)
                    .await?;
                if stream.caps.read {
                    self.pull(connection, stream, run, request.full, &mut entry.read)
                        .await?;
                    self.reread(connection, stream, run, &mut entry.read)
                        .await?;
                }
                Ok(())
            };
            note(result.await, connection, stream, entry)?;
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
        let mut turns = 0;
        loop {
            let made = self.emit(run).await?;
            let mut moved = made > 0;
            for (connection, stream) in self.chosen(request) {
                let entry = report.streams.entry(place(connection, stream)).or_default();
                if entry.stopped.is_some() {
                    continue;
                }
                let before = (entry.read, entry.sent);
                let result = async {
                    self.send(connection, stream, run, &mut entry.read, &mut entry.sent)
                        .await?;
                    self.settle_doubts(connection, stream, run, &mut entry.sent)
                        .await?;
                    self.reread(connection, stream, run, &mut entry.read)
                        .await?;
                    Ok(())
                };
                note(result.await, connection, stream, entry)?;
                moved |= before != (entry.read, entry.sent);
            }
            turns += 1;
            if turns >= TURNS || (!moved && !self.wait_for_more(request, report).await?) {
                break;
            }
        }
        let filter = concord_core::ports::IntentFilter {
            open_only: true,
            limit: 100_000,
            ..Default::default()
        };
        report.open = self.store.intents(&filter).await?.len() as u64;
        Ok(())
    }

    /// Sleeps until the next record or intent may go on, where that is soon.
    async fn wait_for_more(&self, request: &Request, report: &Report) -> Result<bool, EngineError> {
        let going = |connection: &Connection| {
            connection.streams.iter().all(|stream| {
                let entry = report.streams.get(&place(connection, stream));
                entry.is_some_and(|entry| entry.stopped.is_none())
            })
        };
        let chosen = self.connections.iter().filter(|connection| {
            request
                .connection
                .as_ref()
                .is_none_or(|name| *name == connection.row.name)
        });
        let going: Vec<&Connection> = chosen.filter(|connection| going(connection)).collect();
        let mut next = None;
        for connection in going {
            for moment in [
                self.store.next_due(connection.id()).await?,
                self.next_intent(connection).await?,
            ]
            .into_iter()
            .flatten()
            {
                let soonest = next.get_or_insert((moment, connection));
                if moment < soonest.0 {
                    *soonest = (moment, connection);
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
        self.clock
            .sleep(wait.max(std::time::Duration::from_millis(1)))
            .await;
        self.extend_lease().await?;
        Ok(true)
    }

    async fn take_lease(&self) -> Result<(), EngineError> {
        self.extend_lease().await
    }

    /// Called at every step of a run, so that the lease outlives each request.
    pub(crate) async fn extend_lease(&self) -> Result<(), EngineError> {
        let now = self.clock.now();
        let until = now.plus(self.options.lease);
        Ok(self.store.lease(&self.options.owner, now, until).await?)
    }
}

fn place(connection: &Connection, stream: &Stream) -> String {
    format!("{}/{}", connection.row.name, stream.name)
}

/// One connection's failure is written down and does not stop the next.
fn note(
    result: Result<(), Stopped>,
    connection: &Connection,
    stream: &Stream,
    entry: &mut StreamReport,
) -> Result<(), EngineError> {
    match result {
        Ok(()) => Ok(()),
        Err(Stopped::Engine(error)) => Err(error),
        Err(Stopped::Fault(fault)) => {
            tracing::error!(
                connection = connection.row.name,
                stream = %stream.name,
                "stopped: {fault}"
            );
            entry.stopped = Some(fault.to_string());
            Ok(())
        }
    }
}
