//! The two databases, each in the form that costs it least.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Executor as _};

pub enum Connection {
    File(SqliteConnection),
    Server(PgConnection),
}

impl Connection {
    /// In a file, or at `postgres://…`.
    pub async fn open(place: &str) -> Result<Self> {
        if place.starts_with("postgres://") {
            return Ok(Self::Server(PgConnection::connect(place).await?));
        }
        let options = SqliteConnectOptions::new()
            .filename(place)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        Ok(Self::File(options.connect().await?))
    }

    /// Makes a table where it is not there yet.
    pub async fn make(&mut self, table: &str, columns: &str) -> Result<()> {
        // A file keeps the rows in the index of their key.
        let ending = match self {
            Self::File(_) => "WITHOUT ROWID",
            Self::Server(_) => "",
        };
        let text = format!("CREATE TABLE IF NOT EXISTS {table} ({columns}) {ending}");
        self.run(&text).await
    }

    pub async fn run(&mut self, text: &str) -> Result<()> {
        let text = sqlx::raw_sql(AssertSqlSafe(text));
        match self {
            Self::File(file) => file.execute(text).await.map(|_| ())?,
            Self::Server(server) => server.execute(text).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Rows of two columns in one statement.
    pub async fn insert<'a>(
        &mut self,
        into: &str,
        conflict: &str,
        rows: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    ) -> Result<()> {
        match self {
            Self::File(file) => {
                // The driver looks a numbered parameter up in a time that grows
                // with the number of parameters, so they are bound by their
                // order.
                let places = vec!["(?, ?)"; rows.len()].join(", ");
                let text = format!("INSERT INTO {into} VALUES {places} ON CONFLICT {conflict}");
                let mut query = sqlx::query(AssertSqlSafe(text));
                for (first, second) in rows {
                    query = query.bind(first.to_owned()).bind(second.to_owned());
                }
                query.execute(file).await?;
            }
            Self::Server(server) => {
                let (first, second): (Vec<&str>, Vec<&str>) = rows.unzip();
                let text = format!(
                    "INSERT INTO {into} SELECT * FROM unnest($1::text[], $2::text[]) \
                     ON CONFLICT {conflict}"
                );
                let query = sqlx::query(AssertSqlSafe(text)).bind(first).bind(second);
                query.execute(server).await?;
            }
        }
        Ok(())
    }
}
