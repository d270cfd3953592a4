//! Writes a backup as text, with its checksums.

use std::io::Write;

use concord_core::Timestamp;

use super::{ArchiveError, Begin, Contents, End, FORMAT, Header, Row, Sink};
use crate::dialect::newest_step;
use crate::shape::Shape;
use crate::statement::Param;

pub(super) struct Writer<'a, W> {
    out: &'a mut W,
    whole: blake3::Hasher,
    table: blake3::Hasher,
    contents: Contents,
    /// The checksums of the tables so far.
    sums: Vec<blake3::Hash>,
    line: Vec<u8>,
}

impl<'a, W: Write> Writer<'a, W> {
    pub fn new(out: &'a mut W, version: &str, made: Timestamp) -> Result<Self, ArchiveError> {
        let mut writer = Self {
            out,
            whole: blake3::Hasher::new(),
            table: blake3::Hasher::new(),
            contents: Contents {
                version: version.to_owned(),
                made,
                schema: newest_step(),
                tables: Vec::new(),
            },
            sums: Vec::new(),
            line: Vec::new(),
        };
        let header = Header {
            concord: "backup".to_owned(),
            format: FORMAT,
            schema: writer.contents.schema,
            version: version.to_owned(),
            made: made.to_string(),
        };
        writer.say(&header)?;
        Ok(writer)
    }

    /// Ends the backup.  Without this last line it is known to be cut short.
    pub fn finish(mut self) -> Result<Contents, ArchiveError> {
        let end = End {
            end: "backup",
            rows: self.contents.rows(),
            blake3: self.whole.finalize().to_hex().to_string(),
        };
        self.say(&end)?;
        Ok(self.contents)
    }

    /// The first table of which another writer was given other rows.
    pub fn difference<V>(&self, other: &Writer<'_, V>) -> Option<String> {
        let ours = self.contents.tables.iter().zip(&self.sums);
        let mut theirs = other.contents.tables.iter().zip(&other.sums);
        let mut pairs = ours.map(|table| (table, theirs.next()));
        let differs = pairs.find(|(table, theirs)| *theirs != Some(*table));
        differs.map(|((table, _), _)| table.0.clone())
    }

    fn say(&mut self, value: &impl serde::Serialize) -> Result<(), ArchiveError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)
            .map_err(|error| ArchiveError::Write(error.into()))?;
        self.put()
    }

    fn put(&mut self) -> Result<(), ArchiveError> {
        self.line.push(b'\n');
        self.whole.update(&self.line);
        self.out.write_all(&self.line).map_err(ArchiveError::Write)
    }

    fn row(&mut self, row: &Row) -> Result<(), ArchiveError> {
        self.line.clear();
        for (index, value) in row.iter().enumerate() {
            self.line.push(if index == 0 { b'[' } else { b',' });
            let written = match value {
                Param::Int(number) => serde_json::to_writer(&mut self.line, number),
                Param::Text(text) => serde_json::to_writer(&mut self.line, text),
                Param::Name(name) => serde_json::to_writer(&mut self.line, &**name),
            };
            written.map_err(|error| ArchiveError::Write(error.into()))?;
        }
        self.line.push(b']');
        self.table.update(&self.line);
        self.put()
    }
}

impl<W: Write> Sink for Writer<'_, W> {
    async fn table(
        &mut self,
        table: &'static Shape,
        columns: &[usize],
    ) -> Result<(), ArchiveError> {
        self.table.reset();
        self.contents.tables.push((table.name.to_owned(), 0));
        let columns = columns.iter().map(|at| table.columns[*at].name).collect();
        let table = table.name;
        self.say(&Begin { table, columns })
    }

    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), ArchiveError> {
        if let Some((_, count)) = self.contents.tables.last_mut() {
            *count += rows.len() as u64;
        }
        rows.iter().try_for_each(|row| self.row(row))
    }

    async fn end(&mut self) -> Result<(), ArchiveError> {
        let (name, rows) = self.contents.tables.last().cloned().unwrap_or_default();
        let sum = self.table.finalize();
        self.sums.push(sum);
        self.say(&End {
            end: &name,
            rows,
            blake3: sum.to_hex().to_string(),
        })
    }
}
