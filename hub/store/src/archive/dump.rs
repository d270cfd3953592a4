//! Gives every row of a tenant, as of one moment.

use concord_core::TenantId;

use super::{ArchiveError, CHUNK, Row, Sink, kept};
use crate::driver::{AnyRow, Ongoing};
use crate::shape::Shape;
use crate::statement::{Param, Statement, Type};

pub(super) async fn dump(
    from: &mut Ongoing,
    tenant: TenantId,
    sink: &mut impl Sink,
) -> Result<(), ArchiveError> {
    dump_tables(kept(), from, tenant, sink).await
}

pub(super) async fn dump_tables(
    tables: impl Iterator<Item = &'static Shape>,
    from: &mut Ongoing,
    tenant: TenantId,
    sink: &mut impl Sink,
) -> Result<(), ArchiveError> {
    for table in tables {
        let columns: Vec<usize> = (0..table.columns.len()).collect();
        sink.table(table, &columns).await?;
        from.chunks(select(table, tenant), CHUNK, async |rows| {
            let rows = rows.iter().map(|row| values(row, table));
            let rows: Result<Vec<Row>, ArchiveError> = rows.collect();
            sink.rows(rows?).await
        })
        .await?;
        sink.end().await?;
    }
    Ok(())
}

/// All rows in the order of their key, so that two backups of the same records
/// are the same.
fn select(table: &Shape, tenant: TenantId) -> Statement {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    Statement::new(
        format!(
            "SELECT {} FROM {} WHERE tenant_id = $1 ORDER BY {}",
            names.join(", "),
            table.name,
            table.key.join(", ")
        ),
        vec![Param::Int(Some(tenant.0))],
    )
}

fn values(row: &AnyRow, table: &Shape) -> Result<Row, ArchiveError> {
    let columns = table.columns.iter().enumerate();
    let values = columns.map(|(index, column)| match column.kind {
        Type::Int => row.int(index).map(Param::Int),
        Type::Text => {
            let text = row.text(index);
            text.map(|text| Param::Text(text.map(std::borrow::Cow::into_owned)))
        }
    });
    let values: Result<Row, sqlx::Error> = values.collect();
    values.map_err(|error| crate::error::unread(table.name, &error).into())
}
