//! What differs between databases: the types of the tables, the way a row's
//! placeholder is spelled, a lock, and how text is kept.  All other text is the
//! same everywhere.
//!
//! A migration is written once, in SQLite's spelling and with its three forms of
//! a line only: `name INTEGER …`, `name TEXT …` and the table's end.  What
//! PostgreSQL is given is made from it here.
//!
//! While one hub brings the schema up to date, others may still run the version
//! before.  So a step only *expands*: it makes tables and indexes, and adds
//! columns that are null or have a default.  What nobody uses any more is
//! *contracted* by a step of the next release, on a line after `-- contract:`.
//! A test holds every step to it.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub const COUNT: usize = 2;

    /// Writes the placeholder of a row's parameter; those of inserted rows stand
    /// in order.  SQLite takes `$n` too, but for each one that is bound it walks
    /// through the list of all names before it: a page of 100 links has 2,000.
    /// Without a name there is nothing to walk through, and a commit takes a
    /// quarter less (measured).
    pub fn placeholder(self, number: usize, out: &mut String) {
        use std::fmt::Write as _;

        match self {
            Self::Sqlite => out.push('?'),
            Self::Postgres => {
                // Writing to a String cannot fail.
                let _ = write!(out, "${number}");
            }
        }
    }

    /// The steps that lead to the schema of this version, in order.
    pub fn migrations(self) -> Migrator {
        let steps = STEPS
            .iter()
            .map(|&(version, name, text)| {
                let text = match self {
                    Self::Sqlite => Cow::Borrowed(text),
                    Self::Postgres => Cow::Owned(for_postgres(text)),
                };
                let text = AssertSqlSafe(text.into_owned()).into_sql_str();
                Migration::new(version, name.into(), MigrationType::Simple, text, false)
            })
            .collect();
        let mut migrator = Migrator::with_migrations(steps);
        migrator.dangerous_set_table_name(NOTED);
        // They run in a transaction of ours that holds a lock of its own.
        migrator.set_locking(false);
        migrator
    }
}

/// The table in which the migrations that ran are noted.
pub(crate) const NOTED: &str = "schema_migrations";

/// What a guard ends in on PostgreSQL: whoever wants the row waits until this
/// transaction is over.  On SQLite there is one writer anyway.
pub(crate) const SHARED_LOCK: &str = " FOR SHARE";

pub(crate) const STEPS: &[(i64, &str, &str)] = &[
    (
        1,
        "state of a hub",
        include_str!("../migrations/0001_state.sql"),
    ),
    (
        2,
        "provenance of conflicts",
        include_str!("../migrations/0002_provenance.sql"),
    ),
    (
        3,
        "values that could not be understood",
        include_str!("../migrations/0003_unread.sql"),
    ),
    (
        4,
        "creates that were refused",
        include_str!("../migrations/0004_refused.sql"),
    ),
    (
        5,
        "sealed secrets",
        include_str!("../migrations/0005_secrets.sql"),
    ),
    (
        6,
        "open intents of an entity",
        include_str!("../migrations/0006_open_of.sql"),
    ),
    (
        7,
        "webhooks that wait",
        include_str!("../migrations/0007_deliveries.sql"),
    ),
    (
        8,
        "allowances that hubs share",
        include_str!("../migrations/0008_allowances.sql"),
    ),
];

/// The version of the schema.
pub(crate) fn newest_step() -> i64 {
    STEPS
        .iter()
        .map(|(version, ..)| *version)
        .max()
        .unwrap_or(0)
}

/// Texts are compared byte by byte, as SQLite does: a locale's order would make
/// a scan depend on the machine.
fn for_postgres(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        let line = match line {
            ") STRICT;" | ") STRICT, WITHOUT ROWID;" => ");".to_owned(),
            comment if comment.starts_with("--") => comment.to_owned(),
            line => {
                let (code, comment) = line.split_once(" -- ").unwrap_or((line, ""));
                let code = code
                    .replace(" INTEGER", " bigint")
                    .replace(" TEXT", " text COLLATE \"C\"");
                if comment.is_empty() {
                    code
                } else {
                    format!("{code} -- {comment}")
                }
            }
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// PostgreSQL's text holds every character but U+0000.  That one is kept as a
/// noncharacter with a zero behind it, and the noncharacter itself is doubled.
const ESCAPE: char = '\u{fdd0}';

pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => out.extend([ESCAPE, '0']),
            ESCAPE => out.extend([ESCAPE, ESCAPE]),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ESCAPE => out.push(match characters.next() {
                Some('0') => '\0',
                other => other.unwrap_or(ESCAPE),
            }),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_spelled_for_postgres() {
        let text = "-- INTEGER TEXT\nCREATE TABLE t (\n    a INTEGER NOT NULL, -- a TEXT\n    \
                    b TEXT, -- b\n    PRIMARY KEY (tenant_id, a)\n) STRICT, WITHOUT ROWID;\n";
        assert_eq!(
            for_postgres(text),
            "-- INTEGER TEXT\nCREATE TABLE t (\n    a bigint NOT NULL, -- a TEXT\n    \
             b text COLLATE \"C\", -- b\n    PRIMARY KEY (tenant_id, a)\n);\n"
        );
    }

    #[test]
    fn text_that_postgres_cannot_hold_comes_back() {
        for text in ["", "plain", "a\0b", "\u{fdd0}0", "\0\u{fdd0}\0\0", "🦀\0"] {
            let kept = escaped(text).into_owned();
            assert!(!kept.contains('\0'), "{text:?}");
            assert_eq!(unescaped(&kept), text);
        }
    }

    #[test]
    fn a_step_after_the_first_only_expands() {
        for (version, name, text) in &STEPS[1..] {
            let mut contracts = false;
            for statement in text.split_inclusive('\n') {
                let line = statement.trim().to_ascii_uppercase();
                contracts |= line.starts_with("-- CONTRACT:");
                let removes = ["DROP ", "RENAME ", "ALTER COLUMN"];
                let removes = removes.iter().any(|word| line.contains(word));
                assert!(
                    contracts || !removes || line.starts_with("--"),
                    "step {version} ({name}) takes something away from hubs that still run: {line}"
                );
                let adds = line.contains("ADD COLUMN") && line.contains("NOT NULL");
                assert!(
                    !adds || line.contains("DEFAULT"),
                    "step {version} ({name}): a hub that still runs cannot fill {line}"
                );
            }
        }
    }
}
