//! Tells a person on standard error what a long command is doing: one moving
//! line on a terminal, a plain line now and then elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use concord_core::ports::Clock;
use concord_engine::progress::{Progress, Watch};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::logging::say;
use crate::output::count;

/// Plain lines are at least this far apart, unless every step is asked for.
const APART: Duration = Duration::from_secs(5);

pub struct Teller {
    clock: Arc<dyn Clock>,
    silent: bool,
    apart: Duration,
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_line: Duration,
    read: BTreeMap<String, u64>,
    written: BTreeMap<String, u64>,
}

impl Teller {
    /// With `every`, each step is told on a line of its own where no line moves.
    pub fn new(clock: Arc<dyn Clock>, silent: bool, every: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if !silent {
            // It draws on standard error, and only where that is a terminal.
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::default_spinner());
        }
        let state = State {
            last_line: clock.monotonic(),
            ..State::default()
        };
        Self {
            clock,
            silent,
            apart: if every { Duration::ZERO } else { APART },
            bar,
            state: Mutex::new(state),
        }
    }

    /// Clears the moving line, so that what is printed next stands alone.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// What was done so far, for a command that is ended before it is through.
    pub fn so_far(&self) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let read: u64 = state.read.values().sum();
        let written: u64 = state.written.values().sum();
        format!("{} read, {} written", count(read, "record"), written)
    }

    fn line(&self, text: &str) {
        if self.silent {
            return;
        }
        if !self.bar.is_hidden() {
            self.bar.set_message(text.to_owned());
            self.bar.tick();
            return;
        }
        let now = self.clock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(state.last_line) >= self.apart {
            state.last_line = now;
            say(text);
        }
    }

    fn note(&self, progress: &Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Pulling {
                connection,
                stream,
                records,
            } => {
                state
                    .read
                    .insert(format!("{connection}/{stream}"), *records);
            }
            Progress::Sending {
                connection,
                stream,
                written,
            } => {
                state
                    .written
                    .insert(format!("{connection}/{stream}"), *written);
            }
            _ => {}
        }
    }
}

impl Watch for Teller {
    fn tell(&self, progress: Progress) {
        self.note(&progress);
        self.line(&words(&progress));
    }
}

fn words(progress: &Progress) -> String {
    match progress {
        Progress::Pulling {
            connection,
            stream,
            records,
        } => {
            format!(
                "reading {connection}/{stream}: {}",
                count(*records, "record")
            )
        }
        Progress::Matching { compared } => {
            format!("matching: {} compared", count(*compared, "record"))
        }
        Progress::Planning { looked_at } => {
            format!("planning: {} looked at", count(*looked_at, "record"))
        }
        Progress::Sending {
            connection,
            stream,
            written,
        } => {
            format!(
                "writing {connection}/{stream}: {}",
                count(*written, "record")
            )
        }
        Progress::Waiting {
            connection,
            until,
            why,
        } => {
            format!("waiting for {connection} until {until}: {why}")
        }
        Progress::Verifying {
            connection,
            stream,
            records,
        } => {
            format!(
                "reading back {connection}/{stream}: {}",
                count(*records, "record")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use concord_engine::clock::SystemClock;

    use super::*;

    #[test]
    fn what_was_done_is_summed_over_streams() {
        let teller = Teller::new(Arc::new(SystemClock::new()), true, false);
        let pulling = |stream: &str, records| Progress::Pulling {
            connection: "crm".into(),
            stream: stream.into(),
            records,
        };
        teller.tell(pulling("contacts", 100));
        teller.tell(pulling("contacts", 200));
        teller.tell(pulling("companies", 1));
        assert_eq!(teller.so_far(), "201 records read, 0 written");
    }
}
