//! Runs what `hub/sync` decides: pulls pages, commits them, matches, plans,
//! sends, and finds out what became of a write in doubt.
//!
//! [`hub::Hub`] holds everything a run needs, behind ports; [`run`] is the
//! story of one sync.  Nothing here knows SQL, HTTP or WASM, and nothing sleeps
//! but through the Clock.

pub mod alerts;
mod among;
mod answers;
pub mod approve;
mod around;
mod backoff;
mod before;
pub mod brake;
pub mod clock;
pub mod compact;
pub mod config;
mod deletes;
mod documents;
pub mod doubt;
mod emitter;
pub mod error;
pub mod exclude;
pub mod forecast;
pub mod guard;
pub mod history;
pub mod holds;
pub mod hub;
pub mod identity;
mod journal;
mod lane;
pub mod letters;
pub mod likely;
pub mod matcher;
pub mod merge;
mod meters;
pub mod numbers;
pub mod oauth;
pub mod outbox;
pub mod page;
mod passed;
pub mod planner;
pub mod policy;
pub mod progress;
pub mod pull;
mod queue;
pub mod quota;
pub mod recorder;
pub mod references;
pub mod reread;
pub mod review;
pub mod run;
pub mod saved;
pub mod schedule;
pub mod sharing;
pub mod timetable;
pub mod tokens;
pub mod undo;
pub mod verify;
pub mod webhooks;
pub mod why;
mod yielding;

pub use error::EngineError;
pub use hub::Hub;
