//! What all inhabitants of a world share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use concord_core::ports::{Clock, Store};

use crate::clock::{WorldClock, lock};
use crate::deed::Deed;
use crate::ledger::Ledger;
use crate::system::System;

pub(crate) struct Town {
    pub clock: Arc<WorldClock>,
    pub ledger: Mutex<Ledger>,
    systems: OnceLock<Vec<Arc<System>>>,
    store: OnceLock<Arc<dyn Store>>,
    /// How many runs of hubs have begun.
    runs: AtomicU64,
    /// What people do while a hub works: before its n-th request.
    agenda: Mutex<Agenda>,
    /// Lines for a person, kept only where somebody wants to read them.
    trace: Option<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct Agenda {
    requests: u32,
    due: Vec<(u32, Deed)>,
}

impl Town {
    pub(crate) fn new(tracing: bool) -> Self {
        Self {
            clock: Arc::new(WorldClock::new()),
            ledger: Mutex::default(),
            systems: OnceLock::new(),
            store: OnceLock::new(),
            runs: AtomicU64::new(0),
            agenda: Mutex::default(),
            trace: tracing.then(Mutex::default),
        }
    }

    pub(crate) fn settle(&self, systems: Vec<Arc<System>>, store: Arc<dyn Store>) {
        let _ = self.systems.set(systems);
        let _ = self.store.set(store);
    }

    pub(crate) fn systems(&self) -> &[Arc<System>] {
        self.systems.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn begin_run(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// The store behind the hub's back.
    pub(crate) fn store(&self) -> Option<Arc<dyn Store>> {
        self.store.get().cloned()
    }

    /// Everybody who is in one system only, or in all of them by the same name.
    pub(crate) fn is_known_everywhere(&self, human: u32) -> bool {
        let names: Vec<String> = self
            .systems()
            .iter()
            .filter_map(|system| system.name_of(human))
            .collect();
        let ledger = lock(&self.ledger);
        let mut systems = self.systems().iter();
        // What a hub entered and died over is nobody's yet.
        if systems.any(|system| system.is_unheard_of(human, &ledger)) {
            return false;
        }
        let same = names.windows(2).all(|pair| pair[0] == pair[1]);
        names.len() == 1 || same && names.len() == self.systems().len()
    }

    pub(crate) fn plan(&self, due: Vec<(u32, Deed)>) {
        *lock(&self.agenda) = Agenda { requests: 0, due };
    }

    /// A hub is about to ask a system something: people who were to act now do.
    pub(crate) fn request(&self) {
        let now = {
            let mut agenda = lock(&self.agenda);
            agenda.requests += 1;
            let count = agenda.requests;
            let (now, later) = agenda.due.drain(..).partition(|(at, _)| *at <= count);
            agenda.due = later;
            let now: Vec<(u32, Deed)> = now;
            now
        };
        for (_, deed) in now {
            deed.happen(self);
        }
    }

    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let now = self.clock.now();
            lock(trace).push(format!("{now}  {}", line()));
        }
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.trace
            .as_ref()
            .map(|trace| lock(trace).clone())
            .unwrap_or_default()
    }
}
