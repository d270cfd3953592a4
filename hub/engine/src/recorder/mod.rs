//! The flight recorder: a run written down as it happens, and run again from
//! what was written, without a network, a clock or a secret.
//!
//! What a run does follows from the books that it begins with, from what it is
//! asked to do, from what its clock says, from one number of chance, and from
//! what the systems answer: guests are deterministic, and so is the engine.  A
//! recording keeps those, and beside them what the run made of them: each call of
//! a connector with its answer, and everything that was committed.  Run again,
//! each of these is compared with what stands there, byte for byte.
//!
//! ```text
//!              recording                              replaying
//! Clock        RecordingClock ─ readings ─▶ tape ─▶   PlayedClock
//! Tokens       RecordingTokens ─ whether ─▶ tape ─▶   PlayedTokens
//! Http         RecordingHttp ─ exchanges ─▶ tape ─▶   PlayedHttp (compares requests)
//! Connector    Witnessed ──── calls ──────▶ tape ◀──  Witnessed (compares answers)
//! Store        Witnessed ──── commits ────▶ tape ◀──  Witnessed (compares commits)
//! ```
//!
//! A run is sequential, so one tape keeps everything in order.  Readings of the
//! clock belong to what comes after them: a changed connector or mapping may read
//! it more often or less, and is in step again with the next event.

mod along;
mod difference;
mod event;
mod format;
mod play;
mod player;
mod pseudonyms;
mod record;
mod tape;
mod witness;

pub use difference::{Departure, Difference};
pub use event::{
    Answer, Body, Call, Ended, Event, Exchange, Failure, Received, Sent, TokenAnswer, TokenAsked,
};
pub use format::{Connected, Entry, FORMAT, Header, TapeError};
pub use play::{PlayedClock, PlayedHttp, PlayedTokens, StandingClock, Unlimited};
pub use player::{Played, Player, Verdict};
pub use pseudonyms::{Pseudonyms, Vocabulary};
pub use record::{Mask, Recorder, RecordingClock, RecordingHttp, RecordingTokens};
pub use tape::{Tape, TapeReader, TapeWriter};
pub use witness::{Witness, WitnessedConnector, WitnessedStore};
