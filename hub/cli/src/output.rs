//! Everything that a command says on standard output.

use std::io::{self, Write};

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use concord_core::Value;
use serde::Serialize;

/// Longer values are cut in tables; `--json` has them whole.
const WIDEST: usize = 44;

#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// The one document of a command: JSON, or the same as text for a person.
    pub fn show<T: Serialize>(self, document: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        let text = if self.json {
            serde_json::to_string(document).context("the result cannot be written as JSON")?
        } else {
            text(document)
        };
        write(&text)
    }
}

fn write(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let done = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    match done {
        // The reader has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("standard output cannot be written"),
    }
}

/// A table with a head; nothing at all where there are no rows.
pub fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head.map(str::to_uppercase));
    for row in rows {
        table.add_row(row);
    }
    if table.row_count() == 0 {
        return String::new();
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n") + "\n"
}

/// A value in a table: what is long is cut.
pub fn value(value: &Value) -> String {
    cut(&whole(value))
}

/// A value in a line of text; nothing is a dash.
pub fn whole(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDEST) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// `1 record`, `2 records`.
pub fn count(number: u64, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

/// Lines below a headline, each a little to the right; nothing without lines.
pub fn section(headline: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{headline}\n  {}\n", lines.join("\n  "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_short_and_readable() {
        let check = |input: Value, expect: &str| assert_eq!(value(&input), expect);
        check(json!(null), "–");
        check(json!("Ann"), "Ann");
        check(json!(7), "7");
        check(json!({"city": "Bonn"}), r#"{"city":"Bonn"}"#);
        check(json!("ö".repeat(45)), &format!("{}…", "ö".repeat(44)));
    }

    #[test]
    fn a_table_without_rows_is_nothing() {
        assert_eq!(table(["a", "b"], []), "");
        let one = table(["name", "n"], [["x".to_owned(), "1".to_owned()]]);
        assert!(
            one.starts_with(" NAME") && one.lines().count() == 2,
            "{one}"
        );
    }

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!(count(1, "record"), "1 record");
        assert_eq!(count(0, "record"), "0 records");
    }
}
