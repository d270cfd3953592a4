//! Every statement finds its rows by a key or an index, names the tenant, and
//! keeps within the parameters.

use concord_core::ports::{ConflictFilter, IntentFilter, Sequence};
use concord_core::{
    ConnectionId, EntityId, Kind, RemoteId, RunId, StreamName, TenantId, Timestamp,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

use super::{conflict, entity, event, intent, lease, link, review, setup, waiting};
use crate::dialect::Dialect;
use crate::statement::{Param, Statement};
use crate::{Server, set_up};

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

/// Look-ups of many rows by a list.
fn look_ups() -> Vec<Statement> {
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
    [
        entity::by_id(TENANT, &people),
        entity::by_key(TENANT, &kind, &keys, 51),
        link::by_id(TENANT, one, &stream, &ids),
        link::of_entities(TENANT, &people),
        intent::open_of(TENANT, &people),
        intent::refused_of(TENANT, &people),
        conflict::holds_of(TENANT, &people),
        review::of_records(TENANT, &records),
        waiting::waiting_for(TENANT, one, &stream, &ids),
    ]
    .into_iter()
    .flat_map(Result::unwrap)
    .collect()
}

fn reads() -> Vec<Statement> {
    let kind = Kind::new("person");
    let stream = StreamName::new("contacts");
    let one = ConnectionId(1);
    let ids: Vec<RemoteId> = vec!["1".into()];
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
        event::of_entity(TENANT, &EntityId::new("person", 1)),
        setup::streams(TENANT, one),
        setup::document(TENANT, "config"),
        lease::holder(TENANT),
        lease::still_held(TENANT, 1, "me"),
    ];
    all.extend(look_ups());
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
            let given = ["CONSTANT ROW", "VALUES", "SCAN given"];
            line.starts_with("SCAN") && !given.iter().any(|rows| line.contains(rows))
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
async fn a_look_up_by_a_list_searches_by_the_list() {
    let mut connection = empty_database().await;
    for statement in look_ups() {
        let plan = plan(&mut connection, &statement).await;
        // Of the key's first column alone each row of the tenant would be read.
        let whole = plan.iter().any(|line| line.ends_with("(tenant_id=?)"));
        assert!(!whole, "{}: {plan:#?}", statement.text(Dialect::Sqlite));
    }
}

/// The text with its parameters written out.
fn written_out(statement: &Statement) -> String {
    let mut text = statement.text(Dialect::Postgres).to_string();
    // From the last: $1 is the beginning of $10.
    for (index, param) in statement.params.iter().enumerate().rev() {
        let literal = match param {
            Param::Int(number) => number.unwrap().to_string(),
            Param::Text(text) => format!("'{}'", text.as_deref().unwrap()),
            Param::Name(name) => format!("'{name}'"),
        };
        text = text.replace(&format!("${}", index + 1), &literal);
    }
    text
}

/// As it is when the first records of a tenant have come: there are rows, and
/// the server has not looked at them yet.
const FILLED: &str = "
ALTER TABLE entities SET (autovacuum_enabled = false);
ALTER TABLE links SET (autovacuum_enabled = false);
ALTER TABLE match_keys SET (autovacuum_enabled = false);
ALTER TABLE intents SET (autovacuum_enabled = false);
INSERT INTO entities (tenant_id, kind, number, state, dirty, cells)
    SELECT 1, 'person', n, CASE WHEN n > 2900 THEN 'unmatched' ELSE 'live' END, 1, '{}'
    FROM generate_series(1, 3000) n;
INSERT INTO intents (tenant_id, id, run, connection, stream, kind, entity, action, state, is_open,
                     planned, before, payload, seen, created_at, attempts, reason)
    SELECT 1, n, 1, 1, 'contacts', 'person', n, 'create', 'new', 1, '{}', '{}', '{}', '{}', 1, 0, ''
    FROM generate_series(1, 2000) n;
INSERT INTO match_keys (tenant_id, kind, match_key, entity)
    SELECT 1, 'person', 'email:' || n, n FROM generate_series(1, 3000) n;
INSERT INTO links (tenant_id, connection, stream, remote_id, kind, entity, state, walk,
                   read_at, mapping, first_contact, refused, raw, sent)
    SELECT 1, 1, 'contacts', n, 'person', n, 'live', 1, 1, '', '[]', '{}', '{}', '{}'
    FROM generate_series(1, 3000) n;";

#[tokio::test]
async fn a_server_that_knows_nothing_of_a_table_finds_each_given_row_by_an_index() {
    let made = concord_cluster::database().unwrap();
    let server = |url: &str| Server::parse(url).unwrap();
    set_up(&server(&made.owner), &server(&made.hub))
        .await
        .unwrap();
    let mut admin = server(&made.admin)
        .options()
        .unwrap()
        .connect()
        .await
        .unwrap();
    // A plan that was made for an empty table is kept while it is being filled.
    for statement in intent::open_of(TENANT, &[EntityId::new("person", 1)]).unwrap() {
        let text = format!("EXPLAIN {}", written_out(&statement));
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(text))
            .fetch_all(&mut admin)
            .await
            .unwrap();
        let is_led = |line: &String| line.contains("intents_open_of");
        assert!(plan.iter().any(is_led), "{plan:#?}");
    }
    admin.execute(sqlx::raw_sql(FILLED)).await.unwrap();
    let filled = [
        "FROM entities ",
        "FROM links ",
        "FROM match_keys ",
        "FROM intents ",
    ];
    let unmatched = link::unmatched(TENANT, &"person".into(), 9);
    let mut looked_at = 0;
    for statement in look_ups().into_iter().chain([unmatched]) {
        let text = format!("EXPLAIN {}", written_out(&statement));
        if !filled.iter().any(|table| text.contains(table)) {
            continue;
        }
        looked_at += 1;
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(text.clone()))
            .fetch_all(&mut admin)
            .await
            .unwrap();
        let by_row = |line: &String| {
            line.contains("Index Cond")
                && (line.contains("*VALUES*") || line.contains("= entities.number"))
        };
        assert!(plan.iter().any(by_row), "{text}: {plan:#?}");
        let read_through = |line: &String| line.trim_start().starts_with("Filter");
        assert!(!plan.iter().any(read_through), "{text}: {plan:#?}");
    }
    assert_eq!(looked_at, 7);
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
