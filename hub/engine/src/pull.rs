//! Reads a stream page by page.  Each page is one transaction that commits its
//! observations and the cursor behind it together, so a run that is killed
//! goes on where it stopped.

use std::time::Duration;

use concord_core::record::{Page, PullMode, Selection};
use concord_core::state::StreamState;
use concord_core::{Changeset, Fault, RunId};
use concord_sync::absence::Noticed;
use concord_sync::observe::{Read, ReadKind};

use crate::error::EngineError;
use crate::hub::{Connection, Hub, Stream};
use crate::page::{PageCounts, PageOf, repeated};
use crate::progress::Progress;

/// How often a passing failure is tried again before the connection's part of
/// the run ends.
const TRIES: u32 = 4;

/// A stream's pull that did not reach its end.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The connection cannot go on in this run, for this reason.
    Fault(Fault),
    Engine(EngineError),
}

impl<E: Into<EngineError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Stopped::Engine(error.into())
    }
}

impl Hub {
    /// Pulls a stream to its present end.
    pub(crate) async fn pull(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        full: bool,
        counts: &mut PageCounts,
    ) -> Result<(), Stopped> {
        let mut state = self.stream_state(connection, stream).await?;
        if !state.walking && (state.first_complete_at.is_none() || full) {
            start_walk(&mut state);
        }
        loop {
            let started = self.clock.now();
            let selection = Selection {
                mode: if state.walking {
                    PullMode::Full
                } else {
                    PullMode::Changes
                },
                fields: stream.fields.clone(),
                page_size: stream.caps.page_size.unwrap_or(self.options.page_size),
                window: None,
            };
            let page = match self.pull_page(connection, stream, &selection, &state).await {
                Ok(page) => page,
                // What changed cannot be listed any more: a full walk can.
                Err(Fault::CursorExpired(_) | Fault::WindowTooLarge(_))
                    if state.cursor.is_some() =>
                {
                    tracing::warn!(
                        connection = connection.row.name,
                        stream = %stream.name,
                        "the place in the stream is lost; everything is read again"
                    );
                    start_walk(&mut state);
                    continue;
                }
                Err(fault) => return Err(Stopped::Fault(fault)),
            };
            let more = page.more;
            let stuck = more && page.next == state.cursor;
            self.commit_page(connection, stream, run, started, page, &mut state, counts)
                .await?;
            self.watch.tell(Progress::Pulling {
                connection: connection.row.name.clone(),
                stream: stream.name.to_string(),
                records: counts.records,
            });
            if stuck {
                return Err(Stopped::Fault(Fault::bug(
                    "the cursor did not move although there is more",
                )));
            }
            if !more {
                return Ok(());
            }
            self.extend_lease().await?;
        }
    }

    async fn pull_page(
        &self,
        connection: &Connection,
        stream: &Stream,
        selection: &Selection,
        state: &StreamState,
    ) -> Result<Page, Fault> {
        let mut tries = 0;
        loop {
            tries += 1;
            let cursor = state.cursor.as_deref();
            match connection
                .connector
                .pull(&stream.name, selection, cursor)
                .await
            {
                Err(fault) => self.wait_out(connection, fault, tries).await?,
                page => return page,
            }
        }
    }

    /// Waits where waiting helps; gives the fault back where it does not.
    pub(crate) async fn wait_out(
        &self,
        connection: &Connection,
        fault: Fault,
        tries: u32,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        let backoff = Duration::from_millis(250 << tries.min(6));
        let until = match &fault {
            Fault::RateLimited { until, .. } | Fault::Transient { until, .. } => {
                until.unwrap_or_else(|| now.plus(backoff))
            }
            _ => return Err(fault),
        };
        let wait = until.since(now);
        if tries >= TRIES || wait > self.options.longest_wait {
            return Err(fault);
        }
        self.watch.tell(Progress::Waiting {
            connection: connection.row.name.clone(),
            until,
            why: fault.to_string(),
        });
        self.clock.sleep(wait).await;
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    async fn commit_page(
        &self,
        connection: &Connection,
        stream: &Stream,
        run: RunId,
        started: concord_core::Timestamp,
        mut page: Page,
        state: &mut StreamState,
        counts: &mut PageCounts,
    ) -> Result<(), Stopped> {
        self.fetch_repeated(connection, stream, &mut page).await?;
        let mut out = Changeset::default();
        let of = PageOf {
            hub: self,
            connection,
            stream,
            read: Read {
                kind: ReadKind::Pull,
                started,
            },
            run,
            walk: state.walking.then_some(state.walk),
            noticed: Noticed::Listed,
        };
        *counts += of.absorb(page.changes, &mut out).await?;
        state.cursor = page.next;
        if page.complete && state.walking {
            let now = self.clock.now();
            state.walking = false;
            state.first_complete_at.get_or_insert(now);
            state.last_full_at = Some(now);
        }
        out.streams.push(state.clone());
        self.store.commit(&out).await?;
        if page.complete && state.last_full_at.is_some() {
            self.sweep(connection, stream, state.walk, run, counts)
                .await?;
        }
        Ok(())
    }

    /// A page that names a record twice cannot say which is newer: the record
    /// is read.
    async fn fetch_repeated(
        &self,
        connection: &Connection,
        stream: &Stream,
        page: &mut Page,
    ) -> Result<(), Stopped> {
        let twice = repeated(&page.changes);
        if twice.is_empty() {
            return Ok(());
        }
        let fetched = connection
            .connector
            .fetch(&stream.name, &twice, &stream.fields)
            .await
            .map_err(Stopped::Fault)?;
        page.changes
            .retain(|change| change.id().is_none_or(|id| !twice.contains(id)));
        page.changes.extend(fetched);
        Ok(())
    }

    /// What a complete walk did not list is looked at directly.
    async fn sweep(
        &self,
        connection: &Connection,
        stream: &Stream,
        walk: i64,
        run: RunId,
        counts: &mut PageCounts,
    ) -> Result<(), Stopped> {
        let mut after = None;
        loop {
            let unseen = self
                .store
                .links_unseen(connection.id(), &stream.name, walk, after.as_ref(), 500)
                .await?;
            let Some(last) = unseen.last() else {
                return Ok(());
            };
            after = Some(last.key.remote_id.clone());
            let changes = unseen
                .into_iter()
                .map(|link| concord_core::Change::Gone {
                    id: link.key.remote_id,
                    absence: concord_core::Absence::Hidden,
                    at: None,
                })
                .collect();
            let mut out = Changeset::default();
            let of = PageOf {
                hub: self,
                connection,
                stream,
                read: Read {
                    kind: ReadKind::Pull,
                    started: self.clock.now(),
                },
                run,
                walk: None,
                noticed: Noticed::Unlisted,
            };
            let swept = of.absorb(changes, &mut out).await?;
            counts.gone += swept.gone;
            self.store.commit(&out).await?;
        }
    }

    pub(crate) async fn stream_state(
        &self,
        connection: &Connection,
        stream: &Stream,
    ) -> Result<StreamState, EngineError> {
        let known = self.store.streams(connection.id()).await?;
        let known = known.into_iter().find(|state| state.stream == stream.name);
        Ok(known.unwrap_or_else(|| StreamState::new(connection.id(), stream.name.clone())))
    }
}

fn start_walk(state: &mut StreamState) {
    state.walking = true;
    state.walk += 1;
    state.cursor = None;
}
