//! Runs along a recording and compares.
//!
//! As long as nothing differs there is one next event, and it is the recorded one.
//! A changed connector or mapping departs: that is told, and the replay goes on as
//! long as what was recorded can still answer.  A reading request to the same
//! place gets the answer that was recorded there; what a system would have said to
//! another write, or to a request that was never sent, nobody knows, and the
//! replay ends there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use concord_core::Timestamp;
use concord_core::ports::{HttpError, HttpResponse};
use serde::Serialize;

use super::along::State;
use super::difference::Departure;
use super::event::{Event, Sent, TokenAnswer};
use super::format::TapeError;
use super::tape::TapeReader;
use super::witness::Witness;

/// How much of a run was found to be as it was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Played {
    pub calls: u64,
    pub requests: u64,
    pub commits: u64,
    /// Planned writes within them.
    pub intents: u64,
}

/// What a replay came to.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub identical: bool,
    pub same: Played,
    pub departures: Vec<Departure>,
    /// Of more than are told.
    pub count: usize,
    /// Why nothing behind this place could be compared.
    pub ended: Option<String>,
    /// The recording was cut short, by a kill or by Ctrl-C.
    pub cut: bool,
}

pub struct Player {
    state: Mutex<State>,
    stop: Mutex<Option<Arc<AtomicBool>>>,
}

impl Player {
    pub fn new(tape: TapeReader) -> Result<Self, TapeError> {
        Ok(Self {
            state: Mutex::new(State::begin(tape)?),
            stop: Mutex::default(),
        })
    }

    /// Set where the run has to end, since nothing more can be compared.
    pub fn ends(&self, stop: Arc<AtomicBool>) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
    }

    /// What came of it, once the run is over.
    pub fn verdict(&self) -> Result<Verdict, TapeError> {
        let mut state = self.state();
        if let Some(error) = state.broken.take() {
            return Err(error);
        }
        Ok(Verdict {
            identical: state.count == 0 && state.ended.is_none(),
            same: state.same,
            departures: state.departures.clone(),
            count: state.count,
            ended: state.ended.clone(),
            cut: state.cut,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run may not go on where nothing can be compared any more.
    fn look(&self, state: &State) {
        if state.is_over()
            && let Some(stop) = &*self.stop.lock().unwrap_or_else(PoisonError::into_inner)
        {
            stop.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let mut state = self.state();
        let at = state.read_now;
        let reading = state
            .next
            .as_ref()
            .and_then(|next| next.now.get(at).copied());
        if let Some(since) = reading {
            state.read_now += 1;
            state.now = state.now.wrapping_add(since);
        }
        Timestamp(state.now)
    }

    pub(super) fn monotonic(&self) -> Duration {
        let mut state = self.state();
        let at = state.read_mono;
        let reading = state
            .next
            .as_ref()
            .and_then(|next| next.mono.get(at).copied());
        if let Some(since) = reading {
            state.read_mono += 1;
            state.mono = state.mono.wrapping_add(since);
        }
        Duration::from_micros(state.mono.unsigned_abs())
    }

    pub(super) fn token(&self, connection: &str, again: bool) -> TokenAnswer {
        let mut state = self.state();
        if let Some(Event::Token(asked)) = state.peek()
            && asked.connection == connection
            && asked.again == again
        {
            let answer = asked.answer.clone();
            state.advance();
            return answer;
        }
        // Whoever asks once more than was recorded is told by the request itself.
        TokenAnswer::None
    }

    pub(super) fn answer(&self, connection: &str, sent: &Sent) -> Result<HttpResponse, HttpError> {
        let mut state = self.state();
        let answer = state.answer(connection, sent);
        self.look(&state);
        answer
    }
}

impl Witness for Player {
    fn note(&self, event: Event) {
        let mut state = self.state();
        if !state.is_over() {
            state.note(event);
        }
        self.look(&state);
    }
}
