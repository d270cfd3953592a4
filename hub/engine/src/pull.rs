//! Reads a stream page by page.  Each page is one transaction that commits its
//! observations and the cursor behind it together, so a run that is killed
//! goes on where it stopped.

mod windows;

use std::collections::BTreeSet;

use concord_core::ports::Urgency;
use concord_core::record::{Page, PullMode, Selection};
use concord_core::state::StreamState;
use concord_core::{Absence, Change, Changeset, Fault, RemoteId, Timestamp};
use concord_sync::absence::Noticed;
use concord_sync::observe::{Read, ReadKind};

use crate::backoff::{TRIES, backoff};
use crate::before::Memory;
use crate::error::EngineError;
use crate::lane::Lane;
use crate::meters;
use crate::page::{PageCounts, PageOf, contested, repeated};
use crate::progress::Progress;
use crate::references::Known;

/// How often a walk begins anew within one run because its place was lost.
const RESTARTS: u32 = 3;

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

impl Lane<'_> {
    /// Pulls the stream to its present end.
    pub async fn pull(&self, full: bool, counts: &mut PageCounts) -> Result<(), Stopped> {
        let mut state = self.state().await?;
        if !state.walking && (full || self.is_full_due(&state)) {
            start_walk(&mut state);
        }
        let mut memory = Memory::begin(*self).await?;
        let mut restarts = 0;
        loop {
            let started = self.hub.clock.now();
            let page = match self.pull_page(&state).await {
                Ok(page) => page,
                Err(Stopped::Fault(fault)) => match self.another_way(&fault, &state, restarts) {
                    Some(other) => {
                        restarts += u32::from(!matches!(fault, Fault::WindowTooLarge(_)));
                        state = other;
                        continue;
                    }
                    None => {
                        self.read_whole_after(&fault, &mut state).await?;
                        return Err(Stopped::Fault(fault));
                    }
                },
                Err(stopped) => return Err(stopped),
            };
            let more = page.more;
            let stuck = more && page.next == state.cursor;
            let taken_in = self
                .commit_page(started, page, &mut state, &mut memory)
                .await?;
            meters::read(self, &taken_in);
            *counts += taken_in;
            self.hub.watch.tell(Progress::Pulling {
                connection: self.connection.row.name.clone(),
                stream: self.name().to_string(),
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
            self.hub.extend_lease().await?;
        }
    }

    /// Where to go on when the system refuses to: what changed cannot be listed
    /// any more, but everything can; and what is too much for one walk is walked
    /// in parts.
    fn another_way(
        &self,
        fault: &Fault,
        state: &StreamState,
        restarts: u32,
    ) -> Option<StreamState> {
        let mut other = state.clone();
        match fault {
            Fault::WindowTooLarge(_) if state.walking => {
                let now = self.hub.clock.now();
                other.cursor = Some(windows::narrower(state.cursor.as_deref(), now)?);
            }
            Fault::CursorExpired(_) | Fault::WindowTooLarge(_)
                if state.cursor.is_some() && restarts < RESTARTS =>
            {
                tracing::warn!(
                    connection = self.connection.row.name,
                    stream = %self.name(),
                    "the place in the stream is lost; everything is read again"
                );
                start_walk(&mut other);
            }
            _ => return None,
        }
        Some(other)
    }

    /// A system that does not tell of deletes has to be asked for everything from
    /// time to time, and so has one that does, for what its changes never listed.
    fn is_full_due(&self, state: &StreamState) -> bool {
        let every = self.connection.full_every(self.stream);
        let since = |moment| self.hub.clock.now().since(moment);
        let Some(last) = state.last_full_at else {
            return state.first_complete_at.is_none();
        };
        !every.is_zero() && since(last) >= every
    }

    /// While a permission is gone, changes pass unseen: the next read that is let
    /// in looks at everything.
    async fn read_whole_after(
        &self,
        fault: &Fault,
        state: &mut StreamState,
    ) -> Result<(), EngineError> {
        if !matches!(fault, Fault::Forbidden(_)) || state.walking {
            return Ok(());
        }
        start_walk(state);
        let mut out = Changeset::default();
        out.streams.push(state.clone());
        Ok(self.hub.store.commit(&out).await?)
    }

    async fn pull_page(&self, state: &StreamState) -> Result<Page, Stopped> {
        let place = windows::Place::read(state.cursor.as_deref());
        let caps = &self.stream.caps;
        let selection = Selection {
            mode: if state.walking {
                PullMode::Full
            } else {
                PullMode::Changes
            },
            fields: self.stream.fields.clone(),
            page_size: caps.page_size.unwrap_or(self.hub.options.page_size),
            window: place.window(),
        };
        let connector = &self.connection.connector;
        if state.walking {
            connector.hurry(Urgency::Backfill);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match connector
                .pull(self.name(), &selection, place.cursor())
                .await
            {
                Err(fault) => self.wait_out(fault, tries).await?,
                Ok(page) => return Ok(place.after(page)),
            }
        }
    }

    /// Waits where waiting helps; gives the fault back where it does not.
    pub async fn wait_out(&self, fault: Fault, tries: u32) -> Result<(), Stopped> {
        let now = self.hub.clock.now();
        let backoff = backoff(tries, self.hub.rng.next_u64());
        let until = match &fault {
            Fault::RateLimited { until, .. } | Fault::Transient { until, .. } => {
                until.unwrap_or_else(|| now.plus(backoff))
            }
            _ => return Err(Stopped::Fault(fault)),
        };
        let wait = until.since(now);
        if tries >= TRIES || wait > self.hub.options.longest_wait {
            return Err(Stopped::Fault(fault));
        }
        self.hub.watch.tell(Progress::Waiting {
            connection: self.connection.row.name.clone(),
            until,
            why: fault.to_string(),
        });
        Ok(self.hub.sleep(wait).await?)
    }

    /// Commits a page and the cursor behind it.  At the end of a full walk the
    /// records that it did not list are marked first: were the hub killed in
    /// between, the last page would come again and mark them again.
    async fn commit_page(
        &self,
        started: Timestamp,
        mut page: Page,
        state: &mut StreamState,
        memory: &mut Memory,
    ) -> Result<PageCounts, Stopped> {
        let ends_walk = page.complete && state.walking;
        // Before what is listed twice is taken out of the page.
        let listed: Option<BTreeSet<RemoteId>> = ends_walk.then(|| {
            let ids = page.changes.iter().filter_map(Change::id);
            ids.cloned().collect()
        });
        let walk = state.walking.then_some(state.walk);
        let mut counts = self.fetch_repeated(&mut page, walk).await?;
        if let Some(listed) = listed {
            counts.gone += self.sweep(state.walk, &listed).await?;
        }
        if self.hub.options.sharing.is_some() {
            // Others may have matched while the system was asked.
            memory.known = Known::default();
        }
        let mut out = Changeset::default();
        let of = PageOf {
            lane: *self,
            read: Read {
                kind: ReadKind::Pull,
                started,
            },
            walk,
            noticed: Noticed::Listed,
            due: None,
            contested: BTreeSet::new(),
        };
        counts += of.absorb(page.changes, memory, &mut out).await?;
        state.cursor = page.next;
        if ends_walk {
            let now = self.hub.clock.now();
            state.walking = false;
            state.first_complete_at.get_or_insert(now);
            state.last_full_at = Some(now);
        }
        out.streams.push(state.clone());
        self.hub.store.commit(&out).await?;
        Ok(counts)
    }

    /// A page that names a record twice cannot say which is newer: the record
    /// is read.  Where such reads lag behind, and this one says otherwise than
    /// the page did, nothing is believed before the system has settled.
    async fn fetch_repeated(
        &self,
        page: &mut Page,
        walk: Option<i64>,
    ) -> Result<PageCounts, Stopped> {
        let twice = repeated(&page.changes);
        if twice.is_empty() {
            return Ok(PageCounts::default());
        }
        let started = self.hub.clock.now();
        let fetched = self.fetch(&twice).await?;
        let contested = match self.stream.caps.settle_ms.fetch() {
            settle if settle.is_zero() => BTreeSet::new(),
            _ => contested(&page.changes, &fetched),
        };
        page.changes
            .retain(|change| change.id().is_none_or(|id| !twice.contains(id)));
        let of = PageOf {
            walk,
            contested,
            ..self.page(ReadKind::Fetch, started, Noticed::Fetched)
        };
        let mut counts = of.take_in(fetched, Changeset::default()).await?;
        counts.records += twice.len() as u64;
        Ok(counts)
    }

    /// What a complete walk did not list is looked at directly.  Says how many
    /// records are gone for certain.
    async fn sweep(&self, walk: i64, listed: &BTreeSet<RemoteId>) -> Result<u64, Stopped> {
        let store = &self.hub.store;
        let mut after = None;
        let mut gone = 0;
        loop {
            let unseen = store
                .links_unseen(self.id(), self.name(), walk, after.as_ref(), 500)
                .await?;
            let Some(last) = unseen.last() else {
                return Ok(gone);
            };
            after = Some(last.key.remote_id.clone());
            let missing = unseen
                .into_iter()
                .map(|link| link.key.remote_id)
                .filter(|id| !listed.contains(id));
            let changes = missing
                .map(|id| Change::Gone {
                    id,
                    absence: Absence::Hidden,
                    at: None,
                })
                .collect();
            let started = self.hub.clock.now();
            let counts = self.take_in(changes, ReadKind::Pull, started, Noticed::Unlisted);
            gone += counts.await?.gone;
        }
    }

    async fn state(&self) -> Result<StreamState, EngineError> {
        let known = self.hub.store.streams(self.id()).await?;
        let known = known.into_iter().find(|state| state.stream == *self.name());
        Ok(known.unwrap_or_else(|| StreamState::new(self.id(), self.name().clone())))
    }
}

fn start_walk(state: &mut StreamState) {
    state.walking = true;
    state.walk += 1;
    state.cursor = None;
}
