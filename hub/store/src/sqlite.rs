//! SQLite behind the shared statements: one writer, a pool of readers.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::StoreError;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, Transaction};
use tokio::sync::Mutex;

use crate::dialect::Dialect;
use crate::driver::AnyRow;
use crate::error::{OpenFault, failed, unreadable};
use crate::fold::Folder;
use crate::place::PREPARED;
use crate::schema;
use crate::statement::{Param, Statement};

/// A longer log means fewer checkpoints, and a page that is written often in
/// between is copied once.
const LOG_PAGES: i64 = 4_000;

/// In a large file fewer pages are written twice in so short a log (those of the
/// match keys are met at random), so it may grow to this part of the file.
const LOG_SHARE: i64 = 8;

/// After so many transactions the file is measured.
const MEASURED_AFTER: u32 = 200;

/// How a database is used.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// How many reads run at once; on a server, how many connections besides one.
    pub readers: u32,
    /// How long to wait for another process that is writing, or for a server.
    pub busy_timeout: Duration,
    /// The largest size of a file in pages of 4 KiB; beyond it the disk
    /// counts as full.
    pub max_pages: Option<u32>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            readers: 3,
            busy_timeout: Duration::from_secs(10),
            max_pages: None,
        }
    }
}

pub(crate) struct Database {
    /// None where the database was opened for reading only.
    writer: Option<Mutex<Writer>>,
    readers: SqlitePool,
    folder: Folder,
}

struct Writer {
    options: SqliteConnectOptions,
    /// Taken out for the time of a transaction and put back when it is over.
    /// After a failure or where the caller went away it is not put back: the
    /// connection closes, SQLite rolls back, and the next one starts clean.
    connection: Option<SqliteConnection>,
    durable: bool,
    /// Transactions since the log was last measured against the file.
    since: u32,
}

impl Database {
    pub async fn open(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        create_private(path)?;
        let mut writing = basic(path, options)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", LOG_PAGES.to_string())
            .pragma("cache_size", "-16000");
        if let Some(pages) = options.max_pages {
            writing = writing.pragma("max_page_count", pages.to_string());
        }
        let mut connection = connect(&writing, path).await?;
        schema::migrate(&mut connection, path).await?;
        let writer = Writer {
            options: writing,
            connection: Some(connection),
            durable: true,
            since: 0,
        };
        Ok(Self {
            folder: Folder::new(writer.options.clone()),
            writer: Some(Mutex::new(writer)),
            readers: readers(path, options),
        })
    }

    pub async fn open_read_only(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(OpenFault::Missing(path.to_owned()).into());
        }
        let reading = basic(path, options).read_only(true);
        let mut connection = connect(&reading, path).await?;
        schema::check(&mut connection, path).await?;
        Ok(Self {
            writer: None,
            readers: readers(path, options),
            folder: Folder::new(reading),
        })
    }

    /// Runs statements in one transaction and returns the rows of the last one.
    /// With a guard, which must answer with a row, none of them runs without it:
    /// `Ok(None)`.
    pub async fn write(
        &self,
        guard: Option<Statement>,
        statements: Vec<Statement>,
        durable: bool,
    ) -> Result<Option<Vec<AnyRow>>, StoreError> {
        let writer = self.writer.as_ref().ok_or(OpenFault::ReadOnly)?;
        let mut writer = writer.lock().await;
        let mut connection = match writer.connection.take() {
            Some(connection) => connection,
            None => {
                writer.durable = true;
                writer.options.connect().await.map_err(failed)?
            }
        };
        if writer.durable != durable {
            set_durable(&mut connection, durable).await?;
            writer.durable = durable;
        }
        writer.since += 1;
        if writer.since >= MEASURED_AFTER {
            writer.since = 0;
            stretch_log(&mut connection).await?;
        }
        let rows = transact(&mut connection, guard, statements).await?;
        writer.connection = Some(connection);
        Ok(rows)
    }

    /// Called after writes that somebody waits for: so many bytes were written.
    pub fn fold_beside(&self, written: usize) {
        self.folder.note(written);
    }

    /// Runs one reading statement after another and returns all their rows.
    ///
    /// The writer's connection reads while it has nothing to write: it keeps the
    /// pages that it knows, and every other connection forgets all of its own
    /// with each commit.
    pub async fn read(&self, statements: Vec<Statement>) -> Result<Vec<AnyRow>, StoreError> {
        if let Some(writer) = &self.writer
            && let Ok(mut writer) = writer.try_lock()
            && let Some(mut connection) = writer.connection.take()
        {
            let rows = fetch_all(&mut connection, statements).await?;
            writer.connection = Some(connection);
            return Ok(rows);
        }
        let mut reader = self.reader().await?;
        fetch_all(&mut reader, statements).await
    }

    /// A transaction that sees everything as it is now.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.readers.begin().await.map_err(failed)
    }

    /// A transaction on a connection of its own, which others wait for.
    pub async fn writing(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        let writer = self.writer.as_ref().ok_or(OpenFault::ReadOnly)?;
        let options = writer.lock().await.options.clone();
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_lazy_with(options);
        pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)
    }

    async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(failed)
    }

    /// Closes all connections; the last one to close folds the log into the
    /// file.
    pub async fn close(self) -> Result<(), StoreError> {
        self.readers.close().await;
        self.folder.close().await?;
        if let Some(connection) = self.writer.and_then(|w| w.into_inner().connection) {
            connection.close().await.map_err(failed)?;
        }
        Ok(())
    }
}

async fn transact(
    connection: &mut SqliteConnection,
    guard: Option<Statement>,
    statements: Vec<Statement>,
) -> Result<Option<Vec<AnyRow>>, StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    if let Some(guard) = guard
        && fetch(&mut transaction, guard).await?.is_empty()
    {
        transaction.rollback().await.map_err(failed)?;
        return Ok(None);
    }
    let mut rows = Vec::new();
    for statement in statements {
        rows = fetch(&mut transaction, statement).await?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(Some(rows))
}

async fn fetch_all(
    connection: &mut SqliteConnection,
    statements: Vec<Statement>,
) -> Result<Vec<AnyRow>, StoreError> {
    let mut rows = Vec::new();
    for statement in statements {
        rows.append(&mut fetch(connection, statement).await?);
    }
    Ok(rows)
}

pub(crate) async fn fetch(
    connection: &mut SqliteConnection,
    statement: Statement,
) -> Result<Vec<AnyRow>, StoreError> {
    let (text, arguments) = spelled(statement)?;
    // The texts are built from this crate's own names and placeholders only.
    let rows = sqlx::query_with(AssertSqlSafe(text), arguments)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    Ok(rows.into_iter().map(AnyRow::Sqlite).collect())
}

/// The rows of a statement one by one.
pub(crate) fn stream(
    connection: &mut SqliteConnection,
    statement: Statement,
) -> Result<BoxStream<'_, Result<AnyRow, sqlx::Error>>, StoreError> {
    let (text, arguments) = spelled(statement)?;
    let rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch(connection);
    Ok(rows.map_ok(AnyRow::Sqlite).boxed())
}

fn spelled(statement: Statement) -> Result<(Arc<str>, SqliteArguments), StoreError> {
    let text = statement.text(Dialect::Sqlite);
    let mut arguments = SqliteArguments::default();
    arguments.reserve(statement.params.len(), 0);
    for param in statement.params {
        match param {
            Param::Int(number) => arguments.add(number),
            Param::Text(text) => arguments.add(text),
            Param::Name(name) => arguments.add(name),
        }
        .map_err(|error| failed(sqlx::Error::Encode(error)))?;
    }
    Ok((text, arguments))
}

/// Lets the log grow with the file.
async fn stretch_log(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let log = LOG_PAGES.max(pages / LOG_SHARE);
    let text = format!("PRAGMA wal_autocheckpoint = {log}");
    // A number is all that the text is made of.
    let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(connection).await;
    rows.map(drop).map_err(failed)
}

/// `FULL` makes a commit survive a power cut; `NORMAL` makes it survive a crash
/// of the process, and a later `FULL` commit carries all before it.
async fn set_durable(connection: &mut SqliteConnection, durable: bool) -> Result<(), StoreError> {
    let text = if durable {
        "PRAGMA synchronous = FULL"
    } else {
        "PRAGMA synchronous = NORMAL"
    };
    sqlx::query(text)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed)
}

async fn connect(
    options: &SqliteConnectOptions,
    path: &Path,
) -> Result<SqliteConnection, StoreError> {
    options
        .connect()
        .await
        .map_err(|error| unreadable(error, path))
}

fn basic(path: &Path, options: &StoreOptions) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(options.busy_timeout)
        .statement_cache_capacity(PREPARED)
        .disable_statement_logging()
}

fn readers(path: &Path, options: &StoreOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(options.readers.max(1))
        // A local file does not go away between two reads.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(
            basic(path, options)
                .read_only(true)
                .pragma("cache_size", "-8000"),
        )
}

/// Makes the file before SQLite does, so that nobody else can read it for a
/// moment.  SQLite gives its log the same mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let fault = |error| OpenFault::File {
        path: PathBuf::from(path),
        error,
    };
    let file = options.open(path).map_err(fault)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .map_err(fault)?;
    }
    drop(file);
    Ok(())
}
