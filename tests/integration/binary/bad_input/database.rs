//! Databases that cannot be used, and disks that take no more.

use std::fs;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::{PEOPLE, recovers};
use crate::binary::office::Office;
use crate::binary::program::Program;

fn execute(program: &Program, statement: &'static str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(program.database());
        let mut connection = options.connect().await.unwrap();
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    });
}

/// The program may end before it has closed the database, and then leaves a log.
fn fold(program: &Program) {
    execute(program, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert!(!program.path("concord.db-wal").exists());
}

#[test]
fn no_database() {
    let program = Program::new();
    fs::remove_file(program.database()).unwrap();
    for line in ["sync", "status", "verify", "plan"] {
        program
            .run(line)
            .refuses(1, &["concord.db", "concord init"]);
        assert!(!program.database().exists(), "{line} made one");
    }
}

#[test]
fn a_file_that_is_no_database() {
    let program = Program::new();
    // SQLite would put the old database together again from its log.
    fold(&program);
    let text = "these are notes and no database at all\n".repeat(100);
    fs::write(program.database(), &text).unwrap();
    for line in ["sync", "status", "init"] {
        program
            .run(line)
            .refuses(1, &["concord.db", "not a database of Concord"]);
    }
    assert_eq!(fs::read_to_string(program.database()).unwrap(), text);
}

#[test]
fn a_database_of_a_newer_version() {
    let program = Program::new();
    let later = "INSERT INTO schema_migrations (version, description, success, checksum, \
                 execution_time) VALUES (70, 'later', 1, x'00', 0)";
    execute(&program, later);
    let before = fs::read(program.database()).unwrap();
    for line in ["init", "sync", "status", "verify", "plan", "export"] {
        program
            .run(line)
            .refuses(1, &["newer Concord", "schema 70", "use that version"]);
    }
    assert_eq!(fs::read(program.database()).unwrap(), before);
}

#[test]
fn a_disk_that_takes_no_more() {
    let office = Office::new(PEOPLE, std::time::Duration::ZERO);
    office.people_ask_for_the_newsletter();
    office.apply();
    // The log beside the database takes everything first.
    fold(&office.program);
    let before = office.holdings();
    let ended = office.program.run_confined("sync --approve", 100);
    ended.refuses(1, &["disk", "run again"]);
    assert_eq!(office.holdings(), before, "written without a record of it");
    office.program.run("status").fine();
    office.program.run("sync --approve").fine();
    recovers(&office);
}
