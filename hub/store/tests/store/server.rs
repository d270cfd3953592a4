//! Databases on a server that are empty, new, foreign or guarded.

use std::str::FromStr as _;

use concord_core::ports::{Store, StoreError};
use concord_core::state::EntityState;
use concord_core::{Changeset, TenantId};
use concord_store::{OpenFault, Server, SqlStore, StoreOptions, distribute, set_up};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, Row as _};

use crate::bases::{empty, fresh};
use crate::sample::*;

async fn open(server: &Server) -> Result<SqlStore, StoreError> {
    SqlStore::open(server, TENANT, StoreOptions::default()).await
}

async fn refused(server: &Server) -> String {
    open(server).await.err().unwrap().to_string()
}

/// A connection behind the store's back.
async fn connect(url: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).unwrap();
    options.connect().await.unwrap()
}

async fn tamper(url: &str, text: &str) {
    let mut connection = connect(url).await;
    connection.execute(AssertSqlSafe(text)).await.unwrap();
}

#[tokio::test]
async fn a_server_is_set_up_once_and_then_again_without_harm() {
    let made = empty();
    let error = open(&made.owner).await.err().unwrap();
    let asks = error.to_string();
    assert!(asks.contains("concord db setup"), "{asks}");
    // Two at once: the second finds the work done.
    let (one, two) = tokio::join!(
        set_up(&made.owner, &made.hub),
        set_up(&made.owner, &made.hub)
    );
    one.unwrap();
    two.unwrap();
    let store = open(&made.hub).await.unwrap();
    store
        .commit(&only(|c| c.entities = vec![entity(1, EntityState::Live)]))
        .await
        .unwrap();
    set_up(&made.owner, &made.hub).await.unwrap();
    assert_eq!(store.entities(&[person(1)]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_role_that_could_pass_the_walls_is_refused() {
    let made = fresh().await;
    let owner = refused(&made.owner).await;
    assert!(owner.contains("owns tables"), "{owner}");
    let admin = refused(&made.admin).await;
    assert!(admin.contains("passes over row-level security"), "{admin}");
    let error = set_up(&made.owner, &made.owner).await.unwrap_err();
    assert!(error.to_string().contains("same role"), "{error}");
}

#[tokio::test]
async fn reading_only_writes_nothing() {
    let made = fresh().await;
    let reader = SqlStore::open_read_only(&made.hub, TENANT, StoreOptions::default())
        .await
        .unwrap();
    let changes = only(|c| c.entities = vec![entity(1, EntityState::Live)]);
    let error = reader.commit(&changes).await.unwrap_err();
    assert!(error.to_string().contains("reading only"), "{error}");
    assert_eq!(reader.entities(&[person(1)]).await.unwrap(), []);
}

#[tokio::test]
async fn a_newer_and_a_drifted_schema_are_refused() {
    let made = fresh().await;
    tamper(
        &made.urls.owner,
        "INSERT INTO schema_migrations (version, description, success, checksum, execution_time) \
         VALUES (700, 'later', true, '\\x00', 0)",
    )
    .await;
    for error in [
        open(&made.hub).await.err().unwrap(),
        set_up(&made.owner, &made.hub).await.unwrap_err(),
    ] {
        let newer = matches!(error, StoreError::Newer { found: 700, .. });
        assert!(newer, "{error}");
    }
    tamper(
        &made.urls.owner,
        "DELETE FROM schema_migrations WHERE version = 700",
    )
    .await;
    tamper(
        &made.urls.owner,
        "UPDATE schema_migrations SET checksum = '\\x00'",
    )
    .await;
    let error = refused(&made.hub).await;
    assert!(error.contains("step 1 of the schema"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let gone = Server::parse("postgres://hub@127.0.0.1:1/concord").unwrap();
    let error = open(&gone).await.err().unwrap();
    assert!(error.to_string().contains("see that it runs"), "{error}");
    let made = fresh().await;
    let nobody = made.hub.to_string().replace("hub_", "nobody_");
    let error = refused(&Server::parse(&nobody).unwrap()).await;
    assert!(error.contains("look at role and password"), "{error}");
}

/// The server ends every connection of the hub between two steps, as it does
/// when it is restarted.
#[tokio::test]
async fn a_store_goes_on_when_its_connections_were_closed() {
    let made = fresh().await;
    let store = open(&made.hub).await.unwrap();
    for number in 1..4 {
        let changes = only(|c| c.entities = vec![entity(number, EntityState::Live)]);
        store.commit(&changes).await.unwrap();
        let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE usename LIKE 'hub%' AND datname = current_database()";
        let mut admin = connect(&made.urls.admin).await;
        let row = admin.fetch_one(ended).await.unwrap();
        assert!(row.get::<i64, _>(0) > 0);
        assert_eq!(store.entities(&[person(number)]).await.unwrap().len(), 1);
    }
}

/// The second wall: the hub's role sees and writes the tenant that the
/// transaction is for, whatever the statement says.
#[tokio::test]
async fn a_statement_that_forgets_the_tenant_finds_nothing_of_another() {
    let made = fresh().await;
    for tenant in 1..=3 {
        let options = StoreOptions::default();
        let store = SqlStore::open(&made.hub, TenantId(tenant), options);
        let mut changes = Changeset::default();
        changes.entities = vec![entity(1, EntityState::Live)];
        changes.links = vec![bare_link("r1", 1)];
        changes.events = vec![event(1, 1)];
        store.await.unwrap().commit(&changes).await.unwrap();
    }
    for url in [&made.urls.hub, &made.urls.owner] {
        let mut connection = connect(url).await;
        // Without a tenant there is nothing to be seen, for the owner neither.
        for (set, expect) in [("0", 0_i64), ("2", 1)] {
            let begin = format!("BEGIN; SET LOCAL app.tenant = '{set}'");
            connection.execute(AssertSqlSafe(begin)).await.unwrap();
            for table in ["entities", "links", "events"] {
                let text = format!("SELECT count(*), min(tenant_id) FROM {table}");
                let row = connection.fetch_one(AssertSqlSafe(text)).await.unwrap();
                assert_eq!(row.get::<i64, _>(0), expect, "{table}");
                assert!(
                    row.get::<Option<i64>, _>(1)
                        .is_none_or(|tenant| tenant == 2)
                );
            }
            let other = "UPDATE entities SET dirty = 0 WHERE tenant_id = 3";
            let touched = connection.execute(other).await.unwrap().rows_affected();
            assert_eq!(touched, 0);
            let strange = "INSERT INTO documents (tenant_id, name, body) VALUES (3, 'a', 'b')";
            let error = connection.execute(strange).await.unwrap_err().to_string();
            assert!(error.contains("row-level security"), "{error}");
            connection.execute("ROLLBACK").await.unwrap();
        }
        let row = connection.fetch_one("SELECT count(*) FROM entities").await;
        assert_eq!(row.unwrap().get::<i64, _>(0), 0);
    }
    // Every table with a tenant has its wall, those of later steps too.
    let mut admin = connect(&made.urls.admin).await;
    let open = "SELECT count(*), count(*) FILTER (WHERE NOT (relrowsecurity AND relforcerowsecurity)) \
                FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') \
                AND relname <> 'schema_migrations'";
    let row = admin.fetch_one(open).await.unwrap();
    assert!(row.get::<i64, _>(0) >= 15);
    assert_eq!(row.get::<i64, _>(1), 0);
    let fault: OpenFault = Server::parse("mysql://x/y").unwrap_err();
    assert!(fault.to_string().contains("postgres://"), "{fault}");
}

#[tokio::test]
async fn tables_are_not_spread_without_the_extension() {
    let made = empty();
    let error = distribute(&made.owner, &made.hub).await.unwrap_err();
    assert!(error.to_string().contains("concord db setup"), "{error}");
    let made = fresh().await;
    let error = distribute(&made.owner, &made.hub).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("has no Citus"), "{error}");
    assert!(error.contains("CREATE EXTENSION citus"), "{error}");
    open(&made.hub).await.unwrap();
}

/// The extension's functions as far as they are called, which write down what
/// they are asked: it cannot be installed here.
#[tokio::test]
async fn every_table_is_spread_by_tenant_beside_the_others_and_once() {
    let made = fresh().await;
    tamper(
        &made.urls.admin,
        "CREATE TABLE pg_dist_partition (logicalrelid regclass, by text, beside text); \
         CREATE FUNCTION create_distributed_table(t regclass, c text, colocate_with text) \
         RETURNS void LANGUAGE sql AS 'INSERT INTO pg_dist_partition VALUES (t, c, colocate_with)'; \
         CREATE FUNCTION create_reference_table(t regclass) \
         RETURNS void LANGUAGE sql AS 'INSERT INTO pg_dist_partition VALUES (t, NULL, NULL)'; \
         GRANT ALL ON pg_dist_partition TO PUBLIC",
    )
    .await;
    let refused = distribute(&made.owner, &made.hub).await.unwrap_err();
    assert!(
        refused.to_string().contains("citus.propagate_set_commands"),
        "{refused}"
    );
    // What the extension's own setting would be, were it there.
    let role = made.hub.role().unwrap();
    let set = format!("ALTER ROLE {role} SET citus.propagate_set_commands = 'local'");
    tamper(&made.urls.admin, &set).await;
    let done = distribute(&made.owner, &made.hub).await.unwrap();
    assert!(done.spread.is_empty(), "twice");
    let mut admin = connect(&made.urls.admin).await;
    let text = "SELECT (SELECT count(*) FROM pg_dist_partition), \
                (SELECT count(*) FROM pg_dist_partition WHERE by = 'tenant_id'), \
                (SELECT count(*) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid \
                 WHERE attname = 'tenant_id' AND relkind = 'r'), \
                (SELECT count(DISTINCT beside) FROM pg_dist_partition WHERE beside <> 'none'), \
                (SELECT setconfig::text FROM pg_db_role_setting JOIN pg_roles \
                 ON pg_roles.oid = setrole WHERE rolname = $1)";
    let row = sqlx::query(text).bind(role).fetch_one(&mut admin).await;
    let row = row.unwrap();
    let tables: i64 = row.get(2);
    assert_eq!(
        (row.get::<i64, _>(0), row.get::<i64, _>(1)),
        (tables + 1, tables)
    );
    assert_eq!(i64::try_from(done.was_spread.len()), Ok(tables));
    assert_eq!(row.get::<i64, _>(3), 1, "all lie beside one");
    let set: String = row.get(4);
    assert!(set.contains("propagate_set_commands=local"), "{set}");
}
