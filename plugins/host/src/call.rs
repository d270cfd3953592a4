//! The state of one call: what the guest has used up, and the host functions
//! that it reaches.

use std::sync::Arc;
use std::time::Duration;

use concord_core::{Manifest, Timestamp};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::HasSelf;
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};

use crate::bindings::imports::{Host, HttpError, Level, Request, Response};
use crate::convert::truncate;
use crate::limits::Stop;
use crate::{Redactor, Runtime, bindings, gate};

/// How often a computing guest is looked at, and gives way to other tasks.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// How much of one log message is kept.
const LOG_KEPT: usize = 4096;

/// Methods that only read (RFC 9110 §9.2.1, RFC 4918, RFC 3253).
const READING_METHODS: [&str; 5] = ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"];

pub(crate) struct Call {
    runtime: Arc<Runtime>,
    manifest: Arc<Manifest>,
    /// The clock stands still during a call.
    now: Timestamp,
    memory_bytes: usize,
    host_calls: u32,
    requests: u32,
    /// Ticks that the guest has computed since it last called the host.
    ticks: u128,
    may_have_written: bool,
    /// Given back when the call ends: there are only so many instances.
    _permit: OwnedSemaphorePermit,
}

impl Call {
    /// A store for one call, with all its bounds set.
    pub(crate) fn store(
        engine: &Engine,
        runtime: Arc<Runtime>,
        manifest: Arc<Manifest>,
        permit: OwnedSemaphorePermit,
    ) -> Store<Self> {
        let deadline = runtime.limits.call_deadline;
        let most_ticks = (deadline.as_millis() / TICK.as_millis()).max(1);
        let transfer_bytes = runtime.limits.transfer_bytes;
        let call = Self {
            now: runtime.clock.now(),
            runtime,
            manifest,
            memory_bytes: 0,
            host_calls: 0,
            requests: 0,
            ticks: 0,
            may_have_written: false,
            _permit: permit,
        };
        let mut store = Store::new(engine, call);
        store.limiter(|call| call);
        store.set_hostcall_fuel(transfer_bytes);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |mut store| {
            let call = store.data_mut();
            call.ticks += 1;
            if call.ticks > most_ticks {
                return Err(Stop::TooLong(deadline).into());
            }
            Ok(UpdateDeadline::YieldCustom(
                1,
                Box::pin(tokio::task::yield_now()),
            ))
        });
        store
    }

    /// A request that may have changed something has left.
    pub(crate) fn may_have_written(&self) -> bool {
        self.may_have_written
    }

    /// Counts a call of the host, which also shows that the guest is not stuck.
    fn host_called(&mut self) -> wasmtime::Result<()> {
        self.ticks = 0;
        self.host_calls += 1;
        let most = self.runtime.limits.host_calls;
        if self.host_calls > most {
            return Err(Stop::HostCalls(most).into());
        }
        Ok(())
    }
}

/// Gives the guest its host functions.
pub(crate) fn link(linker: &mut wasmtime::component::Linker<Call>) -> wasmtime::Result<()> {
    bindings::Connector::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call)
}

impl bindings::types::Host for Call {}

impl Host for Call {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, HttpError>> {
        self.host_called()?;
        if self.requests >= self.runtime.limits.requests {
            return Ok(Err(HttpError::Exhausted(format!(
                "one call may send {} requests",
                self.runtime.limits.requests
            ))));
        }
        self.requests += 1;
        let reads = READING_METHODS.contains(&request.method.as_str());
        let answer = gate::send(&self.runtime, &self.manifest, request).await;
        let left = !matches!(
            answer,
            Err(HttpError::Denied(_) | HttpError::Unreachable(_) | HttpError::Unauthorised(_))
        );
        self.may_have_written |= left && !reads;
        Ok(answer)
    }

    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.host_called()?;
        let redactor = Redactor::new(&self.runtime.tokens.secrets());
        let mut message = redactor.clean(message);
        truncate(&mut message, LOG_KEPT);
        // A line break would let a plugin write lines that look like the hub's.
        let message = message.escape_debug();
        let connection = self.runtime.connection.as_str();
        let plugin = self.manifest.id.as_str();
        let version = self.manifest.version.as_str();
        match level {
            Level::Debug => tracing::debug!(connection, plugin, version, "{message}"),
            Level::Info => tracing::info!(connection, plugin, version, "{message}"),
            Level::Warn => tracing::warn!(connection, plugin, version, "{message}"),
            Level::Error => tracing::error!(connection, plugin, version, "{message}"),
        }
        Ok(())
    }

    fn now(&mut self) -> wasmtime::Result<bindings::types::Timestamp> {
        self.host_called()?;
        Ok(self.now.0)
    }

    fn config(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.host_called()?;
        Ok(self.runtime.config.get(&key).cloned())
    }
}

impl ResourceLimiter for Call {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let most = self.runtime.limits.memory_bytes;
        // An instance may have several memories; the bound is on their sum.
        let wanted = self
            .memory_bytes
            .saturating_add(desired.saturating_sub(current));
        if wanted > most {
            return Err(Stop::Memory(most).into());
        }
        self.memory_bytes = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(Stop::Table(TABLE_ELEMENTS).into());
        }
        Ok(true)
    }
}

/// Tables hold functions, and a program has only so many.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;
