//! The store's side of a backup, a restore and a move.

use std::io::{self, BufRead, Write};

use concord_core::Timestamp;
use concord_core::ports::{LeaseHolder, Store as _, StoreError};

use super::dump::{dump, dump_tables};
use super::load::Loader;
use super::text::Writer;
use super::{ArchiveError, Contents, Row, Sink, aftermath, kept, read};
use crate::shape::Shape;
use crate::statement::{Param, Statement};
use crate::store::{MOVED, SqlStore};
use crate::tables::lease;

/// The table whose rows are of use with a key alone, and of none in a replay.
const SECRETS: &str = "secrets";

impl SqlStore {
    /// Writes all records of the tenant as of one moment.  Works while others
    /// write.
    pub async fn back_up(
        &self,
        out: &mut impl Write,
        version: &str,
        now: Timestamp,
    ) -> Result<Contents, ArchiveError> {
        let mut writer = Writer::new(out, version, now)?;
        let mut snapshot = self.database.snapshot().await?;
        dump(&mut snapshot, self.tenant, &mut writer).await?;
        writer.finish()
    }

    /// Takes a backup into an empty database, whole or not at all, and has the
    /// next sync distrust it as it has to.
    pub async fn restore(
        &self,
        input: &mut impl BufRead,
        now: Timestamp,
    ) -> Result<Contents, ArchiveError> {
        let mut loader = Loader::begin(self.writing().await?, self.tenant).await?;
        let contents = read::read(input, &mut loader).await?;
        aftermath::distrust(&mut loader, now).await?;
        loader.commit().await?;
        Ok(contents)
    }

    /// Writes the same but for secrets, sealed as they are: what a recorded run
    /// begins with.
    pub async fn write_books(
        &self,
        out: &mut impl Write,
        version: &str,
        now: Timestamp,
    ) -> Result<Contents, ArchiveError> {
        let mut writer = Writer::new(out, version, now)?;
        let mut snapshot = self.database.snapshot().await?;
        let tables = kept().filter(|table| table.name != SECRETS);
        dump_tables(tables, &mut snapshot, self.tenant, &mut writer).await?;
        writer.finish()
    }

    /// Takes books into an empty database exactly as they were.  Only for a replay,
    /// which no system hears of: anybody else has to distrust them ([`Self::restore`]).
    pub async fn read_books(&self, input: &mut impl BufRead) -> Result<Contents, ArchiveError> {
        let mut loader = Loader::begin(self.writing().await?, self.tenant).await?;
        let contents = read::read(input, &mut loader).await?;
        loader.commit().await?;
        Ok(contents)
    }

    /// Moves all records of the tenant into another, empty database.  They are
    /// read back there before they are kept, and right before that this database
    /// is marked, so that at no moment two of them can be synced: one that was
    /// killed in between is marked, and the other is empty still.
    pub async fn move_to(
        &self,
        other: &SqlStore,
        to: &str,
        version: &str,
        now: Timestamp,
    ) -> Result<Contents, ArchiveError> {
        self.refuse_while_claimed(now).await?;
        let (mut nowhere, mut neither) = (io::sink(), io::sink());
        let mut loader = Loader::begin(other.writing().await?, other.tenant).await?;
        let mut given = Writer::new(&mut nowhere, version, now)?;
        let mut snapshot = self.database.snapshot().await?;
        let mut both = Both(&mut loader, &mut given);
        dump(&mut snapshot, self.tenant, &mut both).await?;
        let mut taken = Writer::new(&mut neither, version, now)?;
        loader.read_back(&mut taken).await?;
        if let Some(table) = given.difference(&taken) {
            return Err(ArchiveError::Differs { table });
        }
        let owner = format!("{MOVED}{to}");
        let mark = lease::hand_over(self.tenant, &owner);
        // Behind the fence: had another hub worked here meanwhile, its work would
        // be left behind.
        self.write_fenced(vec![mark], true).await?;
        // Without an answer nobody knows whether it is there.  Were it here again
        // as well, both could be synced; moving once more to the same place is let
        // through where it is not there.
        let unanswered = |error: ArchiveError| ArchiveError::Unanswered {
            problem: error.to_string(),
        };
        loader.commit().await.map_err(unanswered)?;
        given.finish()
    }
}

impl SqlStore {
    /// Opens a database again whose move to this place was cut short.
    pub async fn take_back(&self, to: &str) -> Result<(), StoreError> {
        self.release(&format!("{MOVED}{to}")).await
    }

    /// Whether the tenant has no record at all.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        for table in kept() {
            let text = format!("SELECT 1 FROM {} WHERE tenant_id = $1 LIMIT 1", table.name);
            let any = Statement::new(text, vec![Param::Int(Some(self.tenant.0))]);
            if !self.database.read(vec![any]).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hubs that share the database pass the right to write on; each has its
    /// connections to itself while it asks their systems.
    async fn refuse_while_claimed(&self, now: Timestamp) -> Result<(), StoreError> {
        let claimed = lease::claimed(self.tenant, now);
        let claims = self
            .read(&lease::HOLDER, vec![claimed], lease::read_holder)
            .await?;
        match claims.into_iter().next() {
            Some(LeaseHolder { owner, .. }) => Err(StoreError::Busy { owner }),
            None => Ok(()),
        }
    }
}

/// Hands the same rows to two.
struct Both<'a, A, B>(&'a mut A, &'a mut B);

impl<A: Sink, B: Sink> Sink for Both<'_, A, B> {
    async fn table(
        &mut self,
        table: &'static Shape,
        columns: &[usize],
    ) -> Result<(), ArchiveError> {
        self.0.table(table, columns).await?;
        self.1.table(table, columns).await
    }

    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), ArchiveError> {
        self.0.rows(rows.clone()).await?;
        self.1.rows(rows).await
    }

    async fn end(&mut self) -> Result<(), ArchiveError> {
        self.0.end().await?;
        self.1.end().await
    }
}
