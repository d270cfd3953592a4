//! How much there is of everything.

use concord_core::TenantId;
use concord_core::ports::{Counts, StoreError};

use crate::driver::Database;
use crate::row::Reader;
use crate::statement::{Param, Statement, Table};

const ENTITIES: Table = Table {
    name: "entities",
    key: &["kind"],
    rest: &["count"],
};

const LINKS: Table = Table {
    name: "links",
    key: &["connection", "stream", "state"],
    rest: &["count"],
};

const SINGLES: Table = Table {
    name: "counts",
    key: &[],
    rest: &[
        "open_intents",
        "failed_intents",
        "conflicts",
        "conflicts_held",
        "holds",
        "reviews_open",
        "quarantined",
        "waiting",
    ],
};

pub(crate) async fn read(database: &Database, tenant: TenantId) -> Result<Counts, StoreError> {
    let ask = |text: &str| vec![Statement::new(text, vec![Param::Int(Some(tenant.0))])];
    let mut counts = Counts::default();

    let text = "SELECT kind, COUNT(*) FROM entities \
                WHERE tenant_id = $1 AND state = 'live' GROUP BY kind ORDER BY kind";
    for row in database.read(ask(text)).await? {
        let mut row = Reader::new(row, &ENTITIES);
        counts.entities.push((row.text()?, row.int()?));
    }

    let text = "SELECT connection, stream, state, COUNT(*) FROM links WHERE tenant_id = $1 \
                GROUP BY connection, stream, state ORDER BY connection, stream, state";
    for row in database.read(ask(text)).await? {
        let mut row = Reader::new(row, &LINKS);
        counts
            .links
            .push((row.int()?, row.text()?, row.text()?, row.int()?));
    }

    // One statement, so that these numbers are of one moment.
    let text = "SELECT \
        (SELECT COUNT(*) FROM intents WHERE tenant_id = $1 AND is_open = 1), \
        (SELECT COUNT(*) FROM intents WHERE tenant_id = $1 AND state = 'failed'), \
        (SELECT COUNT(*) FROM conflicts WHERE tenant_id = $1), \
        (SELECT COUNT(*) FROM conflicts \
         WHERE tenant_id = $1 AND winner = 'held' AND decision IS NULL), \
        (SELECT COUNT(*) FROM holds WHERE tenant_id = $1), \
        (SELECT COUNT(*) FROM reviews WHERE tenant_id = $1 AND verdict IS NULL), \
        (SELECT COUNT(*) FROM quarantined WHERE tenant_id = $1), \
        (SELECT COUNT(*) FROM waiting WHERE tenant_id = $1)";
    for row in database.read(ask(text)).await? {
        let mut row = Reader::new(row, &SINGLES);
        counts.open_intents = row.int()?;
        counts.failed_intents = row.int()?;
        counts.conflicts = row.int()?;
        counts.conflicts_held = row.int()?;
        counts.holds = row.int()?;
        counts.reviews_open = row.int()?;
        counts.quarantined = row.int()?;
        counts.waiting = row.int()?;
    }
    Ok(counts)
}
