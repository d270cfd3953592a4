//! An account with two streams: its people, and the companies they work for.

use std::sync::Arc;

use async_trait::async_trait;
use concord_core::ports::Connector;
use concord_core::record::{
    Change, Description, Op, Outcome, Page, RemoteRecord, Selection, StreamInfo,
};
use concord_core::{Fault, Fields, Manifest, RemoteId, StreamName};

use super::System;

/// Each stream is a system of its own behind one connection.
pub struct Account {
    pub people: Arc<System>,
    pub companies: Arc<System>,
}

impl Account {
    fn of(&self, stream: &StreamName) -> &System {
        match stream.as_str() {
            "companies" => &self.companies,
            _ => &self.people,
        }
    }
}

#[async_trait]
impl Connector for Account {
    fn manifest(&self) -> &Manifest {
        self.people.manifest()
    }

    async fn check(&self) -> Result<Description, Fault> {
        self.people.check().await
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        Ok(Vec::new())
    }

    async fn pull(
        &self,
        stream: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        self.of(stream).pull(stream, selection, cursor).await
    }

    async fn fetch(
        &self,
        stream: &StreamName,
        ids: &[RemoteId],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        self.of(stream).fetch(stream, ids, fields).await
    }

    async fn find(
        &self,
        stream: &StreamName,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        self.of(stream).find(stream, values, fields).await
    }

    async fn push(&self, stream: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        self.of(stream).push(stream, ops).await
    }
}
