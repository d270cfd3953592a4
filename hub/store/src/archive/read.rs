//! Reads a backup line by line and believes nothing of it before its checksums
//! are right.

use std::io::{self, BufRead};

use concord_core::Timestamp;
use serde_json::Value;

use super::{ArchiveError, Begin, CHUNK, Contents, End, FORMAT, Header, Row, Sink, kept};
use crate::dialect::newest_step;
use crate::shape::Shape;
use crate::statement::{Param, Type};

struct Reader<'a, R> {
    input: &'a mut R,
    text: String,
    line: u64,
    whole: blake3::Hasher,
    table: blake3::Hasher,
}

/// Hands every row on; whoever takes them keeps none before this has ended well.
pub(super) async fn read(
    input: &mut impl BufRead,
    sink: &mut impl Sink,
) -> Result<Contents, ArchiveError> {
    let mut reader = Reader {
        input,
        text: String::new(),
        line: 0,
        whole: blake3::Hasher::new(),
        table: blake3::Hasher::new(),
    };
    let mut contents = reader.header()?;
    loop {
        let before = reader.whole.finalize();
        reader.next()?;
        if let Ok(end) = serde_json::from_str::<End<'_>>(&reader.text) {
            let rows = contents.rows();
            if end.end != "backup" || end.rows != rows || end.blake3 != before.to_hex().as_str() {
                return Err(reader.damaged("the last line does not fit what stands before it"));
            }
            // What it was packed in has checksums of its own behind the end.
            let is_over = reader.input.fill_buf().map(<[u8]>::is_empty);
            return match is_over {
                Ok(true) => Ok(contents),
                Ok(false) => Err(reader.damaged("something stands behind its end")),
                Err(error) => Err(reader.broken(error)),
            };
        }
        let (table, columns) = reader.begin(&contents)?;
        sink.table(table, &columns).await?;
        let rows = reader.rows(table, &columns, sink).await?;
        sink.end().await?;
        contents.tables.push((table.name.to_owned(), rows));
    }
}

impl<R: BufRead> Reader<'_, R> {
    /// Takes the next line.
    fn next(&mut self) -> Result<(), ArchiveError> {
        self.text.clear();
        let length = self.input.read_line(&mut self.text);
        let length = length.map_err(|error| self.broken(error))?;
        if length == 0 || !self.text.ends_with('\n') {
            return Err(ArchiveError::CutShort { line: self.line });
        }
        self.line += 1;
        self.whole.update(self.text.as_bytes());
        self.text.pop();
        Ok(())
    }

    /// What the bytes are packed or sealed in is broken, or cannot be read.
    fn broken(&self, error: io::Error) -> ArchiveError {
        let line = self.line + 1;
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::CutShort { line: self.line },
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ArchiveError::Damaged {
                line,
                problem: error.to_string(),
            },
            _ => ArchiveError::Read(error),
        }
    }

    fn damaged(&self, problem: impl ToString) -> ArchiveError {
        ArchiveError::Damaged {
            line: self.line,
            problem: problem.to_string(),
        }
    }

    fn header(&mut self) -> Result<Contents, ArchiveError> {
        match self.next() {
            Err(ArchiveError::CutShort { .. }) => return Err(ArchiveError::Foreign),
            read => read?,
        }
        let header: Header = serde_json::from_str(&self.text).map_err(|_| ArchiveError::Foreign)?;
        if header.concord != "backup" {
            return Err(ArchiveError::Foreign);
        }
        for (what, found, known) in [
            ("format", header.format, FORMAT),
            ("schema", header.schema, newest_step()),
        ] {
            if found > known {
                return Err(ArchiveError::Newer { what, found, known });
            }
        }
        let made = Timestamp::parse(&header.made);
        Ok(Contents {
            version: header.version,
            made: made.ok_or_else(|| self.damaged("its date is not a date"))?,
            schema: header.schema,
            tables: Vec::new(),
        })
    }

    /// The table that the line names, and its columns as they stand there: an
    /// older schema has fewer.
    fn begin(&self, contents: &Contents) -> Result<(&'static Shape, Vec<usize>), ArchiveError> {
        let begin: Begin<'_> =
            serde_json::from_str(&self.text).map_err(|error| self.damaged(error))?;
        let table = kept()
            .find(|table| table.name == begin.table)
            .filter(|table| contents.tables.iter().all(|(name, _)| name != table.name))
            .ok_or_else(|| self.damaged("its table is not known, or comes twice"))?;
        let known = &table.columns;
        let columns = begin.columns.iter().map(|name| {
            let at = known.iter().position(|column| column.name == *name);
            at.ok_or_else(|| self.damaged(format!("the column {name} is not known")))
        });
        Ok((table, columns.collect::<Result<_, _>>()?))
    }

    /// Hands the rows of a table on; gives their number once their checksum is
    /// right.
    async fn rows(
        &mut self,
        table: &Shape,
        columns: &[usize],
        sink: &mut impl Sink,
    ) -> Result<u64, ArchiveError> {
        self.table.reset();
        let mut count = 0;
        let mut rows = Vec::with_capacity(CHUNK);
        loop {
            self.next()?;
            let is_row = self.text.starts_with('[');
            if rows.len() == CHUNK || (!is_row && !rows.is_empty()) {
                count += rows.len() as u64;
                sink.rows(std::mem::take(&mut rows)).await?;
            }
            if is_row {
                self.table.update(self.text.as_bytes());
                rows.push(self.row(table, columns)?);
                continue;
            }
            let end: End<'_> =
                serde_json::from_str(&self.text).map_err(|error| self.damaged(error))?;
            let sum = self.table.finalize().to_hex();
            if end.end != table.name || end.rows != count || end.blake3 != sum.as_str() {
                return Err(self.damaged(format!("the checksum of {} is wrong", table.name)));
            }
            return Ok(count);
        }
    }

    fn row(&self, table: &Shape, columns: &[usize]) -> Result<Row, ArchiveError> {
        let values: Vec<Value> =
            serde_json::from_str(&self.text).map_err(|error| self.damaged(error))?;
        if values.len() != columns.len() {
            return Err(self.damaged("a row has another number of values than its table"));
        }
        let values = values.into_iter().zip(columns).map(|(value, at)| {
            let column = &table.columns[*at];
            match (column.kind, value) {
                (Type::Int, Value::Null) => Ok(Param::Int(None)),
                (Type::Text, Value::Null) => Ok(Param::Text(None)),
                (Type::Text, Value::String(text)) => Ok(Param::Text(Some(text))),
                (Type::Int, Value::Number(number)) if number.is_i64() => {
                    Ok(Param::Int(number.as_i64()))
                }
                (_, other) => Err(self.damaged(format!(
                    "{other} cannot stand in {}.{}",
                    table.name, column.name
                ))),
            }
        });
        values.collect()
    }
}
