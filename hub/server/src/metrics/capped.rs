//! Keeps the number of series within bounds.
//!
//! Each label's value is a series of its own in Prometheus.  All labels but the
//! connection's have a few values that stand in the program; connections are as
//! many as an admin makes in the course of time.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
};

/// So many connections have series of their own.
const MOST: usize = 200;

/// What the others are counted as.
const OTHER: &str = "other";

/// The label that is capped.
pub(super) const CONNECTION: &str = "connection";

/// The connections that have come, first come first served.
#[derive(Default)]
pub(super) struct Cap(Mutex<BTreeSet<String>>);

impl Cap {
    /// What a connection is called in a label.
    pub(super) fn label(&self, name: &str) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(name) {
            if known.len() >= MOST {
                return OTHER.to_owned();
            }
            known.insert(name.to_owned());
        }
        name.to_owned()
    }

    fn key<'a>(&self, key: &'a Key) -> Cow<'a, Key> {
        let named = |label: &&Label| label.key() == CONNECTION;
        let Some(named) = key.labels().find(named) else {
            return Cow::Borrowed(key);
        };
        let name = self.label(named.value());
        if name == named.value() {
            return Cow::Borrowed(key);
        }
        let labels = key.labels().map(|label| {
            if label.key() == CONNECTION {
                Label::new(CONNECTION, name.clone())
            } else {
                label.clone()
            }
        });
        let labels: Vec<Label> = labels.collect();
        Cow::Owned(Key::from_parts(key.name_shared(), labels))
    }
}

/// Counts as `inner` does, with capped labels.
pub(super) struct Capped<R> {
    inner: R,
    cap: Arc<Cap>,
}

impl<R> Capped<R> {
    pub(super) fn new(inner: R, cap: Arc<Cap>) -> Self {
        Self { inner, cap }
    }
}

impl<R: Recorder> Recorder for Capped<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.inner.register_counter(&self.cap.key(key), metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.inner.register_gauge(&self.cap.key(key), metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.inner.register_histogram(&self.cap.key(key), metadata)
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, with_local_recorder};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn connections_beyond_the_cap_are_counted_as_one() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let capped = Capped::new(recorder, Arc::default());
        with_local_recorder(&capped, || {
            for number in 0..MOST + 7 {
                let name = format!("c{number}");
                counter!("read", CONNECTION => name, "way" => "pull").increment(3);
            }
            // One that was there before keeps its name.
            counter!("read", CONNECTION => "c0", "way" => "pull").increment(1);
        });
        let text = handle.render();
        let series = text.lines().filter(|line| line.starts_with("read{"));
        assert_eq!(series.count(), MOST + 1, "{text}");
        let has = |line: &str| assert!(text.contains(line), "{line} is not in {text}");
        has("read{connection=\"c0\",way=\"pull\"} 4\n");
        has("read{connection=\"other\",way=\"pull\"} 21\n");
    }
}
