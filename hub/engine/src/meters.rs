//! What a run counts for whoever watches the hub.  Where nobody does, nothing is
//! kept.

use metrics::counter;

use crate::lane::Lane;
use crate::outbox::Sent;
use crate::page::PageCounts;

pub(crate) fn read(lane: &Lane<'_>, counts: &PageCounts) {
    let connection = lane.connection.row.name.clone();
    counter!("concord_records_read_total", "connection" => connection).increment(counts.records);
}

/// What was sent since `before`.  A count of nothing is a series all the same, so
/// that its first rise is seen as one.
pub(crate) fn sent(lane: &Lane<'_>, before: Sent, now: Sent) {
    let connection = &lane.connection.row.name;
    for (action, before, now) in [
        ("create", before.created, now.created),
        ("update", before.updated, now.updated),
        ("delete", before.deleted, now.deleted),
    ] {
        let connection = connection.clone();
        counter!("concord_writes_total", "connection" => connection, "action" => action)
            .increment(now - before);
    }
    let refused = now.refused - before.refused;
    counter!("concord_writes_refused_total", "connection" => connection.clone()).increment(refused);
}

/// What became of an attempt to get a new token.
pub(crate) fn refreshed(connection: &str, outcome: &'static str, times: u64) {
    let connection = connection.to_owned();
    counter!("concord_token_refreshes_total", "connection" => connection, "outcome" => outcome)
        .increment(times);
}
