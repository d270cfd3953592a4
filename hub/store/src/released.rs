//! A database of every released schema is brought up to date and keeps what it
//! holds.  A release adds a line to the list and touches no other.

use concord_core::ports::Store as _;
use concord_core::{EntityId, TenantId};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::dialect::Dialect;
use crate::{Server, SqlStore, StoreOptions, set_up};

/// Last step of the release, the beginning of that step's checksum on SQLite and
/// on PostgreSQL, and rows as that release wrote them.
const RELEASED: &[(i64, &str, &str, &[&str])] = &[(
    1,
    "7e335e74c3fe5cd6",
    "2c66863cf84d1fea",
    &[
        "INSERT INTO entities (tenant_id, kind, number, state, merged_into, dirty, cells) VALUES \
         (1, 'person', 4, 'live', NULL, 1, '[[[{\"connection\":1},3,9,0,5],{\"city\":\"Bern\"}]]')",
        "INSERT INTO documents (tenant_id, name, body) VALUES (1, 'config', '{}')",
        "INSERT INTO sequences (tenant_id, name, next) VALUES (1, 'entity/person', 5)",
    ],
)];

async fn still_there(store: &SqlStore) {
    let found = store.entities(&[EntityId::new("person", 4)]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].value("city"), "Bern");
    assert_eq!(
        store.document("config").await.unwrap().as_deref(),
        Some("{}")
    );
    let kind = concord_core::ports::Sequence::Entity("person".into());
    assert_eq!(store.reserve(&kind, 1).await.unwrap(), 5);
}

#[tokio::test]
async fn a_file_of_every_release_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    for (version, _, _, rows) in RELEASED {
        let path = folder.path().join(format!("{version}.db"));
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        Dialect::Sqlite
            .migrations()
            .run_direct(Some(*version), &mut connection, false)
            .await
            .unwrap();
        for row in *rows {
            connection.execute(AssertSqlSafe(*row)).await.unwrap();
        }
        connection.close().await.unwrap();
        let options = StoreOptions::default();
        let store = SqlStore::open(&path, TenantId(1), options).await.unwrap();
        still_there(&store).await;
    }
}

#[tokio::test]
async fn a_server_of_every_release_is_brought_up_to_date() {
    for (version, _, _, rows) in RELEASED {
        let made = concord_cluster::database().unwrap();
        let server = |url: &str| Server::parse(url).unwrap();
        let mut connection = server(&made.admin)
            .options()
            .unwrap()
            .connect()
            .await
            .unwrap();
        let owner = server(&made.owner).role().unwrap();
        connection
            .execute(AssertSqlSafe(format!("SET ROLE {owner}")))
            .await
            .unwrap();
        Dialect::Postgres
            .migrations()
            .run_direct(Some(*version), &mut connection, false)
            .await
            .unwrap();
        for row in *rows {
            connection.execute(AssertSqlSafe(*row)).await.unwrap();
        }
        let (owner, hub) = (server(&made.owner), server(&made.hub));
        set_up(&owner, &hub).await.unwrap();
        let store = SqlStore::open(&hub, TenantId(1), StoreOptions::default())
            .await
            .unwrap();
        still_there(&store).await;
    }
}

/// A step that was released is never written anew: whoever ran it would be told
/// that the schema has drifted.
#[test]
fn released_steps_are_as_they_were() {
    for (version, sqlite, postgres, _) in RELEASED {
        for (dialect, expect) in [(Dialect::Sqlite, sqlite), (Dialect::Postgres, postgres)] {
            let migrator = dialect.migrations();
            let step = migrator.iter().find(|step| step.version == *version);
            let checksum = &step.unwrap().checksum;
            let start: String = checksum[..8].iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(start, *expect, "step {version} on {dialect:?}");
        }
    }
}
