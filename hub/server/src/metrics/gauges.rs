//! What the database says, at the moment when somebody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use concord_core::ports::{Counts, StoreError};
use metrics::{describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::Scraped;
use super::capped::CONNECTION;

/// Numbers that take the database a look at every record: they are told here after
/// each run, and not read each time that somebody asks.
#[derive(Clone, Default)]
pub struct Totals(Arc<Mutex<Option<(i64, i64)>>>);

impl Totals {
    pub fn set(&self, counts: &Counts) {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *totals = Some((counts.conflicts_held, counts.open_intents));
    }

    fn get(&self) -> Option<(i64, i64)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Series of what is there now: a connection that was removed has none.
pub(super) async fn read(scraped: &Scraped) -> Result<String, StoreError> {
    let mut rows = scraped.store.connections().await?;
    rows.retain(|row| !row.removed);
    let backlog = scraped.deliveries.backlog().await?;
    let mut up: BTreeMap<String, bool> = BTreeMap::new();
    let mut waiting: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows {
        let label = scraped.meters.cap.label(&row.name);
        let here = backlog.iter().filter(|some| some.connection == row.id);
        let here: i64 = here.map(|some| some.waiting).sum();
        // Those that share a name are up where each of them is.
        *up.entry(label.clone()).or_insert(true) &= row.held.is_none();
        *waiting.entry(label).or_default() += here;
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        describe();
        for (connection, up) in up {
            gauge!("concord_connection_up", CONNECTION => connection).set(f64::from(up));
        }
        for (connection, waiting) in waiting {
            gauge!("concord_webhooks_waiting", CONNECTION => connection).set(float(waiting));
        }
        if let Some((conflicts, writes)) = scraped.totals.get() {
            gauge!("concord_conflicts_open").set(float(conflicts));
            gauge!("concord_writes_open").set(float(writes));
        }
    });
    Ok(recorder.handle().render())
}

/// Prometheus has no other number; counts of rows are far from its bounds.
#[expect(clippy::cast_precision_loss, reason = "no database has 2^53 rows")]
fn float(count: i64) -> f64 {
    count as f64
}

fn describe() {
    describe_gauge!(
        "concord_connection_up",
        "Whether a connection runs: 0 where it is held or somebody has to sign in"
    );
    describe_gauge!(
        "concord_webhooks_waiting",
        "Records that webhooks named and that were not read yet"
    );
    describe_gauge!(
        "concord_conflicts_open",
        "Conflicts that wait for somebody's decision"
    );
    describe_gauge!(
        "concord_writes_open",
        "Writes that are not done, or whose outcome is not known"
    );
}
