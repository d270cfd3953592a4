//! A connector and a store with somebody beside them who is told of every call and
//! every commit: a recorder who writes it down, or a player who compares it.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use concord_core::changeset::MatchKey;
use concord_core::ports::{
    ConflictFilter, Connector, Counts, IntentFilter, LeaseHolder, Sequence, Store, StoreError,
    Urgency,
};
use concord_core::record::{Description, StreamInfo};
use concord_core::state::{
    Conflict, ConnectionRow, Entity, Event as Told, Hold, Intent, Link, LinkKey, LinkState,
    Quarantined, Review, RunRow, StreamState, Waiting,
};
use concord_core::webhook::{Delivery, Hint};
use concord_core::{
    Change, Changeset, ConnectionId, EntityId, Fault, Fields, Kind, Manifest, Op, Outcome, Page,
    RemoteId, RemoteRecord, RunId, Selection, StreamName, Timestamp,
};
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::event::{Answer, Body, Call, Event};

/// Is told of everything in order.
pub trait Witness: Send + Sync {
    fn note(&self, event: Event);
}

/// Plain data with text keys is always JSON; null would be seen as a difference.
pub(super) fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_default()
}

pub struct WitnessedConnector {
    inner: Arc<dyn Connector>,
    witness: Arc<dyn Witness>,
    connection: String,
}

impl WitnessedConnector {
    pub fn new(
        inner: Arc<dyn Connector>,
        witness: Arc<dyn Witness>,
        connection: impl Into<String>,
    ) -> Self {
        Self {
            inner,
            witness,
            connection: connection.into(),
        }
    }

    async fn told<T: Serialize + Debug + Send>(
        &self,
        operation: &str,
        stream: Option<&StreamName>,
        with: serde_json::Value,
        call: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        self.witness.note(Event::Call(Call {
            connection: self.connection.clone(),
            operation: operation.to_owned(),
            stream: stream.map(ToString::to_string),
            with: raw(&with),
        }));
        let result = call.await;
        let told = match &result {
            Ok(value) => raw(&json!({ "ok": value })),
            Err(fault) => raw(&json!({ "fault": fault })),
        };
        self.witness.note(Event::Answer(Answer {
            connection: self.connection.clone(),
            result: told,
        }));
        result
    }
}

#[async_trait]
impl Connector for WitnessedConnector {
    fn manifest(&self) -> &Manifest {
        self.inner.manifest()
    }

    async fn check(&self) -> Result<Description, Fault> {
        let call = self.inner.check();
        self.told("check", None, json!({}), call).await
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        let call = self.inner.discover();
        self.told("discover", None, json!({}), call).await
    }

    async fn pull(
        &self,
        stream: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        let with = json!({ "selection": selection, "cursor": cursor });
        let call = self.inner.pull(stream, selection, cursor);
        self.told("pull", Some(stream), with, call).await
    }

    async fn fetch(
        &self,
        stream: &StreamName,
        ids: &[RemoteId],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        let with = json!({ "ids": ids, "fields": fields });
        let call = self.inner.fetch(stream, ids, fields);
        self.told("fetch", Some(stream), with, call).await
    }

    async fn find(
        &self,
        stream: &StreamName,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        let with = json!({ "values": values, "fields": fields });
        let call = self.inner.find(stream, values, fields);
        self.told("find", Some(stream), with, call).await
    }

    async fn push(&self, stream: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        let call = self.inner.push(stream, ops);
        self.told("push", Some(stream), json!({ "ops": ops }), call)
            .await
    }

    async fn subscribe(&self, address: &str) -> Result<String, Fault> {
        let call = self.inner.subscribe(address);
        self.told("subscribe", None, json!({ "address": address }), call)
            .await
    }

    async fn unsubscribe(&self, subscription: &str) -> Result<(), Fault> {
        let with = json!({ "subscription": subscription });
        let call = self.inner.unsubscribe(subscription);
        self.told("unsubscribe", None, with, call).await
    }

    async fn hints(&self, delivery: &Delivery) -> Result<Vec<Hint>, Fault> {
        let call = self.inner.hints(delivery);
        let with = json!({
            "method": delivery.method,
            "url": delivery.url,
            "headers": delivery.headers,
            "body": Body::of(&delivery.body),
        });
        self.told("hints", None, with, call).await
    }

    fn hurry(&self, urgency: Urgency) {
        self.inner.hurry(urgency);
    }
}

pub struct WitnessedStore {
    inner: Arc<dyn Store>,
    witness: Arc<dyn Witness>,
}

impl WitnessedStore {
    pub fn new(inner: Arc<dyn Store>, witness: Arc<dyn Witness>) -> Self {
        Self { inner, witness }
    }
}

/// What only passes through.
macro_rules! witnessed {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Store for WitnessedStore {
            async fn commit(&self, changes: &Changeset) -> Result<(), StoreError> {
                self.inner.commit(changes).await?;
                self.witness.note(Event::Commit(raw(changes)));
                Ok(())
            }

            async fn set_document(&self, name: &str, text: &str) -> Result<(), StoreError> {
                self.inner.set_document(name, text).await?;
                let (name, text) = (name.to_owned(), text.to_owned());
                self.witness.note(Event::Document { name, text });
                Ok(())
            }

            async fn mark_dirty(&self, kind: &Kind) -> Result<(), StoreError> {
                self.inner.mark_dirty(kind).await?;
                self.witness.note(Event::Dirty(kind.to_string()));
                Ok(())
            }

            $(async fn $name(&self, $($arg: $type),*) -> Result<$result, StoreError> {
                self.inner.$name($($arg),*).await
            })*
        }
    };
}

witnessed! {
    reserve(sequence: &Sequence, count: u32) -> i64;
    lease(owner: &str, now: Timestamp, until: Timestamp) -> ();
    release(owner: &str) -> ();
    pass(owner: &str) -> ();
    claim(connection: ConnectionId, owner: &str, now: Timestamp, until: Timestamp) -> Option<i64>;
    keep(connection: ConnectionId, fence: i64, until: Timestamp) -> bool;
    unclaim(connection: ConnectionId, fence: i64) -> ();
    lease_holder() -> Option<LeaseHolder>;
    connections() -> Vec<ConnectionRow>;
    streams(connection: ConnectionId) -> Vec<StreamState>;
    document(name: &str) -> Option<String>;
    entities(ids: &[EntityId]) -> Vec<Entity>;
    scan_entities(kind: &Kind, after: i64, limit: u32) -> Vec<Entity>;
    unmatched_records(kind: &Kind, limit: u32) -> Vec<(LinkKey, EntityId)>;
    dirty_entities(kind: &Kind, after: i64, limit: u32) -> Vec<Entity>;
    entities_by_keys(kind: &Kind, keys: &[String], most: u32) -> Vec<MatchKey>;
    links(connection: ConnectionId, stream: &StreamName, ids: &[RemoteId]) -> Vec<Link>;
    links_of(entities: &[EntityId]) -> Vec<Link>;
    scan_links(connection: ConnectionId, stream: &StreamName, after: Option<&RemoteId>, limit: u32) -> Vec<Link>;
    scan_records(connection: ConnectionId, stream: &StreamName, after: Option<&RemoteId>, limit: u32) -> Vec<(LinkKey, EntityId)>;
    links_unseen(connection: ConnectionId, stream: &StreamName, walk: i64, after: Option<&RemoteId>, limit: u32) -> Vec<Link>;
    links_in(state: LinkState) -> Vec<Link>;
    links_due(connection: ConnectionId, stream: &StreamName, now: Timestamp, limit: u32) -> Vec<Link>;
    next_due(connection: ConnectionId) -> Option<Timestamp>;
    intents(filter: &IntentFilter) -> Vec<Intent>;
    open_intents_of(entities: &[EntityId]) -> Vec<Intent>;
    refused_creates_of(entities: &[EntityId]) -> Vec<Intent>;
    conflicts(filter: &ConflictFilter) -> Vec<Conflict>;
    holds(entities: &[EntityId]) -> Vec<Hold>;
    all_holds(limit: u32) -> Vec<Hold>;
    reviews(open_only: bool, limit: u32) -> Vec<Review>;
    reviews_of(links: &[LinkKey]) -> Vec<Review>;
    events(entity: &EntityId) -> Vec<Told>;
    scan_events(after: Option<(&EntityId, i64)>, limit: u32) -> Vec<Told>;
    quarantined(limit: u32) -> Vec<Quarantined>;
    waiting_for(connection: ConnectionId, stream: &StreamName, ids: &[RemoteId]) -> Vec<Waiting>;
    waiting(limit: u32) -> Vec<Waiting>;
    runs(limit: u32) -> Vec<RunRow>;
    scan_runs(after: RunId, limit: u32) -> Vec<RunRow>;
    counts() -> Counts;
}
