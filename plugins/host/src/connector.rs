//! A plugin tied to one connection: the port `Connector` of the engine.

mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use concord_core::ports::{Clock, Connector, Http, Quota, Tokens, Urgency};
use concord_core::record::{Description, StreamInfo};
use concord_core::webhook::{Delivery, Hint};
use concord_core::{
    Change, Fault, Fields, Manifest, Op, Outcome, Page, RemoteId, RemoteRecord, Selection,
    StreamName,
};
use wasmtime::{Store, Trap};

use crate::bindings::{self, types as wit};
use crate::call::Call;
use crate::convert::{self, Reader};
use crate::limits::{Stop, size};
use crate::walk::Walks;
use crate::{Limits, Plugin, Redactor};

/// What a connector works with, for one connection.
pub struct Runtime {
    /// The connection's name, for logs and errors.
    pub connection: String,
    /// What the admin configured; never a secret.
    pub config: BTreeMap<String, String>,
    pub http: Arc<dyn Http>,
    pub quota: Arc<dyn Quota>,
    pub tokens: Arc<dyn Tokens>,
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
}

/// One connection's connector.  Each call runs on a fresh instance.
pub struct WasmConnector {
    plugin: Plugin,
    runtime: Arc<Runtime>,
    walks: Walks,
}

/// A call under way.
struct Entered {
    store: Store<Call>,
    guest: bindings::Connector,
}

impl WasmConnector {
    pub(crate) fn new(plugin: Plugin, runtime: Runtime) -> Self {
        Self {
            plugin,
            runtime: Arc::new(runtime),
            walks: Walks::default(),
        }
    }

    /// A store for one call.
    async fn store(&self) -> Result<Store<Call>, Fault> {
        let permit = Arc::clone(&self.plugin.permits)
            .acquire_owned()
            .await
            .map_err(|_| Fault::transient("the plugin host is shutting down"))?;
        Ok(Call::store(
            self.plugin.pre.engine(),
            Arc::clone(&self.runtime),
            Arc::clone(&self.plugin.manifest),
            permit,
        ))
    }

    /// Makes an instance for one call.
    async fn enter(&self, operation: &str) -> Result<Entered, Fault> {
        let mut store = self.store().await?;
        match self.plugin.pre.instantiate_async(&mut store).await {
            Ok(guest) => Ok(Entered { store, guest }),
            Err(error) => Err(self.stopped(operation, &store, &error)),
        }
    }

    /// Sorts out how a call ended.
    fn left<T>(
        &self,
        operation: &str,
        store: &Store<Call>,
        answer: wasmtime::Result<Result<T, wit::Fault>>,
    ) -> Result<T, Fault> {
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => {
                let redactor = self.redactor();
                let reader = Reader {
                    redactor: &redactor,
                };
                Err(match reader.fault(fault) {
                    Fault::Bug(message) => self.broken(operation, &message),
                    fault => fault,
                })
            }
            Err(error) => Err(self.stopped(operation, store, &error)),
        }
    }

    /// The guest broke the contract.
    fn broken(&self, operation: &str, what: &str) -> Fault {
        let manifest = &self.plugin.manifest;
        Fault::bug(format!(
            "plugin {} {} of connection '{}': {operation} {what}",
            manifest.id, manifest.version, self.runtime.connection
        ))
    }

    /// The guest did not come to an end.
    fn stopped(&self, operation: &str, store: &Store<Call>, error: &wasmtime::Error) -> Fault {
        let what = reason(error, &self.runtime.limits);
        let fault = self.broken(operation, &self.redactor().clean(what));
        tracing::error!(connection = self.runtime.connection, "{fault}");
        in_doubt(operation, store, fault)
    }

    fn redactor(&self) -> Redactor {
        Redactor::new(&self.runtime.tokens.secrets())
    }
}

/// A write that may have left before the guest failed may have been done.
fn in_doubt(operation: &str, store: &Store<Call>, fault: Fault) -> Fault {
    match fault {
        Fault::Bug(message) if operation == PUSH && store.data().may_have_written() => {
            Fault::UnknownOutcome(message)
        }
        fault => fault,
    }
}

/// What a person reads about a guest that was stopped or stopped itself.
fn reason(error: &wasmtime::Error, limits: &Limits) -> String {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.to_string();
    }
    match error.downcast_ref::<Trap>() {
        // What a panic becomes where there is no unwinding.
        Some(Trap::UnreachableCodeReached) => "panicked; its log may say why".into(),
        Some(trap) => format!("crashed: {trap}"),
        // wasmtime keeps the type of this error to itself.
        None if error
            .root_cause()
            .to_string()
            .contains("fuel allocated for hostcalls") =>
        {
            format!(
                "handed over more than {} at once",
                size(limits.transfer_bytes)
            )
        }
        None => format!("gave something that the contract does not know: {error:#}"),
    }
}

const PUSH: &str = "push";

#[async_trait]
impl Connector for WasmConnector {
    fn manifest(&self) -> &Manifest {
        &self.plugin.manifest
    }

    async fn check(&self) -> Result<Description, Fault> {
        let Entered { mut store, guest } = self.enter("check").await?;
        let answer = guest.concord_connector_sync().call_check(&mut store).await;
        self.left("check", &store, answer).map(convert::description)
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>, Fault> {
        let Entered { mut store, guest } = self.enter("discover").await?;
        let answer = guest
            .concord_connector_sync()
            .call_discover(&mut store)
            .await;
        let streams = self.left("discover", &store, answer)?;
        Ok(streams.into_iter().map(convert::stream).collect())
    }

    #[tracing::instrument(target = "concord::stage", level = "trace", name = "plugin", skip_all)]
    async fn pull(
        &self,
        stream: &StreamName,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        let Entered { mut store, guest } = self.enter("pull").await?;
        let answer = guest
            .concord_connector_sync()
            .call_pull(
                &mut store,
                stream.as_str(),
                &convert::selection(selection),
                cursor.map(str::to_owned).as_ref(),
            )
            .await;
        let page = self.left("pull", &store, answer)?;
        let redactor = self.redactor();
        let page = Reader {
            redactor: &redactor,
        }
        .page(page);
        match self
            .walks
            .problem(stream, cursor, &page, &self.runtime.limits)
        {
            None => Ok(page),
            Some(problem) => Err(self.broken(&format!("pull of '{stream}'"), &problem)),
        }
    }

    #[tracing::instrument(target = "concord::stage", level = "trace", name = "plugin", skip_all)]
    async fn fetch(
        &self,
        stream: &StreamName,
        ids: &[RemoteId],
        fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        let Entered { mut store, guest } = self.enter("fetch").await?;
        let ids: Vec<String> = ids.iter().map(RemoteId::to_string).collect();
        let answer = guest
            .concord_connector_sync()
            .call_fetch(&mut store, stream.as_str(), &ids, fields)
            .await;
        let changes = self.left("fetch", &store, answer)?;
        if changes.len() != ids.len() {
            let problem = format!("answered {} ids with {}", ids.len(), changes.len());
            return Err(self.broken("fetch", &problem));
        }
        let redactor = self.redactor();
        let reader = Reader {
            redactor: &redactor,
        };
        Ok(reader.changes(changes))
    }

    #[tracing::instrument(target = "concord::stage", level = "trace", name = "plugin", skip_all)]
    async fn find(
        &self,
        stream: &StreamName,
        values: &Fields,
        fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        let Entered { mut store, guest } = self.enter("find").await?;
        let values = convert::json(values)?;
        let answer = guest
            .concord_connector_sync()
            .call_find(&mut store, stream.as_str(), &values, fields)
            .await;
        let found = self.left("find", &store, answer)?;
        let redactor = self.redactor();
        let reader = Reader {
            redactor: &redactor,
        };
        reader
            .records(found)
            .map_err(|problem| self.broken("find", &format!("gave a broken record: {problem}")))
    }

    #[tracing::instrument(target = "concord::stage", level = "trace", name = "plugin", skip_all)]
    async fn push(&self, stream: &StreamName, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        let Entered { mut store, guest } = self.enter(PUSH).await?;
        let sent = ops.iter().map(convert::op).collect::<Result<Vec<_>, _>>()?;
        let answer = guest
            .concord_connector_sync()
            .call_push(&mut store, stream.as_str(), &sent)
            .await;
        let outcomes = self.left(PUSH, &store, answer)?;
        if outcomes.len() != ops.len() {
            let problem = format!("answered {} writes with {}", ops.len(), outcomes.len());
            return Err(in_doubt(PUSH, &store, self.broken(PUSH, &problem)));
        }
        let redactor = self.redactor();
        let reader = Reader {
            redactor: &redactor,
        };
        Ok(outcomes.into_iter().map(|o| reader.outcome(o)).collect())
    }

    async fn subscribe(&self, address: &str) -> Result<String, Fault> {
        self.registered(address).await
    }

    async fn unsubscribe(&self, subscription: &str) -> Result<(), Fault> {
        self.unregistered(subscription).await
    }

    async fn hints(&self, delivery: &Delivery) -> Result<Vec<Hint>, Fault> {
        self.parsed(delivery).await
    }

    fn hurry(&self, urgency: Urgency) {
        self.runtime.quota.hurry(urgency);
    }
}
