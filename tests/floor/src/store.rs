//! Keeps pages in a database: one row a record, or in the shape of a hub.

mod connection;

use anyhow::Result;

use crate::vendor::Contact;
use connection::Connection;

pub struct Store {
    connection: Connection,
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
    /// In a file, or at `postgres://…`.
    pub async fn open(place: &str, shaped: bool) -> Result<Self> {
        let mut connection = Connection::open(place).await?;
        for table in DOCUMENTS.into_iter().chain(["intents"]) {
            connection
                .make(table, "id TEXT PRIMARY KEY, doc TEXT")
                .await?;
        }
        for table in KEYS {
            let columns = "doc TEXT, id TEXT, PRIMARY KEY (doc, id)";
            connection.make(table, columns).await?;
        }
        Ok(Self { connection, shaped })
    }

    /// One page, one transaction, one statement a table.
    pub async fn keep(&mut self, page: &[Contact]) -> Result<()> {
        self.connection.run("BEGIN").await?;
        let documents = if self.shaped {
            &DOCUMENTS[..]
        } else {
            &DOCUMENTS[..1]
        };
        for table in documents {
            let rows = page.iter().map(|c| (c.id.as_str(), c.document.as_str()));
            self.put(table, rows).await?;
        }
        if self.shaped {
            let emails = page.iter().map(|c| (c.email.as_str(), c.id.as_str()));
            self.index("emails", emails).await?;
            let phones = page.iter().map(|c| (c.phone.as_str(), c.id.as_str()));
            self.index("phones", phones).await?;
        }
        self.connection.run("COMMIT").await
    }

    /// What is about to leave, written down first.
    pub async fn intend(&mut self, intents: &[Intent<'_>]) -> Result<()> {
        self.connection.run("BEGIN").await?;
        let rows = intents.iter().map(|i| (i.id.as_str(), i.values));
        self.put("intents", rows).await?;
        self.connection.run("COMMIT").await
    }

    /// What became of it: the intent is done, the record is linked, and an
    /// event tells so.
    pub async fn settle(&mut self, intents: &[Intent<'_>], created: &[Contact]) -> Result<()> {
        self.connection.run("BEGIN").await?;
        let rows = intents.iter().map(|i| (i.id.as_str(), "done"));
        self.put("intents", rows).await?;
        for table in ["links", "events"] {
            let rows = created.iter().map(|c| (c.id.as_str(), c.document.as_str()));
            self.put(table, rows).await?;
        }
        self.connection.run("COMMIT").await
    }

    /// Rows of a document under its id.
    async fn put<'a>(
        &mut self,
        table: &str,
        rows: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    ) -> Result<()> {
        let conflict = "(id) DO UPDATE SET doc = excluded.doc";
        let into = format!("{table} (id, doc)");
        self.connection.insert(&into, conflict, rows).await
    }

    /// Rows of a key and the record that has it.
    async fn index<'a>(
        &mut self,
        table: &str,
        rows: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    ) -> Result<()> {
        let conflict = "(doc, id) DO NOTHING";
        let into = format!("{table} (doc, id)");
        self.connection.insert(&into, conflict, rows).await
    }
}
