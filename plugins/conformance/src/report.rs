//! What the suite found, as a value and as a table.

use std::fmt;

use serde::Serialize;

use crate::Unable;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    Fail,
    NotExercised,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::NotExercised => "not exercised",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    pub name: &'static str,
    pub verdict: Verdict,
    /// Why it failed or was not exercised; empty for a pass.
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub connector: String,
    pub version: String,
    pub stream: String,
    pub lines: Vec<Line>,
}

impl Report {
    /// Nothing failed.
    pub fn passed(&self) -> bool {
        self.count(Verdict::Fail) == 0
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|l| l.verdict == verdict).count()
    }

    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }
}

/// The table that `concord plugin check` prints.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {}, stream {}",
            self.connector, self.version, self.stream
        )?;
        let width = self.lines.iter().map(|l| l.name.len()).max().unwrap_or(0);
        for line in &self.lines {
            let text = format!(
                "  {:width$}  {:13}  {}",
                line.name,
                line.verdict.word(),
                line.detail
            );
            writeln!(f, "{}", text.trim_end())?;
        }
        write!(
            f,
            "{} passed, {} failed, {} not exercised",
            self.count(Verdict::Pass),
            self.count(Verdict::Fail),
            self.count(Verdict::NotExercised)
        )
    }
}

/// Why a check ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(String),
    /// The bed cannot do it, or the connector does not declare it.
    NotExercised(String),
}

impl From<Unable> for Stop {
    fn from(unable: Unable) -> Self {
        match unable {
            Unable::Lacks(what) => Stop::NotExercised(format!("the bed lacks {what}")),
            Unable::Failed(why) => Stop::Failed(format!("the bed failed: {why}")),
        }
    }
}

pub(crate) type Checked<T = ()> = Result<T, Stop>;

/// Fails the check.
pub(crate) fn fail<T>(why: impl Into<String>) -> Checked<T> {
    Err(Stop::Failed(why.into()))
}

/// Fails the check unless `holds`.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { fail(why()) }
}

/// Skips the check: what it looks at is not declared.
pub(crate) fn undeclared<T>(what: &str) -> Checked<T> {
    Err(Stop::NotExercised(format!(
        "the manifest does not declare {what}"
    )))
}

impl Line {
    pub(crate) fn of(name: &'static str, checked: Checked) -> Self {
        let (verdict, detail) = match checked {
            Ok(()) => (Verdict::Pass, String::new()),
            Err(Stop::Failed(why)) => (Verdict::Fail, why),
            Err(Stop::NotExercised(why)) => (Verdict::NotExercised, why),
        };
        Self {
            name,
            verdict,
            detail,
        }
    }
}
