//! A connection that cannot run now: every call says why.  It stays part of the
//! hub, because what it said before still counts and nothing may be created
//! behind its back.

use async_trait::async_trait;
use concord_core::ports::Connector;
use concord_core::record::{Description, StreamInfo};
use concord_core::webhook::{Delivery, Hint};
use concord_core::{
    Change, Fault, Fields, Manifest, Op, Outcome, Page, RemoteId, RemoteRecord, Selection,
    StreamName,
};

pub(super) struct Unusable {
    manifest: Manifest,
    reason: String,
}

impl Unusable {
    pub(super) fn new(manifest: Manifest, reason: String) -> Self {
        Self { manifest, reason }
    }

    /// Not a passing failure: trying again in this run does not help.
    fn fault(&self) -> Fault {
        Fault::AuthRevoked(self.reason.clone())
    }
}

#[async_trait]
impl Connector for Unusable {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn check(&self) -> Result<Description, Fault> {
        Err(self.fault())
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        Err(self.fault())
    }

    async fn pull(
        &self,
        _stream: &StreamName,
        _selection: &Selection,
        _cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        Err(self.fault())
    }

    async fn fetch(
        &self,
        _stream: &StreamName,
        _ids: &[RemoteId],
        _fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        Err(self.fault())
    }

    async fn find(
        &self,
        _stream: &StreamName,
        _values: &Fields,
        _fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        Err(self.fault())
    }

    /// They wait until the connection can run.
    async fn hints(&self, _delivery: &Delivery) -> Result<Vec<Hint>, Fault> {
        Err(self.fault())
    }

    async fn push(&self, _stream: &StreamName, _ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        Err(self.fault())
    }
}
