//! The tables with their columns, as the migrations make them.
//!
//! They are read from the text of the migrations, so that what has to know every
//! table (a backup, a move) cannot forget one.

use std::sync::LazyLock;

use crate::dialect::STEPS;
use crate::statement::Type;

#[derive(Debug, PartialEq)]
pub(crate) struct Column {
    pub name: &'static str,
    pub kind: Type,
}

/// A table without its first column, the tenant.
#[derive(Debug, PartialEq)]
pub(crate) struct Shape {
    pub name: &'static str,
    pub columns: Vec<Column>,
    pub key: Vec<&'static str>,
}

/// All tables of the present schema, in the order in which they were made.
pub(crate) fn all() -> &'static [Shape] {
    static ALL: LazyLock<Vec<Shape>> =
        LazyLock::new(|| read(STEPS.iter().map(|(_, _, text)| *text)));
    &ALL
}

/// What a migration may hold is few forms of a line ([`crate::dialect`]).
fn read(texts: impl Iterator<Item = &'static str>) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for text in texts {
        // The table that the next column belongs to.
        let mut open: Option<usize> = None;
        for line in text.lines() {
            let code = line.split("--").next().unwrap_or_default().trim();
            let code = code.trim_end_matches([',', ';']);
            let words: Vec<&'static str> = code.split_whitespace().collect();
            match words.as_slice() {
                ["CREATE", "TABLE", name, "("] => {
                    shapes.push(Shape {
                        name,
                        columns: Vec::new(),
                        key: Vec::new(),
                    });
                    open = Some(shapes.len() - 1);
                }
                ["ALTER", "TABLE", name, "ADD", "COLUMN", rest @ ..] => {
                    open = shapes.iter().position(|shape| shape.name == *name);
                    column(&mut shapes, open, rest);
                }
                ["PRIMARY", "KEY", ..] => {
                    let list = code.split_once('(').map_or("", |(_, list)| list);
                    let names = list.trim_end_matches(')').split(", ");
                    if let Some(at) = open {
                        shapes[at].key = names.filter(|name| *name != "tenant_id").collect();
                    }
                }
                [")", ..] | ["CREATE", ..] => open = None,
                rest => column(&mut shapes, open, rest),
            }
        }
    }
    shapes
}

fn column(shapes: &mut [Shape], table: Option<usize>, words: &[&'static str]) {
    let (Some(at), [name, kind, ..]) = (table, words) else {
        return;
    };
    let kind = match *kind {
        "INTEGER" => Type::Int,
        "TEXT" => Type::Text,
        _ => return,
    };
    if *name != "tenant_id" {
        shapes[at].columns.push(Column { name, kind });
    }
}

#[cfg(test)]
mod tests {
    use concord_core::TenantId;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions as _, Row as _};

    use super::*;
    use crate::{SqlStore, StoreOptions};

    /// Name, columns, and the columns of the key with their places in it.
    type Found = (String, Vec<(String, Type)>, Vec<(i64, String)>);

    /// The database is asked what the migrations have made of it.
    #[tokio::test]
    async fn every_table_and_column_of_the_database_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        let store = SqlStore::open(&path, TenantId(1), StoreOptions::default()).await;
        store.unwrap().close().await.unwrap();
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = options.connect().await.unwrap();
        let rows = sqlx::query(
            "SELECT t.name, c.name, c.type, c.pk FROM sqlite_schema t \
             JOIN pragma_table_info(t.name) c WHERE t.type = 'table' \
             AND t.name <> 'schema_migrations' ORDER BY t.rowid, c.cid",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let mut found: Vec<Found> = Vec::new();
        for row in rows {
            let (table, name): (String, String) = (row.get(0), row.get(1));
            if found.last().is_none_or(|(known, ..)| *known != table) {
                found.push((table, Vec::new(), Vec::new()));
            }
            let (_, columns, key) = found.last_mut().unwrap();
            let kind = match row.get::<&str, _>(2) {
                "INTEGER" => Type::Int,
                _ => Type::Text,
            };
            if row.get::<i64, _>(3) > 1 {
                key.push((row.get(3), name.clone()));
            }
            if name != "tenant_id" {
                columns.push((name, kind));
            }
        }
        assert!(found.len() >= 16);
        assert_eq!(found.len(), all().len());
        for ((table, columns, mut key), shape) in found.into_iter().zip(all()) {
            key.sort();
            let key: Vec<String> = key.into_iter().map(|(_, name)| name).collect();
            assert_eq!(table, shape.name);
            assert_eq!(key, shape.key, "{table}");
            let known = shape.columns.iter();
            let known: Vec<_> = known.map(|c| (c.name.to_owned(), c.kind)).collect();
            assert_eq!(columns, known, "{table}");
        }
    }
}
