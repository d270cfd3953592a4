//! A clock on which days go by in minutes, and what happens in them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use concord::wire::flight::Lookout;
use concord_core::Timestamp;
use concord_core::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse};
use concord_engine::clock::SystemClock;
use tokio::sync::Notify;

/// A hub that waits for its schedule looks every second.  A machine may always sleep
/// longer than it was asked to, and here it does.
const LOOK: Duration = Duration::from_secs(1);
const NAP: Duration = Duration::from_secs(20);

/// What the way to a system is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Nobody knows the system's name.
    NoName,
    /// Nobody listens.
    Down,
    /// What is asked is done, and the answer does not arrive.
    Dying,
    /// It is too busy to answer.
    Busy,
}

/// From when to when, and at which connection.
pub struct Spell {
    pub from: Timestamp,
    pub until: Timestamp,
    pub connection: &'static str,
    pub weather: Weather,
}

/// Something that happens once.
pub enum Deed {
    /// People work in the systems.
    Work(Box<dyn FnOnce() + Send>),
    /// The hub is killed here and now, or at the so-many-th request from now.
    Kill { at_request: i64 },
    /// It is killed, and every system has forgotten the cursors that it gave.
    ForgetCursors,
    /// The disk is full from here on, or has room again.
    Disk { full: bool },
    /// The week is over.
    End,
}

/// Why the hub was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    Killed,
    CursorsForgotten,
    Over,
}

pub struct Week {
    real: SystemClock,
    start: Timestamp,
    /// How far this clock is ahead of the real time since the start, in microseconds.
    ahead: AtomicI64,
    script: Mutex<VecDeque<(Timestamp, Deed)>>,
    spells: Vec<Spell>,
    /// Requests until the hub is killed; none where it is negative.
    fuse: AtomicI64,
    /// Requests that met some weather.
    met: AtomicI64,
    stopped: Mutex<Option<Stopped>>,
    stops: Notify,
}

impl Week {
    pub fn new(start: Timestamp, mut script: Vec<(Timestamp, Deed)>, spells: Vec<Spell>) -> Self {
        script.sort_by_key(|(at, _)| *at);
        Self {
            real: SystemClock::new(),
            start,
            ahead: AtomicI64::new(0),
            script: Mutex::new(script.into()),
            spells,
            fuse: AtomicI64::new(-1),
            met: AtomicI64::new(0),
            stopped: Mutex::new(None),
            stops: Notify::new(),
        }
    }

    /// Waits until the hub is to be stopped.
    pub async fn stopped(&self) -> Stopped {
        loop {
            if let Some(why) = self.stopped.lock().unwrap().take() {
                return why;
            }
            self.stops.notified().await;
        }
    }

    /// How many requests did not go through as usual.
    pub fn met(&self) -> i64 {
        self.met.load(Ordering::Relaxed)
    }

    /// Nothing of the hub goes on from here.
    async fn stop(&self, why: Stopped) {
        *self.stopped.lock().unwrap() = Some(why);
        self.stops.notify_one();
        std::future::pending().await
    }

    /// Never back, whatever two tasks do at once.
    fn advance_to(&self, at: Timestamp) {
        let gap = at.0 - self.now().0;
        if gap > 0 {
            self.ahead.fetch_add(gap, Ordering::Relaxed);
        }
    }

    fn due(&self, until: Timestamp) -> Option<(Timestamp, Deed)> {
        let mut script = self.script.lock().unwrap();
        let is_due = script.front().is_some_and(|(at, _)| *at <= until);
        is_due.then(|| script.pop_front()).flatten()
    }

    async fn happens(&self, deed: Deed) {
        match deed {
            Deed::Work(work) => work(),
            Deed::Kill { at_request: 0 } => self.stop(Stopped::Killed).await,
            Deed::Kill { at_request } => self.fuse.store(at_request, Ordering::Relaxed),
            Deed::ForgetCursors => self.stop(Stopped::CursorsForgotten).await,
            Deed::Disk { full } => super::disk(full),
            Deed::End => {
                self.fuse.store(-1, Ordering::Relaxed);
                self.stop(Stopped::Over).await;
            }
        }
    }

    fn weather(&self, connection: &str) -> Option<Weather> {
        let now = self.now();
        let mut spells = self.spells.iter();
        let spell = spells
            .find(|spell| spell.connection == connection && spell.from <= now && now < spell.until);
        spell.map(|spell| spell.weather)
    }

    async fn burn(&self) {
        if self.fuse.load(Ordering::Relaxed) > 0 && self.fuse.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.fuse.store(-1, Ordering::Relaxed);
            self.stop(Stopped::Killed).await;
        }
    }
}

#[async_trait]
impl Clock for Week {
    fn now(&self) -> Timestamp {
        self.start.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        let ahead = self.ahead.load(Ordering::Relaxed).unsigned_abs();
        self.real.monotonic() + Duration::from_micros(ahead)
    }

    async fn sleep(&self, span: Duration) {
        let span = if span == LOOK { NAP } else { span };
        let wake = self.now().plus(span);
        while let Some((at, deed)) = self.due(wake) {
            self.advance_to(at);
            self.happens(deed).await;
        }
        self.advance_to(wake);
        tokio::task::yield_now().await;
    }
}

/// The way out of every connection leads through the weather.
pub struct Sky(pub Arc<Week>);

impl Lookout for Sky {
    fn at(&self, connection: &str, inner: Arc<dyn Http>, _: Arc<dyn Clock>) -> Arc<dyn Http> {
        Arc::new(Outside {
            inner,
            week: Arc::clone(&self.0),
            connection: connection.to_owned(),
        })
    }
}

struct Outside {
    inner: Arc<dyn Http>,
    week: Arc<Week>,
    connection: String,
}

#[async_trait]
impl Http for Outside {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.week.burn().await;
        let unreachable = |why: &str| Err(HttpError::Unreachable(why.to_owned()));
        let weather = self.week.weather(&self.connection);
        let met = i64::from(weather.is_some());
        self.week.met.fetch_add(met, Ordering::Relaxed);
        let answer = match weather {
            None => self.inner.send(request).await,
            Some(Weather::NoName) => unreachable("dns error: failed to lookup address information"),
            Some(Weather::Down) => unreachable("tcp connect error: connection refused"),
            Some(Weather::Dying) => {
                let _ = self.inner.send(request).await;
                let why = "connection closed before message completed";
                Err(HttpError::NoAnswer(why.to_owned()))
            }
            Some(Weather::Busy) => Ok(HttpResponse {
                status: 503,
                headers: Vec::new(),
                body: Vec::new(),
            }),
        };
        // Killed between what was done and the hub's knowing of it.
        self.week.burn().await;
        answer
    }
}
