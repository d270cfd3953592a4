//! A way to a system that takes time, sees that nobody else is on it, and can
//! stop half-way, as a process does that is stopped.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::ports::Connector;
use concord_core::record::{
    Change, Description, Op, Outcome, Page, RemoteRecord, Selection, StreamInfo,
};
use concord_core::{Fault, Fields, Manifest, RemoteId, StreamName};
use tokio::sync::Semaphore;

use super::{System, WorldClock};

/// When a hub stops, and until what.
#[derive(Clone)]
pub struct Stop {
    /// Before so many writes more.
    pub writes: Arc<AtomicI64>,
    /// Whether the request leaves before the hub stops, or when it goes on.
    pub sent_first: bool,
    /// How long the hub is stopped, by its clock.
    pub span: Duration,
    /// Opened by the test when the others are through.
    pub until: Arc<Semaphore>,
    /// Whether it stopped.
    pub stopped: Arc<AtomicBool>,
}

pub struct Passage {
    pub system: Arc<System>,
    pub clock: Arc<WorldClock>,
    /// One for all hubs.
    pub occupied: Arc<AtomicBool>,
    pub stop: Option<Stop>,
}

impl Passage {
    async fn through<T>(&self, call: impl Future<Output = T>) -> T {
        let before = self.occupied.swap(true, Ordering::SeqCst);
        assert!(!before, "two hubs ask {} at once", self.system.name);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let answer = call.await;
        self.occupied.store(false, Ordering::SeqCst);
        answer
    }

    async fn stand_still(&self, stop: &Stop) {
        stop.stopped.store(true, Ordering::SeqCst);
        self.clock.leave();
        self.clock.advance(stop.span);
        stop.until.acquire().await.unwrap().forget();
        self.clock.enter();
    }
}

#[async_trait]
impl Connector for Passage {
    fn manifest(&self) -> &Manifest {
        self.system.manifest()
    }

    async fn check(&self) -> Result<Description, Fault> {
        self.system.check().await
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        self.system.discover().await
    }

    async fn pull(
        &self,
        stream: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        self.through(self.system.pull(stream, selection, cursor))
            .await
    }

    async fn fetch(
        &self,
        stream: &StreamName,
        ids: &[RemoteId],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        self.through(self.system.fetch(stream, ids, fields)).await
    }

    async fn find(
        &self,
        stream: &StreamName,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        self.through(self.system.find(stream, values, fields)).await
    }

    async fn push(&self, stream: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        let now = |stop: &&Stop| stop.writes.fetch_sub(1, Ordering::SeqCst) == 1;
        let Some(stop) = self.stop.as_ref().filter(now) else {
            return self.through(self.system.push(stream, ops)).await;
        };
        if stop.sent_first {
            let answer = self.through(self.system.push(stream, ops)).await;
            self.stand_still(stop).await;
            return answer;
        }
        self.stand_still(stop).await;
        self.through(self.system.push(stream, ops)).await
    }
}
