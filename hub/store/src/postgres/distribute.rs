//! Spreads the tables over several machines, by tenant, where the server has the
//! extension Citus.  Schema and statements stay as they are: the tenant leads
//! every key and every statement names it.

use concord_core::ports::StoreError;
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _};

use super::setup::{check_schema, run};
use crate::dialect::NOTED;
use crate::error::{OpenFault, failed_there as failed};
use crate::place::Server;
use crate::shape;

/// What was spread now, and what had been before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    pub spread: Vec<&'static str>,
    pub was_spread: Vec<&'static str>,
}

/// Spreads every table of the schema; one that is spread already is left alone,
/// so that it can be run again when an update has brought new ones.  Rows that
/// are there already are moved by the server, table by table.
pub async fn distribute(owner: &Server, hub: &Server) -> Result<Spread, StoreError> {
    let mut connection = owner.options()?.connect().await.map_err(failed)?;
    check_schema(&mut connection, owner).await?;
    if !is_there(&mut connection, "create_distributed_table").await? {
        let server = owner.to_string();
        return Err(OpenFault::NoCitus { server }.into());
    }
    let mut spread = Spread::default();
    // One tenant's rows of all tables lie on one machine, so that a transaction
    // and a join stay there.
    let mut with = "none";
    for table in shape::all() {
        if is_spread(&mut connection, table.name).await? {
            spread.was_spread.push(table.name);
        } else {
            let text = "SELECT create_distributed_table(to_regclass($1), 'tenant_id', \
                        colocate_with => $2)";
            sqlx::query(text)
                .bind(table.name)
                .bind(with)
                .execute(&mut connection)
                .await
                .map_err(failed)?;
            spread.spread.push(table.name);
        }
        if with == "none" {
            with = table.name;
        }
    }
    if !is_spread(&mut connection, NOTED).await? {
        sqlx::query("SELECT create_reference_table(to_regclass($1))")
            .bind(NOTED)
            .execute(&mut connection)
            .await
            .map_err(failed)?;
    }
    let_the_tenant_travel(&mut connection, &hub.role()?).await?;
    connection.close().await.map_err(failed)?;
    Ok(spread)
}

async fn is_there(connection: &mut PgConnection, function: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_proc WHERE proname = $1)")
        .bind(function)
        .fetch_one(connection)
        .await
        .map_err(failed)
}

async fn is_spread(connection: &mut PgConnection, table: &str) -> Result<bool, StoreError> {
    let text = "SELECT EXISTS (SELECT 1 FROM pg_dist_partition \
                WHERE logicalrelid = to_regclass($1))";
    sqlx::query_scalar(text)
        .bind(table)
        .fetch_one(connection)
        .await
        .map_err(failed)
}

/// A transaction's `SET LOCAL app.tenant` has to reach the machine that holds the
/// tenant, or its rows stand behind their wall.
async fn let_the_tenant_travel(
    connection: &mut PgConnection,
    role: &str,
) -> Result<(), StoreError> {
    let is_set: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1 \
         AND 'citus.propagate_set_commands=local' = ANY (rolconfig))",
    )
    .bind(role)
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    if is_set {
        return Ok(());
    }
    let text: String = sqlx::query_scalar(
        "SELECT format('ALTER ROLE %I SET citus.propagate_set_commands = ''local''', $1)",
    )
    .bind(role)
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    run(connection, text).await
}
