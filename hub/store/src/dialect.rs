//! What differs between databases: the text that creates the tables.  All other
//! statements are the same everywhere.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The table in which the migrations that ran are noted.
pub(crate) const NOTED: &str = "schema_migrations";

const SQLITE: &[(i64, &str, &str)] = &[(
    1,
    "state of a hub",
    include_str!("../migrations/sqlite/0001_state.sql"),
)];

/// The steps that lead to the schema of this version, in order.
pub(crate) fn sqlite_migrations() -> Migrator {
    let steps = SQLITE
        .iter()
        .map(|&(version, name, text)| {
            let kind = MigrationType::Simple;
            Migration::new(version, name.into(), kind, text.into_sql_str(), false)
        })
        .collect();
    let mut migrator = Migrator::with_migrations(steps);
    migrator.dangerous_set_table_name(NOTED);
    migrator
}
