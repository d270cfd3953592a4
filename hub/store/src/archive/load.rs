//! Takes rows into an empty database, in one transaction: a load that is killed
//! leaves the database as empty as it was.

use concord_core::TenantId;

use super::dump::dump;
use super::{ArchiveError, Row, Sink, kept};
use crate::driver::{AnyRow, Ongoing};
use crate::shape::Shape;
use crate::statement::{MOST_PARAMETERS, Param, Statement};

pub(super) struct Loader {
    writing: Ongoing,
    tenant: TenantId,
    /// The first part of the present table's insert, and how many values a row
    /// of it has with the tenant.
    insert: String,
    width: usize,
}

impl Loader {
    /// Refuses where the tenant has any record already.
    pub async fn begin(writing: Ongoing, tenant: TenantId) -> Result<Self, ArchiveError> {
        let mut loader = Self {
            writing,
            tenant,
            insert: String::new(),
            width: 0,
        };
        for table in kept() {
            let text = format!("SELECT 1 FROM {} WHERE tenant_id = $1 LIMIT 1", table.name);
            let found = loader.run(text, Vec::new()).await?;
            if !found.is_empty() {
                return Err(ArchiveError::NotEmpty { table: table.name });
            }
        }
        Ok(loader)
    }

    /// Runs a statement that begins with the tenant.
    pub async fn run(
        &mut self,
        text: String,
        mut params: Vec<Param>,
    ) -> Result<Vec<AnyRow>, ArchiveError> {
        params.insert(0, Param::Int(Some(self.tenant.0)));
        Ok(self.writing.run(Statement::new(text, params)).await?)
    }

    /// Reads what was written back, before it is kept.
    pub async fn read_back(&mut self, sink: &mut impl Sink) -> Result<(), ArchiveError> {
        dump(&mut self.writing, self.tenant, sink).await
    }

    pub async fn commit(self) -> Result<(), ArchiveError> {
        Ok(self.writing.commit().await?)
    }
}

impl Sink for Loader {
    async fn table(
        &mut self,
        table: &'static Shape,
        columns: &[usize],
    ) -> Result<(), ArchiveError> {
        let names: Vec<&str> = columns.iter().map(|at| table.columns[*at].name).collect();
        self.insert = format!(
            "INSERT INTO {} (tenant_id, {}) VALUES ",
            table.name,
            names.join(", ")
        );
        self.width = names.len() + 1;
        Ok(())
    }

    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), ArchiveError> {
        let dialect = self.writing.dialect();
        let mut rest = rows.into_iter().peekable();
        while rest.peek().is_some() {
            let mut text = self.insert.clone();
            let mut params = Vec::new();
            for row in rest.by_ref().take(MOST_PARAMETERS / self.width) {
                text.push_str(if params.is_empty() { "(" } else { ", (" });
                params.push(Param::Int(Some(self.tenant.0)));
                params.extend(row);
                for column in (0..self.width).rev() {
                    dialect.placeholder(params.len() - column, &mut text);
                    text.push_str(if column == 0 { ")" } else { ", " });
                }
            }
            self.writing.run(Statement::new(text, params)).await?;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), ArchiveError> {
        Ok(())
    }
}
