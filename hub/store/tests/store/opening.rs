//! Files that are new, old, foreign, full or damaged.

use std::path::Path;

use concord_core::Changeset;
use concord_core::ports::{Store, StoreError};
use concord_core::state::EntityState;
use concord_store::{OpenFault, SqliteStore, StoreOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::sample::*;

/// Changes a file behind the store's back.
async fn tamper(path: &Path, text: &str) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(AssertSqlSafe(text))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn open_error(path: &Path) -> StoreError {
    SqliteStore::open(path, TENANT, StoreOptions::default())
        .await
        .err()
        .unwrap()
}

fn fault(error: &StoreError) -> &OpenFault {
    match error {
        StoreError::Failed(cause) => cause.downcast_ref().unwrap(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    open(&path).await.close().await.unwrap();
    let later = "INSERT INTO schema_migrations (version, description, success, checksum, \
                 execution_time) VALUES (9, 'later', 1, x'00', 0)";
    tamper(&path, later).await;
    for error in [
        open_error(&path).await,
        SqliteStore::open_read_only(&path, TENANT, StoreOptions::default())
            .await
            .err()
            .unwrap(),
    ] {
        let newer = matches!(error, StoreError::Newer { found: 9, known: 8 });
        assert!(newer, "{error}");
    }
}

#[tokio::test]
async fn a_schema_that_drifted_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    open(&path).await.close().await.unwrap();
    tamper(&path, "UPDATE schema_migrations SET checksum = x'00'").await;
    let error = open_error(&path).await;
    assert!(
        matches!(fault(&error), OpenFault::Drifted { version: 1 }),
        "{error}"
    );
}

#[tokio::test]
async fn files_that_are_not_ours_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    let notes = "these are notes, long enough to be taken for a file header of SQLite\n".repeat(20);
    std::fs::write(&text, &notes).unwrap();
    let error = open_error(&text).await;
    assert!(matches!(fault(&error), OpenFault::Foreign(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&text).unwrap(), notes);
    let reading = SqliteStore::open_read_only(&text, TENANT, StoreOptions::default()).await;
    let error = reading.err().unwrap();
    assert!(matches!(fault(&error), OpenFault::Foreign(_)), "{error}");

    let other = folder.path().join("other.db");
    tamper(&other, "CREATE TABLE songs (title TEXT)").await;
    let error = open_error(&other).await;
    assert!(matches!(fault(&error), OpenFault::Foreign(_)), "{error}");
}

#[tokio::test]
async fn reading_needs_a_file_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let read_only = || SqliteStore::open_read_only(&path, TENANT, StoreOptions::default());
    let error = read_only().await.err().unwrap();
    assert!(matches!(fault(&error), OpenFault::Missing(_)), "{error}");
    assert!(!path.exists());

    let store = open(&path).await;
    let changes = only(|c| c.entities = vec![entity(1, EntityState::Live)]);
    store.commit(&changes).await.unwrap();
    // While another holds the file, and after it closed it.
    let reader = read_only().await.unwrap();
    assert_eq!(
        reader.entities(&[person(1)]).await.unwrap(),
        changes.entities
    );
    reader.close().await.unwrap();
    store.close().await.unwrap();
    let reader = read_only().await.unwrap();
    assert_eq!(
        reader.entities(&[person(1)]).await.unwrap(),
        changes.entities
    );
    let error = reader.commit(&changes).await.unwrap_err();
    assert!(matches!(fault(&error), OpenFault::ReadOnly), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&path).await;
    store.set_document("config", "x").await.unwrap();
    let mut seen = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
        seen += 1;
    }
    assert!(seen >= 2, "the file and its log");
}

#[tokio::test]
async fn a_full_disk_writes_nothing_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    open(&path).await.close().await.unwrap();
    let pages = std::fs::metadata(&path).unwrap().len() / 4096;
    let options = StoreOptions {
        max_pages: Some(u32::try_from(pages).unwrap() + 20),
        ..StoreOptions::default()
    };
    let store = SqliteStore::open(&path, TENANT, options).await.unwrap();
    let page = |from: i64, count: i64| {
        let mut changes = Changeset::durable();
        for number in from..from + count {
            changes.entities.push(entity(number, EntityState::Live));
            changes.links.push(bare_link(number, number));
        }
        changes
    };
    store.commit(&page(1, 2)).await.unwrap();
    let error = store.commit(&page(100, 500)).await.unwrap_err();
    assert!(matches!(error, StoreError::Full), "{error}");
    let ids: Vec<_> = (1..600).map(person).collect();
    assert_eq!(store.entities(&ids).await.unwrap().len(), 2);
    assert_eq!(store.links_of(&ids).await.unwrap().len(), 2);
    store.commit(&page(3, 1)).await.unwrap();
    assert_eq!(store.entities(&ids).await.unwrap().len(), 3);
}

#[tokio::test]
async fn damage_is_named_by_table_column_and_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let store = open(&path).await;
    let mut changes = Changeset::default();
    changes.entities = vec![entity(1, EntityState::Live)];
    changes.links = vec![bare_link("r1", 1)];
    store.commit(&changes).await.unwrap();
    let cases = [
        (
            "UPDATE entities SET cells = '{'",
            "entities.cells of person/1",
        ),
        (
            "UPDATE entities SET state = 'asleep'",
            "entities.state of person/1",
        ),
        (
            "UPDATE entities SET dirty = 2, state = 'live'",
            "entities.dirty of person/1",
        ),
        (
            "UPDATE links SET sent = '[]'",
            "links.sent of 1/contacts/r1",
        ),
        (
            "UPDATE links SET state = 'asleep'",
            "links.state of 1/contacts/r1",
        ),
    ];
    for (damage, place) in cases {
        tamper(&path, damage).await;
        let error = if place.starts_with("entities") {
            store.entities(&[person(1)]).await.unwrap_err()
        } else {
            store.links_of(&[person(1)]).await.unwrap_err()
        };
        assert!(matches!(error, StoreError::Inconsistent { .. }), "{error}");
        assert!(error.to_string().contains(place), "{damage}: {error}");
    }
}
