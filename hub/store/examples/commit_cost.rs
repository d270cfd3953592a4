//! What a commit costs: `cargo run -p concord-store --example commit_cost`.
//!
//! Prints the CPU time per record of pages of 100 records, each an entity, a
//! link, an event and two match keys: written new, and then written again as a
//! changed record.  Beside it stands the same work with all the hub's own code
//! taken away: the five statements, bound to texts that are ready, in one
//! transaction a page.

use std::path::Path;

use concord_core::changeset::MatchKey;
use concord_core::ports::Store;
use concord_core::state::{Cell, Entity, EntityState, Event, Link, LinkKey, LinkState, Origin};
use concord_core::{Changeset, ConnectionId, EntityId, Fields, RunId, TenantId, Timestamp};
use concord_store::{SqliteStore, StoreOptions};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

const PAGE: i64 = 100;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let records: i64 = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 20_000,
    };
    let pages: Vec<Changeset> = (0..records / PAGE).map(page).collect();
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(
        &folder.path().join("hub.db"),
        TenantId(1),
        StoreOptions::default(),
    )
    .await?;
    let new = commit_all(&store, &pages).await?;
    let mut changed = pages.clone();
    for page in &mut changed {
        page.keys_added.clear();
        for event in &mut page.events {
            event.id += records;
        }
    }
    let again = commit_all(&store, &changed).await?;
    store.close().await?;
    let floor = bare(&folder.path().join("floor.db"), &pages).await?;
    let each = |span: f64| span / records as f64;
    println!(
        "{}",
        json!({
            "records": records,
            "new_cpu_us_per_record": each(new),
            "again_cpu_us_per_record": each(again),
            "floor_cpu_us_per_record": each(floor),
            "ratio": new / floor,
        })
    );
    Ok(())
}

async fn commit_all(store: &SqliteStore, pages: &[Changeset]) -> Result<f64, Failure> {
    let before = cpu_micros()?;
    for page in pages {
        store.commit(page).await?;
    }
    Ok(cpu_micros()? - before)
}

/// The floor: three documents and two keys a record, five statements a page.
async fn bare(path: &Path, pages: &[Changeset]) -> Result<f64, Failure> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .connect()
        .await?;
    for table in ["a", "b", "c"] {
        let text =
            format!("CREATE TABLE {table} (t BIGINT, id BIGINT, doc TEXT, PRIMARY KEY (t, id))");
        sqlx::query(AssertSqlSafe(text))
            .execute(&mut connection)
            .await?;
    }
    for table in ["k", "l"] {
        let text =
            format!("CREATE TABLE {table} (t BIGINT, key TEXT, id BIGINT, PRIMARY KEY (t, key))");
        sqlx::query(AssertSqlSafe(text))
            .execute(&mut connection)
            .await?;
    }
    let texts: Vec<Vec<[String; 5]>> = pages
        .iter()
        .map(|page| {
            page.entities
                .iter()
                .enumerate()
                .map(|(i, entity)| {
                    Ok([
                        serde_json::to_string(&entity.cells)?,
                        serde_json::to_string(&page.links[i].raw)?
                            + &serde_json::to_string(&page.links[i].sent)?,
                        serde_json::to_string(&page.events[i].changes)?,
                        page.keys_added[2 * i].key.clone(),
                        page.keys_added[2 * i + 1].key.clone(),
                    ])
                })
                .collect::<Result<_, serde_json::Error>>()
        })
        .collect::<Result<_, _>>()?;
    let rows: Vec<String> = (0..PAGE)
        .map(|i| format!("(${}, ${}, ${})", 3 * i + 1, 3 * i + 2, 3 * i + 3))
        .collect();
    let rows = rows.join(", ");
    let upsert = |table: &str, columns: &str, key: &str, set: &str| {
        format!(
            "INSERT INTO {table} ({columns}) VALUES {rows} \
             ON CONFLICT (t, {key}) DO UPDATE SET {set} = excluded.{set}"
        )
    };
    let statements = [
        upsert("a", "t, id, doc", "id", "doc"),
        upsert("b", "t, id, doc", "id", "doc"),
        upsert("c", "t, id, doc", "id", "doc"),
        upsert("k", "t, key, id", "key", "id"),
        upsert("l", "t, key, id", "key", "id"),
    ];
    let before = cpu_micros()?;
    for (number, page) in texts.iter().enumerate() {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for (column, text) in statements.iter().enumerate() {
            let mut query = sqlx::query(AssertSqlSafe(text.as_str()));
            for (i, record) in page.iter().enumerate() {
                let id = (number * page.len() + i) as i64;
                query = query.bind(1_i64);
                query = if column < 3 {
                    query.bind(id).bind(record[column].as_str())
                } else {
                    query.bind(record[column].as_str()).bind(id)
                };
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    let spent = cpu_micros()? - before;
    connection.close().await?;
    Ok(spent)
}

/// CPU time of all threads of this process so far, user and system.
fn cpu_micros() -> Result<f64, Failure> {
    let mut total = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let nanos: f64 = text.split(' ').next().unwrap_or("0").parse()?;
        total += nanos / 1_000.0;
    }
    Ok(total)
}

fn page(number: i64) -> Changeset {
    let mut changes = Changeset::default();
    for id in number * PAGE + 1..=(number + 1) * PAGE {
        let fields = contact(id);
        let entity = EntityId::new("person", id);
        let key = LinkKey {
            connection: ConnectionId(1),
            stream: "contacts".into(),
            remote_id: format!("{}", 800_000_000 + id).into(),
        };
        let origin = Origin::Connection(ConnectionId(1));
        changes.entities.push(Entity {
            id: entity.clone(),
            state: EntityState::Live,
            cells: fields
                .iter()
                .map(|(name, value)| {
                    let cell = Cell {
                        value: value.clone(),
                        origin: origin.clone(),
                        after: Timestamp(1_795_000_000_000_000),
                        until: Timestamp(1_795_000_000_000_000 + id),
                        changes: 0,
                        fight_since: Timestamp::ZERO,
                    };
                    (name.as_str().into(), cell)
                })
                .collect(),
            dirty: true,
        });
        changes.links.push(Link {
            key: key.clone(),
            entity: entity.clone(),
            state: LinkState::Live,
            version: Some(format!("2026-11-21T12:00:00.{:03}Z", id % 1000)),
            modified_at: Some(Timestamp(1_795_000_000_000_000 + id)),
            raw: fields.clone(),
            sent: fields.clone(),
            mapping: "4f1c77c0a1b2c3d4".to_owned(),
            read_at: Timestamp(1_795_000_000_000_000),
            written_at: None,
            walk: 1,
            again_at: None,
            missing_since: None,
            first_contact: Vec::new(),
            refused: Fields::new(),
        });
        changes.events.push(Event {
            id,
            entity,
            at: Timestamp(1_795_000_000_000_000),
            run: RunId(1),
            origin,
            what: "linked".to_owned(),
            changes: fields
                .iter()
                .map(|(name, value)| (name.as_str().into(), Value::Null, value.clone()))
                .collect(),
            link: Some(key),
        });
        for role in ["email", "phone"] {
            let value = fields.get(role).and_then(Value::as_str).unwrap_or_default();
            changes.keys_added.push(MatchKey {
                kind: "person".into(),
                key: format!("{role}:{value}"),
                entity: id,
            });
        }
    }
    changes
}

fn contact(id: i64) -> Fields {
    let fields = json!({
        "given_name": "Anneliese", "family_name": format!("Grünwald {id}"),
        "email": format!("anneliese.gruenwald.{id}@example.com"),
        "phone": format!("+49 30 {}", 1_000_000 + id), "company": "Beispiel & Söhne GmbH",
        "job_title": "Head of procurement", "city": "Berlin", "country": "DE",
        "postal_code": "10117", "street": "Unter den Linden 77", "stage": "customer",
        "language": "de", "owner": "sales-north", "website": "https://www.example.com/de/kontakt",
        "note": "Met at the fair in spring; wants the catalogue in print, no calls before ten."
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}
