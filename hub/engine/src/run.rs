//! The story of one sync.

mod reading;
mod report;
mod request;
mod writing;

use std::sync::atomic::Ordering;
use std::time::Duration;

use concord_core::state::RunRow;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::error::EngineError;
use crate::hub::{Connection, Hub};
use crate::lane::Lane;

pub use self::report::{Report, StreamReport};
pub use self::request::{Chosen, Gap, Request};

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
        let row = self.begin_run(request).await?;
        // Whatever is logged from here on says which run it belongs to.
        let span = tracing::error_span!("run", id = row.id.0);
        self.live_through(request, row).instrument(span).await
    }

    async fn live_through(
        &mut self,
        request: &Request,
        row: RunRow,
    ) -> Result<Report, EngineError> {
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
        let written = |connection: &Connection| request.writes(&connection.row.name);
        if self.connections.iter().any(written) {
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
