//! What systems send of their own accord.  Nothing in it is believed: it names
//! records that the hub then reads.

use async_trait::async_trait;
use serde::Serialize;

use crate::ports::StoreError;
use crate::{ConnectionId, RemoteId, StreamName, Timestamp};

/// A webhook as it came, after its signature was found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub connection: ConnectionId,
    /// Names what was sent: the same again has the same digest.
    pub digest: String,
    /// How often it came since it was last worked off.
    pub times: i64,
    /// When it came first.
    pub arrived_at: Timestamp,
    pub method: String,
    pub url: String,
    /// Those headers that say how the body is to be read.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Somebody says that this record changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Hint {
    pub stream: StreamName,
    pub id: RemoteId,
}

/// How many wait, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub connection: ConnectionId,
    pub waiting: i64,
    pub since: Timestamp,
}

/// Where webhooks wait until their records were read.  They come whoever has the
/// right to write, and are not in its way.
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// Keeps them all, and survives a power cut once it returns.  One that waits
    /// already is counted again.
    async fn keep_deliveries(&self, deliveries: &[Delivery]) -> Result<(), StoreError>;
    /// Some of those that wait for a connection, in no order that means anything.
    async fn deliveries(
        &self,
        connection: ConnectionId,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError>;
    /// Forgets those that came no more often than was seen: what came once more
    /// meanwhile may speak of a later change.
    async fn drop_deliveries(&self, deliveries: &[Delivery]) -> Result<(), StoreError>;
    /// Connections for which some wait.
    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError>;
}
