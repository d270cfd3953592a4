//! What a restored database must not take for granted.
//!
//! Between the backup and the restore the systems went on, and so may have the
//! hub whose database is lost.  Bases and cursors are of yesterday, writes that
//! were on their way have arrived or not, and records may stand at the systems
//! that nobody here knows.  So nothing is written before everything is read:
//!
//! - Every stream is read whole, as if for the first time.  Until then nothing
//!   is created anywhere (a record that the lost hub made is found and linked),
//!   and what a system changed since is seen as its change.
//! - Every connection waits for its plan to be approved again.
//! - A write that was under way is given up: whether it arrived is read, and it
//!   is never sent once more with yesterday's value.
//! - Numbers that were told to others, as a customer's number or as the key of a
//!   write, are not given to anybody else: they go on from a place that neither
//!   the lost hub nor an earlier restore can have reached.

use concord_core::Timestamp;

use super::ArchiveError;
use super::load::Loader;
use crate::statement::Param;

/// More numbers than any hub hands out in a minute.
const A_MINUTES_NUMBERS: i64 = 1_000_000;
const MINUTE: i64 = 60_000_000;

pub(super) async fn distrust(loader: &mut Loader, now: Timestamp) -> Result<(), ArchiveError> {
    let free = now.0 / MINUTE * A_MINUTES_NUMBERS;
    let statements = [
        (
            "UPDATE streams SET cursor = NULL, walk = walk + 1, walking = 1, \
             first_complete_at = NULL, last_full_at = NULL WHERE tenant_id = $1",
            vec![],
        ),
        (
            "UPDATE connections SET approved_at = NULL WHERE tenant_id = $1",
            vec![],
        ),
        (
            "UPDATE intents SET state = 'dropped', is_open = 0, \
             reason = 'it was under way when the backup was made' \
             WHERE tenant_id = $1 AND is_open = 1",
            vec![],
        ),
        (
            "INSERT INTO sequences (tenant_id, name, next) VALUES ($1, 'intent', $2) \
             ON CONFLICT (tenant_id, name) DO NOTHING",
            vec![Param::Int(Some(free))],
        ),
        (
            "UPDATE sequences SET next = $2 WHERE tenant_id = $1 AND next < $2 \
             AND (name = 'intent' OR name LIKE 'entity/%')",
            vec![Param::Int(Some(free))],
        ),
    ];
    for (text, params) in statements {
        loader.run(text.to_owned(), params).await?;
    }
    Ok(())
}
