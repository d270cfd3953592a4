//! Statements as values: one text for every database, and its parameters; but
//! for look-ups of many rows, which PostgreSQL has to be led to.
//!
//! Placeholders are `$1 … $n`, `$1` is always the tenant; rows of an insert are
//! spelled by the dialect.  Statements over many rows come in few sizes, because
//! a driver keeps a bounded number of prepared texts.

use std::sync::{Arc, LazyLock, OnceLock};

use concord_core::ports::StoreError;

use crate::dialect::Dialect;

/// One parameter.  Absent values are typed: PostgreSQL asks for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param {
    Int(Option<i64>),
    Text(Option<String>),
    /// A name that a whole page repeats: shared, not copied.
    Name(Arc<str>),
}

/// Appends parameters in the order of the columns they are for.
pub(crate) trait Params {
    fn int(&mut self, number: impl Into<Option<i64>>);
    fn text(&mut self, text: impl Into<String>);
    fn name(&mut self, name: Arc<str>);
    fn optional_text(&mut self, text: Option<String>);
    fn truth(&mut self, truth: bool) {
        self.int(i64::from(truth));
    }
}

impl Params for Vec<Param> {
    fn int(&mut self, number: impl Into<Option<i64>>) {
        self.push(Param::Int(number.into()));
    }

    fn text(&mut self, text: impl Into<String>) {
        self.push(Param::Text(Some(text.into())));
    }

    fn name(&mut self, name: Arc<str>) {
        self.push(Param::Name(name));
    }

    fn optional_text(&mut self, text: Option<String>) {
        self.push(Param::Text(text));
    }
}

/// A text with its parameters, ready for a driver.
#[derive(Clone)]
pub(crate) struct Statement {
    text: Text,
    pub params: Vec<Param>,
}

#[derive(Clone)]
enum Text {
    /// The same for every database.
    Same(Arc<str>),
    /// One for SQLite, and one that leads PostgreSQL.
    Each(&'static str, &'static str),
    /// A batch's text in the size of this index.
    Rows(&'static Batch, usize),
}

impl Statement {
    pub fn new(text: impl Into<Arc<str>>, params: Vec<Param>) -> Self {
        Self {
            text: Text::Same(text.into()),
            params,
        }
    }

    /// A statement that asks both databases the same in words of their own.
    pub fn on_each(sqlite: &'static str, postgres: &'static str, params: Vec<Param>) -> Self {
        Self {
            text: Text::Each(sqlite, postgres),
            params,
        }
    }

    pub fn text(&self, dialect: Dialect) -> Arc<str> {
        match &self.text {
            Text::Same(text) => Arc::clone(text),
            Text::Each(sqlite, postgres) => Arc::from(match dialect {
                Dialect::Sqlite => *sqlite,
                Dialect::Postgres => *postgres,
            }),
            Text::Rows(batch, size) => batch.text(*size, dialect),
        }
    }
}

/// Numbers of rows that a statement over many rows comes in.
const SIZES: [usize; 6] = [1, 5, 10, 25, 50, 100];

/// No statement has more parameters for its rows than this: far below what
/// SQLite (32,766) and PostgreSQL (65,535) take.
pub(crate) const MOST_PARAMETERS: usize = 3_000;

/// The type of a row's column where the database cannot tell it from a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Int,
    Text,
}

/// What stands around and inside the rows of a statement over many rows.
pub(crate) struct Parts {
    /// Ends in `VALUES `; may use the parameters before the rows.
    pub head: String,
    pub row: Row,
    pub tail: String,
    /// Head and tail in place of these on PostgreSQL.
    pub on_server: Option<(String, String)>,
}

pub(crate) enum Row {
    /// Rows of a table: the tenant, then this many parameters.
    Tenant(usize),
    /// Rows to compare with: parameters of these types.
    Typed(&'static [Type]),
}

/// A statement over many rows, with its texts built once per size.
pub(crate) struct Batch {
    /// Parameters that come before the rows, the tenant included.
    before: usize,
    parts: LazyLock<Parts>,
    /// A row may be given twice without harm, so that the last one can fill up
    /// the next larger size.  Not so an insert: PostgreSQL refuses to touch a
    /// row twice.
    fills_up: bool,
    texts: [[OnceLock<Arc<str>>; SIZES.len()]; Dialect::COUNT],
}

impl Batch {
    /// A statement that inserts rows of a table.
    pub const fn insert(parts: fn() -> Parts) -> Self {
        Self {
            before: 1,
            parts: LazyLock::new(parts),
            fills_up: false,
            texts: [const { [const { OnceLock::new() }; SIZES.len()] }; Dialect::COUNT],
        }
    }

    /// A statement that compares with rows; `before` parameters, the tenant
    /// included, come before them.
    pub const fn compare(before: usize, parts: fn() -> Parts) -> Self {
        Self {
            before,
            parts: LazyLock::new(parts),
            fills_up: true,
            texts: [const { [const { OnceLock::new() }; SIZES.len()] }; Dialect::COUNT],
        }
    }

    /// The statements that cover all rows, in order.  `before` holds the
    /// parameters that every one of them starts with; `fill` appends a row's.
    pub fn statements<T>(
        &'static self,
        before: &[Param],
        rows: &[T],
        fill: impl Fn(&T, &mut Vec<Param>) -> Result<(), StoreError>,
    ) -> Result<Vec<Statement>, StoreError> {
        debug_assert_eq!(before.len(), self.before);
        let mut statements = Vec::new();
        let mut rest = rows;
        let largest = self.largest();
        while let Some(last) = rest.last() {
            let index = self.size_for(rest.len(), largest);
            let size = SIZES[index];
            let (now, later) = rest.split_at(size.min(rest.len()));
            let width = self.width();
            let mut params = Vec::with_capacity(before.len() + size * width);
            match self.parts.row {
                Row::Tenant(_) => {
                    for row in now {
                        params.extend_from_slice(before);
                        fill(row, &mut params)?;
                    }
                }
                Row::Typed(_) => {
                    params.extend_from_slice(before);
                    for row in now {
                        fill(row, &mut params)?;
                    }
                }
            }
            for _ in now.len()..size {
                fill(last, &mut params)?;
            }
            let text = Text::Rows(self, index);
            statements.push(Statement { text, params });
            rest = later;
        }
        Ok(statements)
    }

    /// Index of the size that covers the most of these rows at once.
    fn size_for(&self, rows: usize, largest: usize) -> usize {
        let sizes = &SIZES[..=largest];
        let fits = sizes.iter().rposition(|size| *size <= rows);
        let covers = sizes.iter().position(|size| *size >= rows);
        if self.fills_up { covers.or(fits) } else { fits }.unwrap_or(0)
    }

    /// Index of the largest size that keeps within the parameters.
    fn largest(&self) -> usize {
        let width = self.width();
        let fits = SIZES
            .iter()
            .rposition(|size| size * width <= MOST_PARAMETERS);
        fits.unwrap_or(0)
    }

    /// Parameters of one row.
    fn width(&self) -> usize {
        match self.parts.row {
            Row::Tenant(columns) => 1 + columns,
            Row::Typed(types) => types.len(),
        }
    }

    fn text(&self, index: usize, dialect: Dialect) -> Arc<str> {
        let text = self.texts[dialect as usize][index]
            .get_or_init(|| self.spell(SIZES[index], dialect).into());
        Arc::clone(text)
    }

    fn spell(&self, size: usize, dialect: Dialect) -> String {
        use std::fmt::Write as _;

        let Parts {
            head,
            row,
            tail,
            on_server,
        } = &*self.parts;
        let (head, tail) = match (dialect, on_server) {
            (Dialect::Postgres, Some((head, tail))) => (head, tail),
            _ => (head, tail),
        };
        let mut text = head.clone();
        let mut next = match row {
            // Every row names the tenant anew, so that the parameters stand in
            // the order in which they are given.
            Row::Tenant(_) => 0,
            Row::Typed(_) => self.before,
        };
        for index in 0..size {
            text.push_str(if index == 0 { "(" } else { ", (" });
            match row {
                Row::Tenant(columns) => {
                    for column in 0..=*columns {
                        next += 1;
                        text.push_str(if column == 0 { "" } else { ", " });
                        dialect.placeholder(next, &mut text);
                    }
                }
                Row::Typed(types) => {
                    for (column, kind) in types.iter().enumerate() {
                        next += 1;
                        let comma = if column == 0 { "" } else { ", " };
                        let name = match kind {
                            Type::Int => "bigint",
                            Type::Text => "text",
                        };
                        // Writing to a String cannot fail.
                        let _ = write!(text, "{comma}CAST(${next} AS {name})");
                    }
                }
            }
            text.push(')');
        }
        text.push_str(tail);
        text
    }
}

/// A table: its name and all columns but `tenant_id`, those of the key first.
/// Rows are written and read in this order.
pub(crate) struct Table {
    pub name: &'static str,
    pub key: &'static [&'static str],
    pub rest: &'static [&'static str],
}

impl Table {
    pub fn columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.key.iter().chain(self.rest).copied()
    }

    pub fn column(&self, index: usize) -> &'static str {
        self.columns().nth(index).unwrap_or("?")
    }

    fn list(&self) -> String {
        self.columns().collect::<Vec<_>>().join(", ")
    }

    /// `SELECT` of all columns, up to and with the tenant's condition.
    pub fn select(&self) -> String {
        format!(
            "SELECT {} FROM {} WHERE tenant_id = $1",
            self.list(),
            self.name
        )
    }

    /// `SELECT` of the rows for which these columns are among the given ones;
    /// `and` is a further condition, empty or starting with ` AND`.  In the order
    /// of the key, so that what follows is the same on every database.
    ///
    /// SQLite would walk through the whole tenant in the order of the key to save
    /// the sorting of a few rows; a sign before each column keeps it from that.
    ///
    /// PostgreSQL chooses its way by what it believes of the table, and of one
    /// that is being filled, or of a connection or a tenant that is new, it
    /// believes that there is next to nothing: it would read all of it for each
    /// page.  The subquery that depends on each given row, and is kept whole by
    /// its OFFSET, leaves it one way: by the index, row for row.
    pub fn select_among(&self, and: &str, columns: &str, types: &'static [Type]) -> Parts {
        let equal: Vec<String> = columns
            .split(", ")
            .map(|column| format!("{}.{column} = given.{column}", self.name))
            .collect();
        Parts {
            head: format!("{}{and} AND ({columns}) IN (VALUES ", self.select()),
            row: Row::Typed(types),
            tail: format!(") ORDER BY +{}", self.key.join(", +")),
            on_server: Some((
                "SELECT found.* FROM (SELECT DISTINCT * FROM (VALUES ".to_owned(),
                format!(
                    ") AS given ({columns})) AS given CROSS JOIN LATERAL \
                     ({}{and} AND {} OFFSET 0) AS found ORDER BY {}",
                    self.select(),
                    equal.join(" AND "),
                    self.key.join(", ")
                ),
            )),
        }
    }

    /// `UPDATE` of the rows for which these columns are among the given ones.
    pub fn update_among(&self, set: &str, columns: &str, types: &'static [Type]) -> Parts {
        Parts {
            head: format!(
                "UPDATE {} SET {set} WHERE tenant_id = $1 AND ({columns}) IN (VALUES ",
                self.name
            ),
            row: Row::Typed(types),
            tail: ")".to_owned(),
            on_server: None,
        }
    }

    /// `DELETE` of the rows for which these columns are among the given ones.
    pub fn delete_among(&self, columns: &str, types: &'static [Type]) -> Parts {
        Parts {
            head: format!(
                "DELETE FROM {} WHERE tenant_id = $1 AND ({columns}) IN (VALUES ",
                self.name
            ),
            row: Row::Typed(types),
            tail: ")".to_owned(),
            on_server: None,
        }
    }

    /// Inserts rows; `conflict` follows `ON CONFLICT`, with the target.
    pub fn insert(&self, conflict: &str) -> Parts {
        Parts {
            head: format!(
                "INSERT INTO {} (tenant_id, {}) VALUES ",
                self.name,
                self.list()
            ),
            row: Row::Tenant(self.columns().count()),
            tail: conflict.to_owned(),
            on_server: None,
        }
    }

    /// Inserts rows, or replaces those of the same key.
    pub fn upsert(&self) -> Parts {
        let replaced: Vec<String> = self
            .rest
            .iter()
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        self.insert(&format!(
            " ON CONFLICT (tenant_id, {}) DO UPDATE SET {}",
            self.key.join(", "),
            replaced.join(", ")
        ))
    }

    /// Inserts rows whose key is new, and leaves the others as they are.
    pub fn insert_new(&self) -> Parts {
        self.insert(&format!(
            " ON CONFLICT (tenant_id, {}) DO NOTHING",
            self.key.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table {
        name: "t",
        key: &["a"],
        rest: &["b"],
    };
    static UPSERT: Batch = Batch::insert(|| TABLE.upsert());
    static AMONG: Batch =
        Batch::compare(2, || TABLE.select_among(" AND b = $2", "a", &[Type::Text]));

    fn rows_of(batch: &'static Batch, before: &[Param], rows: usize) -> Vec<usize> {
        let rows: Vec<i64> = (0..).take(rows).collect();
        batch
            .statements(before, &rows, |row, params| {
                params.int(*row);
                if before.len() == 1 {
                    params.int(*row);
                }
                Ok(())
            })
            .unwrap()
            .iter()
            .map(|statement| statement.params.len() - before.len())
            .collect()
    }

    #[test]
    fn texts_are_spelled_for_each_database() {
        let before = [Param::Int(Some(1))];
        let statements = UPSERT
            .statements(&before, &[7], |row, params| {
                params.int(*row);
                params.optional_text(None);
                Ok(())
            })
            .unwrap();
        assert_eq!(
            &*statements[0].text(Dialect::Sqlite),
            "INSERT INTO t (tenant_id, a, b) VALUES (?, ?, ?) \
             ON CONFLICT (tenant_id, a) DO UPDATE SET b = excluded.b"
        );
        let statements = UPSERT
            .statements(&before, &[7; 5], |row, params| {
                params.int(*row);
                params.optional_text(None);
                Ok(())
            })
            .unwrap();
        assert_eq!(
            &*statements[0].text(Dialect::Postgres),
            "INSERT INTO t (tenant_id, a, b) VALUES ($1, $2, $3), ($4, $5, $6), ($7, $8, $9), \
             ($10, $11, $12), ($13, $14, $15) ON CONFLICT (tenant_id, a) DO UPDATE SET b = excluded.b"
        );
        let before = [Param::Int(Some(1)), Param::Text(None)];
        let statements = AMONG
            .statements(&before, &["x"; 3], |row, params| {
                params.text(*row);
                Ok(())
            })
            .unwrap();
        let given = "(CAST($3 AS text)), (CAST($4 AS text)), (CAST($5 AS text)), \
                     (CAST($6 AS text)), (CAST($7 AS text))";
        assert_eq!(
            &*statements[0].text(Dialect::Sqlite),
            format!(
                "SELECT a, b FROM t WHERE tenant_id = $1 AND b = $2 AND (a) IN (VALUES {given}) ORDER BY +a"
            )
        );
        assert_eq!(
            &*statements[0].text(Dialect::Postgres),
            format!(
                "SELECT found.* FROM (SELECT DISTINCT * FROM (VALUES {given}) AS given (a)) \
                 AS given CROSS JOIN LATERAL (SELECT a, b FROM t WHERE tenant_id = $1 AND b = $2 \
                 AND t.a = given.a OFFSET 0) AS found ORDER BY a"
            )
        );
    }

    #[test]
    fn inserts_name_each_row_once_and_comparisons_fill_up() {
        let tenant = [Param::Int(Some(1))];
        // Three parameters a row, less the tenant's one.
        for (rows, expect) in [
            (0, vec![]),
            (1, vec![2]),
            (4, vec![2, 2, 2, 2]),
            (37, vec![74, 29, 2, 2]),
            (250, vec![299, 299, 149]),
        ] {
            assert_eq!(rows_of(&UPSERT, &tenant, rows), expect, "{rows}");
        }
        let both = [Param::Int(Some(1)), Param::Text(None)];
        for (rows, expect) in [
            (0, vec![]),
            (1, vec![1]),
            (4, vec![5]),
            (37, vec![50]),
            (130, vec![100, 50]),
        ] {
            assert_eq!(rows_of(&AMONG, &both, rows), expect, "{rows}");
        }
    }

    #[test]
    fn wide_rows_come_in_smaller_statements() {
        static WIDE: Batch = Batch::insert(|| Parts {
            head: String::new(),
            row: Row::Tenant(49),
            tail: String::new(),
            on_server: None,
        });
        let rows = [0_i64; 100];
        let statements = WIDE
            .statements(&[Param::Int(Some(1))], &rows, |row, params| {
                (0..49).for_each(|_| params.int(*row));
                Ok(())
            })
            .unwrap();
        assert_eq!(statements.len(), 2);
        // SQLite's own limit is https://www.sqlite.org/limits.html#max_variable_number.
        assert!(statements.iter().all(|s| s.params.len() <= 32_766));
    }
}
