//! Reads one row, column by column in the order of its table, and names table,
//! column and row where something is not what it should be.

use std::borrow::Cow;

use concord_core::ports::StoreError;
use concord_core::state::LinkKey;
use concord_core::{ConnectionId, EntityId, Timestamp};
use serde::de::DeserializeOwned;

use crate::document::Word;
use crate::driver::AnyRow;
use crate::statement::Table;

pub(crate) struct Reader {
    row: AnyRow,
    table: &'static Table,
    next: usize,
}

impl Reader {
    pub fn new(row: AnyRow, table: &'static Table) -> Self {
        Self {
            row,
            table,
            next: 0,
        }
    }

    fn place(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn str(&mut self) -> Result<Option<Cow<'_, str>>, StoreError> {
        let index = self.place();
        let text = self.row.text(index);
        text.map_err(|error| self.fault(index, error.to_string()))
    }

    fn there<T>(&self, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.wrong("there is nothing".to_owned()))
    }

    /// Passes over a column that follows from the others.
    pub fn skip(&mut self) {
        self.next += 1;
    }

    pub fn int(&mut self) -> Result<i64, StoreError> {
        let number = self.optional_int()?;
        self.there(number)
    }

    pub fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        let index = self.place();
        let number = self.row.int(index);
        number.map_err(|error| self.fault(index, error.to_string()))
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
        let text = self.optional_text()?;
        self.there(text)
    }

    pub fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.str()?.map(Cow::into_owned))
    }

    pub fn word<W: Word>(&mut self) -> Result<W, StoreError> {
        let text = self.text()?;
        W::from_word(&text).ok_or_else(|| self.wrong(format!("'{text}' is not a known word")))
    }

    pub fn document<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let document = self.optional_document()?;
        self.there(document)
    }

    pub fn optional_document<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        let parsed = self.str()?.map(|text| serde_json::from_str(&text));
        let parsed = parsed.transpose();
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
                let number = self.row.int(index).ok().flatten();
                let text = || self.row.text(index).ok().flatten();
                number
                    .map(|number| number.to_string())
                    .or_else(|| text().map(Cow::into_owned))
                    .unwrap_or_else(|| "?".to_owned())
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
