//! Every statement finds its rows by a key or an index, names the tenant, and
//! keeps within the parameters.

use concord_core::ports::{ConflictFilter, IntentFilter, Sequence};
use concord_core::{
    ConnectionId, EntityId, Kind, RemoteId, RunId, StreamName, TenantId, Timestamp,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::{conflict, entity, event, intent, lease, link, review, setup, waiting};
use crate::dialect::Dialect;
use crate::statement::Statement;

const TENANT: TenantId = TenantId(1);

async fn empty_database() -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new()
        .in_memory(true)
        .connect()
        .await
        .unwrap();
    Dialect::Sqlite
        .migrations()
        .run_direct(None, &mut connection, false)
        .await
        .unwrap();
    connection
}

/// The plan of a statement, a line each: <https://www.sqlite.org/eqp.html>.
async fn plan(connection: &mut SqliteConnection, statement: &Statement) -> Vec<String> {
    let text = format!("EXPLAIN QUERY PLAN {}", statement.text(Dialect::Sqlite));
    sqlx::query(AssertSqlSafe(text))
        .fetch_all(connection)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get::<String, _>("detail"))
        .collect()
}

fn reads() -> Vec<Statement> {
    let kind = Kind::new("person");
    let stream = StreamName::new("contacts");
    let one = ConnectionId(1);
    let people: Vec<EntityId> = (0..30).map(|n| EntityId::new("person", n)).collect();
    let ids: Vec<RemoteId> = (0..30).map(|n| n.to_string().into()).collect();
    let keys: Vec<String> = (0..30).map(|n| format!("email:{n}")).collect();
    let records: Vec<_> = ids
        .iter()
        .map(|id| concord_core::state::LinkKey {
            connection: one,
            stream: stream.clone(),
            remote_id: id.clone(),
        })
        .collect();
    let intents = |fill: fn(&mut IntentFilter)| {
        let mut filter = IntentFilter::default();
        fill(&mut filter);
        intent::select(TENANT, &filter)
    };
    let conflicts = |fill: fn(&mut ConflictFilter)| {
        let mut filter = ConflictFilter::default();
        fill(&mut filter);
        conflict::select(TENANT, &filter)
    };
    let mut all = vec![
        entity::scan(TENANT, &kind, 0, 9, entity::Scan::Present),
        entity::scan(TENANT, &kind, 0, 9, entity::Scan::Dirty),
        link::scan(TENANT, one, &stream, None, ids.first(), 9),
        link::scan(TENANT, one, &stream, Some(3), None, 9),
        link::scan_records(TENANT, one, &stream, ids.first(), 9),
        link::unmatched(TENANT, &kind, 9),
        link::due(TENANT, one, &stream, Timestamp(1), 9),
        link::next_due(TENANT, one),
        intents(|f| f.open_only = true),
        intents(|f| {
            f.open_only = true;
            f.connection = Some(ConnectionId(1));
            f.after = Some(concord_core::IntentId(1));
        }),
        intents(|f| {
            f.open_only = true;
            f.state = Some(concord_core::state::IntentState::InDoubt);
        }),
        intents(|f| f.entity = Some(EntityId::new("person", 1))),
        intents(|f| f.run = Some(RunId(1))),
        conflicts(|f| f.held_only = true),
        conflicts(|f| f.entity = Some(EntityId::new("person", 1))),
        review::select(TENANT, true, 9),
        event::of_entity(TENANT, &people[0]),
        setup::streams(TENANT, one),
        setup::document(TENANT, "config"),
        lease::holder(TENANT),
        lease::still_held(TENANT, 1, "me"),
    ];
    for many in [
        entity::by_id(TENANT, &people),
        entity::by_key(TENANT, &kind, &keys),
        link::by_id(TENANT, one, &stream, &ids),
        link::of_entities(TENANT, &people),
        intent::open_of(TENANT, &people),
        conflict::holds_of(TENANT, &people),
        review::of_records(TENANT, &records),
        waiting::waiting_for(TENANT, one, &stream, &ids),
    ] {
        all.extend(many.unwrap());
    }
    all
}

#[tokio::test]
async fn every_read_searches_and_none_scans_a_table() {
    let mut connection = empty_database().await;
    for statement in reads() {
        let plan = plan(&mut connection, &statement).await;
        // Rows to compare with are scanned, and so is what needs sorting;
        // the tables never are.
        let scans = plan.iter().filter(|line| {
            line.starts_with("SCAN") && !line.contains("CONSTANT ROW") && !line.contains("VALUES")
        });
        assert_eq!(
            scans.count(),
            0,
            "{}: {plan:#?}",
            statement.text(Dialect::Sqlite)
        );
        let searches = plan.iter().any(|line| line.starts_with("SEARCH"));
        assert!(searches, "{}: {plan:#?}", statement.text(Dialect::Sqlite));
    }
}

#[tokio::test]
async fn the_queues_are_read_from_their_partial_indexes() {
    let mut connection = empty_database().await;
    let kind = Kind::new("person");
    let stream = StreamName::new("contacts");
    let open = IntentFilter {
        connection: Some(ConnectionId(1)),
        open_only: true,
        ..IntentFilter::default()
    };
    let held = ConflictFilter {
        held_only: true,
        ..ConflictFilter::default()
    };
    let cases = [
        (
            entity::scan(TENANT, &kind, 0, 9, entity::Scan::Dirty),
            "entities_dirty",
        ),
        (link::unmatched(TENANT, &kind, 9), "entities_unmatched"),
        (
            link::due(TENANT, ConnectionId(1), &stream, Timestamp(1), 9),
            "links_again",
        ),
        (link::next_due(TENANT, ConnectionId(1)), "links_again"),
        (intent::select(TENANT, &open), "intents_open"),
        (conflict::select(TENANT, &held), "conflicts_held"),
        (review::select(TENANT, true, 9), "reviews_open"),
    ];
    for (statement, index) in cases {
        let plan = plan(&mut connection, &statement).await.join("\n");
        assert!(
            plan.contains(&format!("INDEX {index} ")),
            "{}: {plan}",
            statement.text(Dialect::Sqlite)
        );
    }
}

#[test]
fn every_statement_names_the_tenant_and_has_a_parameter_for_each_placeholder() {
    let mut all = reads();
    all.push(entity::mark_dirty(TENANT, &"person".into()));
    let writer = lease::What::Writer;
    all.push(lease::take(
        TENANT,
        &writer,
        "me",
        Timestamp(1),
        Timestamp(2),
    ));
    all.push(lease::keep(TENANT, &writer, 1, Timestamp(2)));
    all.push(lease::end(TENANT, &writer, 1));
    all.push(lease::release(TENANT, "me"));
    all.push(lease::reserve(TENANT, &Sequence::Intent, 1));
    for statement in all {
        let text = statement.text(Dialect::Sqlite);
        assert!(text.contains("tenant_id"), "{text}");
        let highest = text
            .split('$')
            .skip(1)
            .filter_map(|rest| {
                let digits = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                rest[..digits].parse::<usize>().ok()
            })
            .max();
        assert_eq!(highest, Some(statement.params.len()), "{text}");
    }
}

#[tokio::test]
async fn every_table_and_column_is_explained_and_the_tenant_leads_every_key() {
    let mut connection = empty_database().await;
    let tables = sqlx::query(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' \
         AND name <> 'schema_migrations' AND name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(tables.len() >= 15);
    let steps = Dialect::Sqlite.migrations();
    let whole: String = steps.iter().map(|step| step.sql.as_str()).collect();
    for table in tables {
        let name: String = table.get("name");
        let text: String = table.get("sql");
        let above = whole
            .lines()
            .take_while(|line| !line.starts_with(&format!("CREATE TABLE {name} (")))
            .last();
        assert!(above.is_some_and(|line| line.starts_with("-- ")), "{name}");
        for line in text.lines().skip(1) {
            let column = line.starts_with("    ") && !line.contains("PRIMARY KEY");
            assert!(!column || line.contains(", -- "), "{name}: {line}");
        }
        assert!(text.contains("PRIMARY KEY (tenant_id, "), "{name}");
    }
    let indexes =
        sqlx::query("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    for index in indexes {
        let text: String = index.get("sql");
        assert!(text.contains(" (tenant_id, "), "{text}");
    }
}
