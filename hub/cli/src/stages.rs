//! Where the processor's time of a command goes, stage by stage.
//!
//! The crates mark a stage by a span with the target `concord::stage`.  Time is
//! counted per thread and given to the innermost stage that the thread is in,
//! the database's own thread included: its driver enters the span of whoever
//! waits for it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpu_time::{ProcessTime, ThreadTime};
use serde::Serialize;
use tracing::{Id, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::output::table;

const TARGET: &str = "concord::stage";

/// The counts of all threads.
#[derive(Clone, Default)]
pub struct Stages(Arc<Mutex<BTreeMap<&'static str, Duration>>>);

/// What was counted, in milliseconds of processor time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    pub total_ms: f64,
    /// The rest is outside of all stages: start, network and runtime.
    pub stages_ms: BTreeMap<&'static str, f64>,
}

thread_local! {
    static HERE: RefCell<Here> = const { RefCell::new(Here { stack: Vec::new(), since: None }) };
}

/// What one thread is in, innermost last.
struct Here {
    stack: Vec<&'static str>,
    since: Option<ThreadTime>,
}

impl Spent {
    /// The most expensive stage first, the rest last.
    pub fn words(&self) -> String {
        let mut rows: Vec<(&str, f64)> = self.stages_ms.iter().map(|(n, ms)| (*n, *ms)).collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        let counted: f64 = rows.iter().map(|(_, ms)| ms).sum();
        rows.push(("outside of these", self.total_ms - counted));
        rows.push(("in all", self.total_ms));
        table(
            ["stage", "cpu ms", "share"],
            rows.into_iter().map(|(name, ms)| {
                let share = 100.0 * ms / self.total_ms.max(f64::MIN_POSITIVE);
                [name.to_owned(), format!("{ms:.0}"), format!("{share:.0} %")]
            }),
        )
    }
}

impl Stages {
    /// The part of the log that counts.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let is_stage = |metadata: &Metadata<'_>| metadata.target() == TARGET;
        self.clone().with_filter(filter_fn(is_stage))
    }

    pub fn spent(&self) -> Spent {
        let ms = |span: &Duration| span.as_secs_f64() * 1_000.0;
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Spent {
            total_ms: ms(&ProcessTime::now().as_duration()),
            stages_ms: counted
                .iter()
                .map(|(name, span)| (*name, ms(span)))
                .collect(),
        }
    }

    /// Gives the time since the last turn to whatever the thread was in.
    fn turn(&self, then: impl FnOnce(&mut Vec<&'static str>)) {
        HERE.with_borrow_mut(|here| {
            let now = ThreadTime::now();
            if let (Some(stage), Some(since)) = (here.stack.last(), here.since) {
                let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                *counted.entry(stage).or_default() += now.duration_since(since);
            }
            here.since = Some(now);
            then(&mut here.stack);
        });
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Stages {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            self.turn(|stack| stack.push(span.name()));
        }
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        self.turn(|stack| {
            stack.pop();
        });
    }
}

#[cfg(test)]
mod tests {
    use tracing::{subscriber, trace_span};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn work() {
        let start = ThreadTime::now();
        while start.elapsed() < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn time_goes_to_the_innermost_stage() {
        let stages = Stages::default();
        let log = tracing_subscriber::registry().with(stages.layer());
        subscriber::with_default(log, || {
            let _outer = trace_span!(target: TARGET, "outer").entered();
            work();
            {
                let _inner = trace_span!(target: TARGET, "inner").entered();
                let _other = trace_span!(target: "elsewhere", "other").entered();
                work();
                work();
            }
            work();
        });
        let spent = stages.spent();
        let of = |name: &str| spent.stages_ms[name];
        assert_eq!(spent.stages_ms.len(), 2, "{spent:?}");
        assert!(of("outer") >= 10.0 && of("inner") >= 10.0, "{spent:?}");
        assert!(of("outer") + of("inner") <= spent.total_ms, "{spent:?}");
    }
}
