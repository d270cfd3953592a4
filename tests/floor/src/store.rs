//! Keeps pages in SQLite: one row a record, or in the shape of a hub.

use std::path::Path;

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::vendor::Contact;

pub struct Store {
    connection: SqliteConnection,
    shaped: bool,
}

/// What a hub keeps of a record beside the record: the canonical one, and the
/// event that tells where it came from.
const DOCUMENTS: [&str; 3] = ["links", "entities", "events"];
const KEYS: [&str; 2] = ["emails", "phones"];

/// A write that is under way.
pub struct Intent<'a> {
    pub id: String,
    pub values: &'a str,
}

impl Store {
    pub async fn open(path: &Path, shaped: bool) -> Result<Self> {
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .connect()
            .await?;
        for table in DOCUMENTS.into_iter().chain(["intents"]) {
            let text = format!(
                "CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, doc TEXT) WITHOUT ROWID"
            );
            sqlx::query(AssertSqlSafe(text))
                .execute(&mut connection)
                .await?;
        }
        for table in KEYS {
            let text = format!(
                "CREATE TABLE IF NOT EXISTS {table} \
                 (doc TEXT, id TEXT, PRIMARY KEY (doc, id)) WITHOUT ROWID"
            );
            sqlx::query(AssertSqlSafe(text))
                .execute(&mut connection)
                .await?;
        }
        Ok(Self { connection, shaped })
    }

    /// One page, one transaction, one statement a table.
    pub async fn keep(&mut self, page: &[Contact]) -> Result<()> {
        let mut transaction = self.connection.begin().await?;
        let documents = if self.shaped {
            &DOCUMENTS[..]
        } else {
            &DOCUMENTS[..1]
        };
        for table in documents {
            let rows = page.iter().map(|c| (c.id.as_str(), c.document.as_str()));
            put(&mut transaction, table, rows).await?;
        }
        if self.shaped {
            let emails = page.iter().map(|c| (c.email.as_str(), c.id.as_str()));
            index(&mut transaction, "emails", emails).await?;
            let phones = page.iter().map(|c| (c.phone.as_str(), c.id.as_str()));
            index(&mut transaction, "phones", phones).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What is about to leave, written down first.
    pub async fn intend(&mut self, intents: &[Intent<'_>]) -> Result<()> {
        let mut transaction = self.connection.begin().await?;
        let rows = intents.iter().map(|i| (i.id.as_str(), i.values));
        put(&mut transaction, "intents", rows).await?;
        Ok(transaction.commit().await?)
    }

    /// What became of it: the intent is done, the record is linked, and an
    /// event tells so.
    pub async fn settle(&mut self, intents: &[Intent<'_>], created: &[Contact]) -> Result<()> {
        let mut transaction = self.connection.begin().await?;
        let rows = intents.iter().map(|i| (i.id.as_str(), "done"));
        put(&mut transaction, "intents", rows).await?;
        for table in ["links", "events"] {
            let rows = created.iter().map(|c| (c.id.as_str(), c.document.as_str()));
            put(&mut transaction, table, rows).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Rows of a document under its id.
async fn put<'a>(
    connection: &mut SqliteConnection,
    table: &str,
    rows: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    let conflict = "(id) DO UPDATE SET doc = excluded.doc";
    insert(connection, &format!("{table} (id, doc)"), conflict, rows).await
}

/// Rows of a key and the record that has it.
async fn index<'a>(
    connection: &mut SqliteConnection,
    table: &str,
    rows: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    let conflict = "(doc, id) DO NOTHING";
    insert(connection, &format!("{table} (doc, id)"), conflict, rows).await
}

async fn insert<'a>(
    connection: &mut SqliteConnection,
    into: &str,
    conflict: &str,
    rows: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    // The driver looks a numbered parameter up in a time that grows with the
    // number of parameters, so they are bound by their order.
    let places = vec!["(?, ?)"; rows.len()].join(", ");
    let text = format!("INSERT INTO {into} VALUES {places} ON CONFLICT {conflict}");
    let mut query = sqlx::query(AssertSqlSafe(text));
    for (first, second) in rows {
        query = query.bind(first.to_owned()).bind(second.to_owned());
    }
    query.execute(connection).await?;
    Ok(())
}
