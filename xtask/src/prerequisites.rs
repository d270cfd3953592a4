//! What a step needs from the machine, named before anything starts.

use std::process::Command;

use anyhow::{Result, bail};

use crate::run;

pub(crate) struct Prerequisite {
    pub(crate) what: &'static str,
    /// A command that succeeds where it is there.
    pub(crate) probe: &'static [&'static str],
    pub(crate) install: &'static str,
}

/// What every build needs.
pub(crate) const BUILD: &[Prerequisite] = &[Prerequisite {
    what: "a C compiler (SQLite and ring are compiled)",
    probe: &["cc", "--version"],
    install: "apt-get install --no-install-recommends gcc libc6-dev",
}];

/// What looks at the source needs besides.
pub(crate) const CHECKS: &[Prerequisite] = &[
    Prerequisite {
        what: "rustfmt",
        probe: &["cargo", "fmt", "--version"],
        install: "rustup component add rustfmt",
    },
    Prerequisite {
        what: "clippy",
        probe: &["cargo", "clippy", "--version"],
        install: "rustup component add clippy",
    },
];

/// What systems and clients written in Python need.
pub(crate) const PYTHON: &[Prerequisite] = &[Prerequisite {
    what: "Python 3 with venv",
    probe: &["python3", "-c", "import venv, ensurepip"],
    install: "apt-get install --no-install-recommends python3 python3-venv",
}];

/// What systems written in JavaScript need; `URL.parse` is younger than the
/// Node.js of Debian 12.
pub(crate) const NODE: &[Prerequisite] = &[Prerequisite {
    what: "Node.js 20.19 or later with npm",
    probe: &[
        "sh",
        "-c",
        "node --eval \"URL.parse('http://127.0.0.1/')\" && npm --version",
    ],
    install: "apt-get install --no-install-recommends nodejs npm \
              (Debian 13 or later; elsewhere as nodejs.org/en/download says)",
}];

/// The database that the tests run on besides SQLite.  Debian keeps its programs
/// out of the search path.
pub(crate) const POSTGRES: &[Prerequisite] = &[Prerequisite {
    what: "PostgreSQL 15 or later",
    probe: &[
        "sh",
        "-c",
        "ls /usr/lib/postgresql/*/bin/initdb || command -v initdb",
    ],
    install: concord_cluster::INSTALL,
}];

/// Fails with the commands that install what is missing.
pub(crate) fn check(wanted: &[&Prerequisite]) -> Result<()> {
    let missing: Vec<String> = wanted
        .iter()
        .filter(|wanted| {
            let mut probe = Command::new(wanted.probe[0]);
            probe.args(&wanted.probe[1..]);
            run::output(&mut probe).is_none()
        })
        .map(|wanted| format!("  {}: {}", wanted.what, wanted.install))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "this machine lacks what this needs; install it and run again:\n{}",
        missing.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let there = Prerequisite {
            what: "true",
            probe: &["true"],
            install: "-",
        };
        let missing = Prerequisite {
            what: "a thing",
            probe: &["concord-no-such-program"],
            install: "get a-thing",
        };
        check(&[&there]).unwrap();
        let error = check(&[&there, &missing]).unwrap_err().to_string();
        assert!(error.contains("a thing: get a-thing"), "{error}");
        assert!(!error.contains("true"), "{error}");
    }
}
