//! Writes a run down while it happens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use concord_core::Timestamp;
use concord_core::ports::{
    Clock, Http, HttpError, HttpRequest, HttpResponse, Secret, SecretHeader, TokenError, Tokens,
};

use super::event::{Event, Exchange, Failure, Received, Sent, TokenAnswer, TokenAsked};
use super::format::{Entry, TapeError};
use super::tape::TapeWriter;
use super::witness::Witness;

/// What strikes a connection's secrets out of a text.
pub type Mask = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Takes down what it is told.  A recording that cannot be written (a full disk)
/// ends there and does not stop the run.
#[derive(Default)]
pub struct Recorder(Mutex<State>);

#[derive(Default)]
struct State {
    tape: Option<TapeWriter>,
    /// Readings since the last event, and the last of each.
    now: Vec<i64>,
    mono: Vec<i64>,
    last_now: i64,
    last_mono: i64,
    failed: Option<TapeError>,
}

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on events are written.  Readings before belong to the first of them.
    pub fn begin(&self, tape: TapeWriter) {
        self.state().tape = Some(tape);
    }

    /// Ends the recording; an error says that it is not whole.
    pub fn end(&self) -> Result<(), TapeError> {
        let mut state = self.state();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        match state.tape.take() {
            Some(tape) => tape.end().map_err(TapeError::Write),
            None => Ok(()),
        }
    }
}

impl Witness for Recorder {
    fn note(&self, event: Event) {
        let mut state = self.state();
        let (now, mono) = (
            std::mem::take(&mut state.now),
            std::mem::take(&mut state.mono),
        );
        let Some(tape) = &mut state.tape else {
            return;
        };
        if let Err(error) = tape.write(&Entry { now, mono, event }) {
            tracing::warn!(%error, "the recording ends here: it cannot be written");
            state.tape = None;
            state.failed = Some(TapeError::Write(error));
        }
    }
}

/// A clock whose readings are kept.
pub struct RecordingClock {
    inner: Arc<dyn Clock>,
    recorder: Arc<Recorder>,
}

impl RecordingClock {
    pub fn new(inner: Arc<dyn Clock>, recorder: Arc<Recorder>) -> Self {
        Self { inner, recorder }
    }
}

#[async_trait]
impl Clock for RecordingClock {
    fn now(&self) -> Timestamp {
        let mut state = self.recorder.state();
        let now = self.inner.now();
        let since = now.0.wrapping_sub(state.last_now);
        state.last_now = now.0;
        state.now.push(since);
        now
    }

    fn monotonic(&self) -> Duration {
        let mut state = self.recorder.state();
        // In whole microseconds, so that it is read again as it was.
        let micros = i64::try_from(self.inner.monotonic().as_micros()).unwrap_or(i64::MAX);
        let since = micros.wrapping_sub(state.last_mono);
        state.last_mono = micros;
        state.mono.push(since);
        Duration::from_micros(micros.unsigned_abs())
    }

    async fn sleep(&self, span: Duration) {
        self.inner.sleep(span).await;
    }
}

/// One connection's way out, with what went through it kept.  It stands outside of
/// everything that knows a credential, and writes none: the header that the host
/// adds is left out, and secrets that a system echoes are masked.
pub struct RecordingHttp {
    inner: Arc<dyn Http>,
    recorder: Arc<Recorder>,
    connection: String,
    mask: Mask,
}

impl RecordingHttp {
    pub fn new(
        inner: Arc<dyn Http>,
        recorder: Arc<Recorder>,
        connection: impl Into<String>,
        mask: Mask,
    ) -> Self {
        Self {
            inner,
            recorder,
            connection: connection.into(),
            mask,
        }
    }
}

#[async_trait]
impl Http for RecordingHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let sent = Sent::masked(&request, self.mask.as_ref());
        let answer = self.inner.send(request).await;
        let kept = match &answer {
            Ok(response) => Ok(Received::masked(response, self.mask.as_ref())),
            Err(error) => Err(Failure::masked(error, self.mask.as_ref())),
        };
        self.recorder.note(Event::Http(Box::new(Exchange {
            connection: self.connection.clone(),
            request: sent,
            answer: kept,
        })));
        answer
    }
}

/// One connection's credentials; kept is only whether there were any.
pub struct RecordingTokens {
    inner: Arc<dyn Tokens>,
    recorder: Arc<Recorder>,
    connection: String,
    mask: Mask,
}

impl RecordingTokens {
    pub fn new(
        inner: Arc<dyn Tokens>,
        recorder: Arc<Recorder>,
        connection: impl Into<String>,
        mask: Mask,
    ) -> Self {
        Self {
            inner,
            recorder,
            connection: connection.into(),
            mask,
        }
    }

    fn note(&self, again: bool, result: &Result<Option<SecretHeader>, TokenError>) {
        let answer = match result {
            Ok(Some(header)) => TokenAnswer::Header(header.name.clone()),
            Ok(None) => TokenAnswer::None,
            Err(error) => TokenAnswer::masked(error, self.mask.as_ref()),
        };
        self.recorder.note(Event::Token(TokenAsked {
            connection: self.connection.clone(),
            again,
            answer,
        }));
    }
}

#[async_trait]
impl Tokens for RecordingTokens {
    async fn header(&self) -> Result<Option<SecretHeader>, TokenError> {
        let result = self.inner.header().await;
        self.note(false, &result);
        result
    }

    async fn instead_of(&self, refused: &SecretHeader) -> Result<Option<SecretHeader>, TokenError> {
        let result = self.inner.instead_of(refused).await;
        self.note(true, &result);
        result
    }

    fn secrets(&self) -> Vec<Secret> {
        self.inner.secrets()
    }
}
