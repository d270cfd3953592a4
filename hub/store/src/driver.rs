//! The two drivers behind one face: a database that reads and writes statements,
//! and a row of an answer.

use std::borrow::Cow;

use concord_core::TenantId;
use concord_core::ports::StoreError;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Row as _, Transaction};

use crate::dialect::{self, Dialect};
use crate::error::{failed, failed_there};
use crate::place::Place;
use crate::statement::Statement;
use crate::{postgres, sqlite};

pub(crate) enum Database {
    Sqlite(Box<sqlite::Database>),
    Postgres(postgres::Database),
}

/// Stamps a method for each driver.
macro_rules! each {
    ($database:expr, $inner:ident => $call:expr) => {
        match $database {
            Database::Sqlite($inner) => $call,
            Database::Postgres($inner) => $call,
        }
    };
}

impl Database {
    pub async fn open(
        place: &Place,
        tenant: TenantId,
        options: &sqlite::StoreOptions,
    ) -> Result<Self, StoreError> {
        Ok(match place {
            Place::File(path) => {
                Self::Sqlite(Box::new(sqlite::Database::open(path, options).await?))
            }
            Place::Server(server) => {
                Self::Postgres(postgres::Database::open(server, tenant, options, true).await?)
            }
        })
    }

    pub async fn open_read_only(
        place: &Place,
        tenant: TenantId,
        options: &sqlite::StoreOptions,
    ) -> Result<Self, StoreError> {
        Ok(match place {
            Place::File(path) => Self::Sqlite(Box::new(
                sqlite::Database::open_read_only(path, options).await?,
            )),
            Place::Server(server) => {
                Self::Postgres(postgres::Database::open(server, tenant, options, false).await?)
            }
        })
    }

    /// Called after writes that somebody waits for: so many bytes were written.  A
    /// server looks after its log by itself.
    pub fn fold_beside(&self, written: usize) {
        if let Self::Sqlite(database) = self {
            database.fold_beside(written);
        }
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
        each!(self, database => database.write(guard, statements, durable).await)
    }

    /// Runs one reading statement after another and returns all their rows.
    pub async fn read(&self, statements: Vec<Statement>) -> Result<Vec<AnyRow>, StoreError> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        each!(self, database => database.read(statements).await)
    }

    /// A transaction that sees everything as it is now, however long somebody
    /// looks at it.
    pub async fn snapshot(&self) -> Result<Ongoing, StoreError> {
        Ok(match self {
            Self::Sqlite(database) => Ongoing::Sqlite(database.snapshot().await?),
            Self::Postgres(database) => Ongoing::Postgres(database.snapshot().await?),
        })
    }

    /// A transaction that writes.
    pub async fn writing(&self) -> Result<Ongoing, StoreError> {
        Ok(match self {
            Self::Sqlite(database) => Ongoing::Sqlite(database.writing().await?),
            Self::Postgres(database) => Ongoing::Postgres(database.writing().await?),
        })
    }

    pub async fn close(self) -> Result<(), StoreError> {
        each!(self, database => database.close().await)
    }
}

/// A transaction of which its holder decides when it ends.  Dropped, nothing of
/// it has happened.
pub(crate) enum Ongoing {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Ongoing {
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub async fn run(&mut self, statement: Statement) -> Result<Vec<AnyRow>, StoreError> {
        match self {
            Self::Sqlite(transaction) => sqlite::fetch(transaction, statement).await,
            Self::Postgres(transaction) => postgres::fetch(transaction, &statement, "")
                .await
                .map_err(failed_there),
        }
    }

    /// Hands the rows of a statement on, so many at a time.
    pub async fn chunks<E: From<StoreError>>(
        &mut self,
        statement: Statement,
        size: usize,
        mut take: impl AsyncFnMut(Vec<AnyRow>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Sqlite(transaction) => {
                let mut rows = sqlite::stream(transaction, statement)?;
                while let Some(chunk) = next_chunk(&mut rows, size, failed).await? {
                    take(chunk).await?;
                }
            }
            Self::Postgres(transaction) => {
                let mut rows = postgres::stream(transaction, &statement)?;
                while let Some(chunk) = next_chunk(&mut rows, size, failed_there).await? {
                    take(chunk).await?;
                }
            }
        }
        Ok(())
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await.map_err(failed),
            Self::Postgres(transaction) => transaction.commit().await.map_err(failed_there),
        }
    }
}

async fn next_chunk(
    rows: &mut BoxStream<'_, Result<AnyRow, sqlx::Error>>,
    size: usize,
    sort: impl Fn(sqlx::Error) -> StoreError,
) -> Result<Option<Vec<AnyRow>>, StoreError> {
    let mut chunk = Vec::with_capacity(size);
    while chunk.len() < size {
        match rows.try_next().await.map_err(&sort)? {
            Some(row) => chunk.push(row),
            None => break,
        }
    }
    Ok((!chunk.is_empty()).then_some(chunk))
}

/// A row of either driver.
pub(crate) enum AnyRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl AnyRow {
    pub fn int(&self, index: usize) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(index),
            Self::Postgres(row) => row.try_get(index),
        }
    }

    pub fn text(&self, index: usize) -> Result<Option<Cow<'_, str>>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get::<Option<&str>, _>(index)?.map(Cow::Borrowed),
            Self::Postgres(row) => row
                .try_get::<Option<&str>, _>(index)?
                .map(dialect::unescaped),
        })
    }
}
