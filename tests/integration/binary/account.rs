//! An account at a twin on loopback: the program comes to it through a socket,
//! the test as a person at the vendor's own screen.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use concord_core::ports::Clock;
use concord_engine::clock::SystemClock;
use concord_net::{LoopbackHttp, Tls};
use concord_twins::{
    Guard, Outcome, OutgoingRequest, Request, Response, Running, ServeOptions, Twin, by_name, serve,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What happens, in order: one moment for each start and end of the program
/// and each request that a system gets.
pub struct Events {
    clock: SystemClock,
    moments: Mutex<Vec<Duration>>,
    more: Condvar,
}

impl Events {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: SystemClock::new(),
            moments: Mutex::default(),
            more: Condvar::new(),
        })
    }

    pub fn note(&self) {
        self.moments.lock().unwrap().push(self.clock.monotonic());
        self.more.notify_all();
    }

    pub fn all(&self) -> Vec<Duration> {
        self.moments.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.moments.lock().unwrap().len()
    }

    /// Waits until there are so many; false where it is over before.
    pub fn reach(&self, count: usize, mut over: impl FnMut() -> bool) -> bool {
        let mut moments = self.moments.lock().unwrap();
        while moments.len() < count {
            if over() {
                return false;
            }
            let look_again = Duration::from_millis(20);
            moments = self.more.wait_timeout(moments, look_again).unwrap().0;
        }
        true
    }
}

/// Changes an answer on its way.
pub type Spoil = fn(&Request, &mut Response);

struct Watched {
    twin: Arc<Mutex<Box<dyn Twin>>>,
    events: Arc<Events>,
    spoil: Arc<Mutex<Option<Spoil>>>,
}

impl Twin for Watched {
    fn handle(&mut self, now: concord_core::Timestamp, request: Request) -> Response {
        self.events.note();
        let mut answer = self.twin.lock().unwrap().handle(now, request.clone());
        if let Some(spoil) = *self.spoil.lock().unwrap() {
            spoil(&request, &mut answer);
        }
        answer
    }

    fn is_open(&self, request: &Request) -> bool {
        self.twin.lock().unwrap().is_open(request)
    }

    fn refuse_token(&mut self) -> Response {
        self.twin.lock().unwrap().refuse_token()
    }

    fn due_deliveries(&mut self, now: concord_core::Timestamp) -> Vec<OutgoingRequest> {
        self.twin.lock().unwrap().due_deliveries(now)
    }

    fn delivered(
        &mut self,
        id: u64,
        now: concord_core::Timestamp,
        outcome: Outcome,
    ) -> Option<Response> {
        self.twin.lock().unwrap().delivered(id, now, outcome)
    }

    fn next_delivery(&self) -> Option<concord_core::Timestamp> {
        self.twin.lock().unwrap().next_delivery()
    }
}

/// What twins live in.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

pub struct Account {
    pub url: String,
    twin: Arc<Mutex<Box<dyn Twin>>>,
    spoil: Arc<Mutex<Option<Spoil>>>,
    clock: Arc<dyn Clock>,
    running: Running,
}

impl Account {
    pub fn open(
        runtime: &Runtime,
        twin: Box<dyn Twin>,
        latency: Duration,
        events: &Arc<Events>,
    ) -> Self {
        Self::guarded(runtime, twin, latency, events, None)
    }

    /// At the twin of this vendor.
    pub fn at(
        runtime: &Runtime,
        vendor: &str,
        people: usize,
        latency: Duration,
        events: &Arc<Events>,
    ) -> Self {
        let twin = by_name(vendor, 7, people).unwrap();
        Self::open(runtime, twin, latency, events)
    }

    /// Behind a guard that asks a sign-in server about each token.
    pub fn guarded(
        runtime: &Runtime,
        twin: Box<dyn Twin>,
        latency: Duration,
        events: &Arc<Events>,
        guard: Option<Guard>,
    ) -> Self {
        let clock = Arc::new(SystemClock::new());
        Self::on(runtime, twin, latency, events, guard, clock)
    }

    /// On a clock of the test's own.
    pub fn on(
        runtime: &Runtime,
        twin: Box<dyn Twin>,
        latency: Duration,
        events: &Arc<Events>,
        guard: Option<Guard>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let twin = Arc::new(Mutex::new(twin));
        let spoil = Arc::default();
        let watched = Watched {
            twin: Arc::clone(&twin),
            events: Arc::clone(events),
            spoil: Arc::clone(&spoil),
        };
        let options = ServeOptions {
            latency,
            guard,
            webhooks: Some(Arc::new(LoopbackHttp::new(Tls::new(&[]).unwrap()))),
            ..ServeOptions::default()
        };
        let running = runtime
            .block_on(serve(Box::new(watched), options, Arc::clone(&clock)))
            .unwrap();
        let account = Self {
            url: format!("http://{}", running.http),
            twin,
            spoil,
            clock,
            running,
        };
        account.act("limits", &json!({"on": false}));
        account
    }

    /// From now on every answer goes through this; none lets them pass.
    pub fn spoil(&self, spoil: Option<Spoil>) {
        *self.spoil.lock().unwrap() = spoil;
    }

    /// Does what a person can at the vendor's screen.
    pub fn act(&self, what: &str, wish: &Value) -> Value {
        let answer = self.control(Request::json("POST", &format!("/_twin/{what}"), wish));
        self.running.look_for_deliveries();
        answer
    }

    pub fn look(&self, what: &str) -> Value {
        self.control(Request::plain("GET", &format!("/_twin/{what}")))
    }

    /// The requests to write since the last look.
    pub fn take_writes(&self) -> u64 {
        let writes = self.look("writes")["requests"].as_u64().unwrap();
        self.act("writes", &json!({"reset": true}));
        writes
    }

    fn control(&self, request: Request) -> Value {
        let path = request.path.clone();
        let answer = self.twin.lock().unwrap().handle(self.clock.now(), request);
        self.running.look_for_deliveries();
        let body = answer.value();
        assert_eq!(answer.status, 200, "{path}: {body}");
        body
    }
}
