//! The two drivers behind one face: a database that reads and writes statements,
//! and a row of an answer.

use std::borrow::Cow;

use concord_core::TenantId;
use concord_core::ports::StoreError;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::dialect;
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

    pub async fn close(self) -> Result<(), StoreError> {
        each!(self, database => database.close().await)
    }
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
