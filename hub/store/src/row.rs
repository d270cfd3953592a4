//! Reads one row, column by column in the order of its table, and names table,
//! column and row where something is not what it should be.

use concord_core::ports::StoreError;
use concord_core::state::LinkKey;
use concord_core::{ConnectionId, EntityId, Timestamp};
use serde::de::DeserializeOwned;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row as _, Type};

use crate::document::Word;
use crate::statement::Table;

pub(crate) struct Reader {
    row: SqliteRow,
    table: &'static Table,
    next: usize,
}

impl Reader {
    pub fn new(row: SqliteRow, table: &'static Table) -> Self {
        Self {
            row,
            table,
            next: 0,
        }
    }

    fn get<'r, T>(&'r mut self) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        let index = self.next;
        self.next += 1;
        let this: &'r Self = self;
        this.row
            .try_get(index)
            .map_err(|error| this.fault(index, error.to_string()))
    }

    /// Passes over a column that follows from the others.
    pub fn skip(&mut self) {
        self.next += 1;
    }

    pub fn int(&mut self) -> Result<i64, StoreError> {
        self.get()
    }

    pub fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        self.get()
    }

    pub fn small(&mut self) -> Result<u32, StoreError> {
        let number = self.int()?;
        u32::try_from(number).map_err(|_| self.wrong(format!("{number} is out of range")))
    }

    pub fn truth(&mut self) -> Result<bool, StoreError> {
        match self.int()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.wrong(format!("{other} is neither 0 nor 1"))),
        }
    }

    pub fn time(&mut self) -> Result<Timestamp, StoreError> {
        Ok(Timestamp(self.int()?))
    }

    pub fn optional_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_int()?.map(Timestamp))
    }

    pub fn text(&mut self) -> Result<String, StoreError> {
        self.get()
    }

    pub fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        self.get()
    }

    pub fn word<W: Word>(&mut self) -> Result<W, StoreError> {
        let text = self.text()?;
        W::from_word(&text).ok_or_else(|| self.wrong(format!("'{text}' is not a known word")))
    }

    pub fn document<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let parsed = serde_json::from_str(self.get::<&str>()?);
        parsed.map_err(|error| self.wrong(format!("not a document of its kind: {error}")))
    }

    pub fn optional_document<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        let parsed = self
            .get::<Option<&str>>()?
            .map(serde_json::from_str)
            .transpose();
        parsed.map_err(|error| self.wrong(format!("not a document of its kind: {error}")))
    }

    pub fn entity(&mut self) -> Result<EntityId, StoreError> {
        Ok(EntityId::new(self.text()?, self.int()?))
    }

    pub fn record(&mut self) -> Result<LinkKey, StoreError> {
        Ok(LinkKey {
            connection: ConnectionId(self.int()?),
            stream: self.text()?.into(),
            remote_id: self.text()?.into(),
        })
    }

    /// The column that was read last holds something unexpected.
    pub fn wrong(&self, problem: String) -> StoreError {
        self.fault(self.next.saturating_sub(1), problem)
    }

    fn fault(&self, column: usize, problem: String) -> StoreError {
        let key: Vec<String> = (0..self.table.key.len())
            .map(|index| {
                let number = self.row.try_get::<i64, _>(index).map(|n| n.to_string());
                number
                    .or_else(|_| self.row.try_get::<String, _>(index))
                    .unwrap_or_else(|_| "?".to_owned())
            })
            .collect();
        StoreError::Inconsistent {
            table: self.table.name,
            column: self.table.column(column),
            row: key.join("/"),
            problem,
        }
    }
}
