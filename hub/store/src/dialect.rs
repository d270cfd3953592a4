//! What differs between databases: the text that creates the tables, and how a
//! row's placeholder is spelled.  All other text is the same everywhere.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The placeholder of a row's parameters, which stand in order.  SQLite takes
/// `$n` too, but for each one that is bound it walks through the list of all
/// names before it: a page of 100 links has 2,000.  Without a name there is
/// nothing to walk through, and a commit takes a quarter less (measured).
pub(crate) const ROW_PLACEHOLDER: &str = "?";

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
