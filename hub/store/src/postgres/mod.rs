//! PostgreSQL behind the shared statements: a pool of connections.
//!
//! Every transaction begins with `SET LOCAL app.tenant`, so that row-level
//! security shows this tenant's rows and no others (and so that it works where
//! the tables are sharded by tenant).  The `BEGIN` and the setting travel
//! together and are the first word on a connection from the pool: where they
//! fail because the server went away in the meantime, nothing was asked yet, and
//! another connection is taken.
//!
//! Every now and then a transaction begins with `DISCARD PLANS`.  A statement's
//! plan is made once and kept, and one that was right for a table of ten rows
//! reads through all of a larger one.
//!
//! `synchronous_commit` stays on for every commit.  On a file a process and its
//! unwritten pages die together; a hub outlives its server, and would go on
//! behind a page, a block of numbers or a lease that the server forgot.
//!
//! A hub that is stopped within a transaction holds its locks, the one on the
//! lease of the turn among them, and no lease that runs out frees those.  So the
//! server ends a transaction in which nothing is said for a while.

pub(crate) mod distribute;
pub(crate) mod setup;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use concord_core::TenantId;
use concord_core::ports::StoreError;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{Arguments as _, AssertSqlSafe, Transaction};

use crate::dialect::{Dialect, SHARED_LOCK, escaped};
use crate::driver::AnyRow;
use crate::error::{OpenFault, failed_there as failed, is_away, lost_a_race};
use crate::place::Server;
use crate::sqlite::StoreOptions;
use crate::statement::{Param, Statement};

/// How often a transaction is run that loses against others.
const ATTEMPTS: u32 = 5;

/// Between two statements of a commit a hub only writes down the next.  Shorter
/// than a turn, so that the others wait no longer for it than they would anyway;
/// a copy of everything may take its time.
const SILENCE: &str = "SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// How long a server is waited for that did not give a connection in time.
const AT_LAST: Duration = Duration::from_secs(2);

/// In so many transactions a table may grow before its plans are made anew.  A
/// prime, so that each of a pool's connections has its turn.
const PLANNED_FOR: u64 = 61;

pub(crate) struct Database {
    pool: PgPool,
    size: u32,
    begun: AtomicU64,
    /// The last transaction waited in vain.
    is_gone: AtomicBool,
    begin_reading: String,
    /// None where the database was opened for reading only.
    begin_writing: Option<String>,
}

impl Database {
    pub async fn open(
        server: &Server,
        tenant: TenantId,
        options: &StoreOptions,
        writes: bool,
    ) -> Result<Self, StoreError> {
        let size = options.readers.max(1) + 1;
        let pool = PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(options.busy_timeout)
            // The beginning of a transaction tests it.
            .test_before_acquire(false)
            .idle_timeout(Duration::from_secs(600))
            .connect_lazy_with(server.options()?);
        let mut connection = pool.acquire().await.map_err(failed)?;
        setup::check(&mut connection, server).await?;
        let tenant = format!("SET LOCAL app.tenant = '{}'", tenant.0);
        Ok(Self {
            pool,
            size,
            begun: AtomicU64::new(0),
            is_gone: AtomicBool::new(false),
            begin_reading: format!("BEGIN READ ONLY; {tenant}"),
            begin_writing: writes
                .then(|| format!("BEGIN; {tenant}; SET LOCAL synchronous_commit = on")),
        })
    }

    /// Every commit is durable here, so nobody has to ask for it.
    pub async fn write(
        &self,
        guard: Option<Statement>,
        statements: Vec<Statement>,
        _durable: bool,
    ) -> Result<Option<Vec<AnyRow>>, StoreError> {
        let begin = self.begin_writing.as_deref().ok_or(OpenFault::ReadOnly)?;
        let begin = format!("{begin}; {SILENCE}");
        let mut attempt = 1;
        loop {
            let transaction = self.begin(&begin).await?;
            let done = match transact(transaction, guard.as_ref(), &statements).await {
                // Nobody was asked to keep anything yet.
                Err(error) if is_away(&error) && attempt < ATTEMPTS => {
                    attempt += 1;
                    continue;
                }
                Ok(None) => return Ok(None),
                Ok(Some((transaction, rows))) => transaction.commit().await.map(|()| rows),
                Err(error) => Err(error),
            };
            match done {
                Ok(rows) => return Ok(Some(rows)),
                Err(error) if lost_a_race(&error) && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Runs one reading statement after another and returns all their rows.
    pub async fn read(&self, statements: Vec<Statement>) -> Result<Vec<AnyRow>, StoreError> {
        let mut transaction = self.begin(&self.begin_reading).await?;
        let mut rows = Vec::new();
        for statement in &statements {
            let mut found = fetch(&mut transaction, statement, "")
                .await
                .map_err(failed)?;
            rows.append(&mut found);
        }
        // Dropped, and so rolled back while the rows are looked at.
        Ok(rows)
    }

    /// A transaction that sees everything as it is now.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let begin = self.begin_reading.replacen("BEGIN READ ONLY", begin, 1);
        self.begin(&begin).await
    }

    /// A transaction that its caller ends.
    pub async fn writing(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let begin = self.begin_writing.as_deref().ok_or(OpenFault::ReadOnly)?;
        self.begin(begin).await
    }

    /// Begins a transaction on a connection that the server has not closed since
    /// it was used last.
    async fn begin(&self, text: &str) -> Result<Transaction<'static, Postgres>, StoreError> {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        let mut text = text.to_owned();
        if begun % PLANNED_FOR == PLANNED_FOR - 1 {
            text += "; DISCARD PLANS";
        }
        // What is asked next of a server that is gone is not to wait as long as the
        // first question did: a hub says so soon, and ends.
        let mut is_hurried = self.is_gone.load(Ordering::Relaxed);
        let (mut broken, mut is_late) = (0, false);
        loop {
            let begun = self.pool.begin_with(AssertSqlSafe(text.clone()));
            let begun = match is_hurried {
                false => begun.await,
                true => tokio::time::timeout(AT_LAST, begun)
                    .await
                    .unwrap_or(Err(sqlx::Error::PoolTimedOut)),
            };
            match begun {
                Ok(transaction) => {
                    self.is_gone.store(false, Ordering::Relaxed);
                    return Ok(transaction);
                }
                Err(error) if is_away(&error) && broken < self.size => broken += 1,
                // A process that stood still while it waited finds its time up
                // although nobody let it wait.  A server that is there does not take
                // long now.
                Err(sqlx::Error::PoolTimedOut) if !is_late => {
                    is_late = true;
                    is_hurried = true;
                }
                Err(error) => {
                    let waited = matches!(error, sqlx::Error::PoolTimedOut);
                    self.is_gone.store(waited, Ordering::Relaxed);
                    return Err(failed(error));
                }
            }
        }
    }

    pub async fn close(self) -> Result<(), StoreError> {
        self.pool.close().await;
        Ok(())
    }
}

/// Runs everything but the commit; none where the guard says no.
async fn transact(
    mut transaction: Transaction<'static, Postgres>,
    guard: Option<&Statement>,
    statements: &[Statement],
) -> Result<Option<(Transaction<'static, Postgres>, Vec<AnyRow>)>, sqlx::Error> {
    if let Some(guard) = guard {
        // Locked, so that nobody takes the lease over before this is committed.
        let held = fetch(&mut transaction, guard, SHARED_LOCK).await?;
        if held.is_empty() {
            transaction.rollback().await?;
            return Ok(None);
        }
    }
    let mut rows = Vec::new();
    for statement in statements {
        rows = fetch(&mut transaction, statement, "").await?;
    }
    Ok(Some((transaction, rows)))
}

pub(crate) async fn fetch(
    connection: &mut PgConnection,
    statement: &Statement,
    suffix: &str,
) -> Result<Vec<AnyRow>, sqlx::Error> {
    let (mut text, arguments) = spelled(statement)?;
    if !suffix.is_empty() {
        text = format!("{text}{suffix}").into();
    }
    // The texts are built from this crate's own names and placeholders only.
    let rows = sqlx::query_with(AssertSqlSafe(text), arguments)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(AnyRow::Postgres).collect())
}

/// The rows of a statement one by one.
pub(crate) fn stream<'a>(
    connection: &'a mut PgConnection,
    statement: &Statement,
) -> Result<BoxStream<'a, Result<AnyRow, sqlx::Error>>, StoreError> {
    let (text, arguments) = spelled(statement).map_err(failed)?;
    let rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch(connection);
    Ok(rows.map_ok(AnyRow::Postgres).boxed())
}

fn spelled(statement: &Statement) -> Result<(Arc<str>, PgArguments), sqlx::Error> {
    let mut arguments = PgArguments::default();
    arguments.reserve(statement.params.len(), 0);
    for param in &statement.params {
        match param {
            Param::Int(number) => arguments.add(number),
            Param::Text(text) => arguments.add(text.as_deref().map(escaped)),
            Param::Name(name) => arguments.add(escaped(name)),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok((statement.text(Dialect::Postgres), arguments))
}
