//! `cargo xtask test`: formatting, lints, plugins, and all tests.
//!
//! The suites that need more than this machine's compiler are ignored tests of
//! the integration binary, in a module named like their flag.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::ProgressBar;

use crate::prerequisites::{self, BUILD, CHECKS, NODE, POSTGRES, PYTHON};
use crate::workspace::Workspace;
use crate::{plugins, release, run, sim};

#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Also against real third-party servers, which it installs and starts
    #[arg(long)]
    real: bool,
    /// Also the twins against the vendors' own client libraries
    #[arg(long)]
    clients: bool,
    /// Also the tests that take minutes
    #[arg(long)]
    long: bool,
}

impl Arguments {
    /// The modules of ignored tests that were asked for.
    fn suites(&self) -> Vec<&'static str> {
        [
            (self.real, "real"),
            (self.clients, "clients"),
            (self.long, "long"),
        ]
        .into_iter()
        .filter_map(|(wanted, suite)| wanted.then_some(suite))
        .collect()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut wanted: Vec<_> = BUILD.iter().chain(CHECKS).chain(POSTGRES).collect();
    if arguments.real || arguments.clients {
        wanted.extend(PYTHON);
    }
    if arguments.real || arguments.long {
        wanted.extend(NODE);
    }
    prerequisites::check(&wanted)?;
    let workspace = Workspace::read()?;
    let mut steps = Steps::default();

    steps.step("formatting", || {
        run::loud(
            "formatting",
            workspace.cargo().args(["fmt", "--all", "--check"]),
        )
    })?;
    steps.step("plugins", || plugins::build_for(&workspace, &[]))?;
    steps.step("lints", || {
        let mut clippy = workspace.cargo();
        clippy.args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]);
        run::loud("lints", &mut clippy)
    })?;
    // Tests run the program itself, which cargo builds for no other crate.
    steps.step("program", || {
        let mut build = workspace.cargo();
        build.args(["build", "--package", "concord"]);
        run::loud("program", &mut build)
    })?;
    // One for all test binaries; it stops when this function is left.
    let cluster = concord_cluster::Cluster::start()?;
    let tests = || {
        let mut cargo = workspace.cargo();
        cargo.env(concord_cluster::VARIABLE, cluster.address());
        cargo
    };
    steps.step("tests", || {
        run::loud("tests", tests().args(["test", "--workspace"]))
    })?;
    steps.step("archive", || {
        let folder = workspace.target().join("dist-tests");
        release::make(&workspace, true, &folder).map(drop)
    })?;
    steps.step("simulation", || sim::some(&workspace))?;
    for suite in arguments.suites() {
        steps.step(suite, || ignored(tests, suite))?;
    }
    steps.summary();
    Ok(())
}

/// Runs the ignored tests of one module, and fails where there are none: a
/// suite that was asked for must not pass by being absent.
fn ignored(cargo: impl Fn() -> Command, suite: &str) -> Result<()> {
    let module = format!("{suite}::");
    let words = |last: &[&'static str]| {
        let mut command = cargo();
        command
            .args([
                "test",
                "--package",
                "concord-tests",
                "--test",
                "integration",
            ])
            .args(["--", "--ignored", &module])
            .args(last);
        command
    };
    let listed = run::output(&mut words(&["--list"])).unwrap_or_default();
    if !listed.lines().any(|line| line.starts_with(&module)) {
        bail!("there is no ignored test below `{module}` in tests/integration");
    }
    run::loud(suite, &mut words(&["--nocapture"]))
}

/// What was done and how long it took.
struct Steps {
    done: Vec<(String, Duration)>,
    clock: ProgressBar,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            done: Vec::new(),
            clock: ProgressBar::hidden(),
        }
    }
}

impl Steps {
    fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let start = self.clock.elapsed();
        work()?;
        let span = self.clock.elapsed().saturating_sub(start);
        run::say(&format!("{name}: done in {}", run::seconds(span)));
        self.done.push((name.to_owned(), span));
        Ok(())
    }

    fn summary(&self) {
        let names: Vec<String> = self
            .done
            .iter()
            .map(|(name, span)| format!("{name} {}", run::seconds(*span)))
            .collect();
        println!(
            "passed: {}; {} in all",
            names.join(", "),
            run::seconds(self.clock.elapsed())
        );
    }
}
