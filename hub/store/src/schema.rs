//! Looks at the schema of a database before anything else is asked of it.

use std::path::Path;

use concord_core::ports::StoreError;
use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migrator};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use crate::dialect::{Dialect, NOTED};
use crate::error::{OpenFault, failed, unreadable};

/// Brings the schema of a file up to date, in one transaction: of two hubs that
/// start at once, the second finds the work done.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let migrator = Dialect::Sqlite.migrations();
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    applied(&mut transaction, &migrator, path).await?;
    migrator
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| not_migrated(error, failed))?;
    transaction.commit().await.map_err(failed)
}

/// Refuses a schema that is not exactly the one of this version.
pub(crate) async fn check(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let migrator = Dialect::Sqlite.migrations();
    let found = applied(connection, &migrator, path).await?;
    let known = newest(&migrator);
    match found {
        Some(found) if found == known => Ok(()),
        Some(found) => Err(OpenFault::Older { found, known }.into()),
        None => Err(OpenFault::Foreign(path.to_owned()).into()),
    }
}

/// The newest step that ran here; none in an empty file.
async fn applied(
    connection: &mut SqliteConnection,
    migrator: &Migrator,
    path: &Path,
) -> Result<Option<i64>, StoreError> {
    let rows = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| unreadable(error, path))?;
    if rows.is_empty() {
        return Ok(None);
    }
    if !rows
        .iter()
        .any(|row| row.try_get::<&str, _>(0).is_ok_and(|name| name == NOTED))
    {
        return Err(OpenFault::Foreign(path.to_owned()).into());
    }
    let steps = connection
        .list_applied_migrations(NOTED)
        .await
        .map_err(|error| not_migrated(error, failed))?;
    newest_of(&steps, migrator)
}

/// The newest of these steps, all of which have to be ours.
pub(crate) fn newest_of(
    steps: &[AppliedMigration],
    migrator: &Migrator,
) -> Result<Option<i64>, StoreError> {
    let known = newest(migrator);
    let mut found = None;
    for step in steps {
        if step.version > known {
            let found = step.version;
            return Err(StoreError::Newer { found, known });
        }
        let same = migrator
            .iter()
            .any(|ours| ours.version == step.version && ours.checksum == step.checksum);
        if !same {
            let version = step.version;
            return Err(OpenFault::Drifted { version }.into());
        }
        found = Some(step.version);
    }
    Ok(found)
}

pub(crate) fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|step| step.version).max().unwrap_or(0)
}

pub(crate) fn not_migrated(
    error: MigrateError,
    failed: impl Fn(sqlx::Error) -> StoreError,
) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        other => StoreError::Failed(Box::new(other)),
    }
}
