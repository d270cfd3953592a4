//! What the role that owns the database does, and what the hub's role finds.
//!
//! The owner makes the tables, sets a wall around each tenant's rows that holds
//! for the owner too (`FORCE ROW LEVEL SECURITY`), and lets the hub's role read
//! and write them.  The hub's role owns nothing and may not pass over the wall,
//! so that a statement that forgot the tenant finds no row and writes none.

use concord_core::ports::StoreError;
use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::dialect::{Dialect, NOTED};
use crate::error::{OpenFault, failed_there as failed};
use crate::place::Server;
use crate::schema::{newest, newest_of, not_migrated};

/// Whoever brings a schema up to date holds this lock.
const LOCK: i64 = 2_026_112_200;

/// Brings the schema up to date and gives the hub's role what it needs, in one
/// transaction: of two that start at once, the second finds the work done.
/// Makes the role where there is none.
pub async fn set_up(owner: &Server, hub: &Server) -> Result<(), StoreError> {
    let role = hub.role()?;
    if owner.role()? == role {
        return Err(OpenFault::SameRole { role }.into());
    }
    let mut connection = owner.options()?.connect().await.map_err(failed)?;
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let migrator = Dialect::Postgres.migrations();
    if noted(&mut transaction).await? {
        steps(&mut transaction, &migrator).await?;
    }
    migrator
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| not_migrated(error, failed))?;
    make_role(&mut transaction, hub, &role).await?;
    wall_in(&mut transaction, &role).await?;
    transaction.commit().await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// Refuses a schema that is not exactly the one of this version, and a role that
/// the walls between tenants do not stop.
pub(super) async fn check(
    connection: &mut PgConnection,
    server: &Server,
) -> Result<(), StoreError> {
    check_schema(connection, server).await?;
    let (role, passes, owns): (String, bool, bool) = sqlx::query_as(
        "SELECT rolname::text, rolsuper OR rolbypassrls, EXISTS (SELECT 1 FROM pg_class \
         WHERE relnamespace = current_schema()::regnamespace AND relowner = pg_roles.oid) \
         FROM pg_roles WHERE rolname = current_user",
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    let power = match (passes, owns) {
        (true, _) => "passes over row-level security",
        (_, true) => "owns tables of the schema",
        (false, false) => return Ok(()),
    };
    Err(OpenFault::TooPowerful { role, power }.into())
}

/// Refuses a schema that is not exactly the one of this version.
pub(super) async fn check_schema(
    connection: &mut PgConnection,
    server: &Server,
) -> Result<(), StoreError> {
    let there = || server.to_string();
    if !noted(connection).await? {
        return Err(OpenFault::NotSetUp { server: there() }.into());
    }
    let migrator = Dialect::Postgres.migrations();
    let known = newest(&migrator);
    match steps(connection, &migrator).await? {
        Some(found) if found == known => {}
        Some(found) => {
            let server = there();
            return Err(OpenFault::OlderServer {
                server,
                found,
                known,
            }
            .into());
        }
        None => return Err(OpenFault::NotSetUp { server: there() }.into()),
    }
    Ok(())
}

/// Whether migrations were noted here.
async fn noted(connection: &mut PgConnection) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(NOTED)
        .fetch_one(connection)
        .await
        .map_err(failed)
}

async fn steps(
    connection: &mut PgConnection,
    migrator: &Migrator,
) -> Result<Option<i64>, StoreError> {
    let steps = connection
        .list_applied_migrations(NOTED)
        .await
        .map_err(|error| not_migrated(error, failed))?;
    newest_of(&steps, migrator)
}

async fn make_role(
    connection: &mut PgConnection,
    hub: &Server,
    role: &str,
) -> Result<(), StoreError> {
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)")
            .bind(role)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    if exists {
        return Ok(());
    }
    let password = hub.password().ok_or_else(|| OpenFault::NoRole {
        role: role.to_owned(),
    })?;
    let text = "CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD %L";
    let made: String = sqlx::query_scalar("SELECT format($1, $2, $3)")
        .bind(text)
        .bind(role)
        .bind(password)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    run(connection, made).await
}

/// Walls each tenant's rows in, in every table that has a tenant, and lets the
/// hub's role in.  Tables of later steps are covered by running it again.
///
/// The server keeps no statistics of tenants: of one that is new they would say
/// that it has no rows, and by which index the few are read were all the same.
async fn wall_in(connection: &mut PgConnection, role: &str) -> Result<(), StoreError> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), $1) \
         UNION ALL SELECT format('GRANT SELECT ON %I TO %I', $2, $1) \
         UNION ALL SELECT format( \
             'ALTER TABLE %1$I ALTER COLUMN tenant_id SET STATISTICS 0; \
              ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY; ALTER TABLE %1$I FORCE ROW LEVEL SECURITY; \
              DROP POLICY IF EXISTS own_tenant ON %1$I; CREATE POLICY own_tenant ON %1$I USING ( \
              tenant_id = CAST(NULLIF(current_setting(''app.tenant'', true), '''') AS bigint)); \
              GRANT SELECT, INSERT, UPDATE, DELETE ON %1$I TO %2$I', relname, $1) \
         FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id' \
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')",
    )
    .bind(role)
    .bind(NOTED)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    for text in texts {
        run(connection, text).await?;
    }
    Ok(())
}

/// Runs a text in which the server itself quoted every name.
pub(super) async fn run(connection: &mut PgConnection, text: String) -> Result<(), StoreError> {
    connection
        .execute(AssertSqlSafe(text))
        .await
        .map(drop)
        .map_err(failed)
}
