//! Bugs planted into a copy of the engine: the worlds must find every one.
//!
//! Each mutant takes the place of one expression.  All of them are built into
//! one copy, in which a number in the environment says which is switched on, so
//! that fifty bugs cost one build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use serde::Deserialize;

use crate::run;
use crate::workspace::Workspace;

/// Where the mutants are written down.
const LIST: &str = "tests/sim/mutants.toml";
/// What the copy is made of.
const FOLDERS: &[&str] = &[
    "hub/core",
    "hub/sync",
    "hub/engine",
    "hub/store",
    "schemas",
    "tests/cluster",
    "tests/sim",
];
const MEMBERS: &[&str] = &[
    "hub/core",
    "hub/sync",
    "hub/engine",
    "hub/store",
    "tests/cluster",
    "tests/sim",
];
/// A mutant that so many worlds do not find is not caught.
const SEEDS: &str = "400";
/// One that makes the engine run for ever is caught by that: it takes longer than
/// this, and several times as long as the engine without it.
const PATIENCE: Duration = Duration::from_secs(300);
const TIMES: u32 = 4;

#[derive(Deserialize)]
struct List {
    mutant: Vec<Mutant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    name: String,
    file: String,
    /// Stands exactly once in the file.
    find: String,
    replace: String,
    /// It takes the place of statements and not of an expression.
    #[serde(default)]
    statement: bool,
}

#[derive(serde::Serialize)]
struct Caught {
    name: String,
    /// How many worlds it took; none where it was not caught.
    seeds: Option<u64>,
}

pub(super) fn run(workspace: &Workspace, only: Option<&str>, json: bool) -> Result<()> {
    let mutants = read(workspace.root())?;
    let tree = workspace.target().join("mutants");
    plant(workspace.root(), &tree, &mutants)?;
    let mut build = workspace.cargo();
    build
        .current_dir(&tree)
        .args(["build", "--profile", "sim", "--package", "concord-sim"])
        .env("CARGO_TARGET_DIR", tree.join("target"));
    run::loud("the engine with its mutants", &mut build)?;
    let program = tree.join("target").join("sim").join("concord-sim");
    let clock = ProgressBar::hidden();
    if let Some(seeds) = hunt(&program, 0, "none planted", None)? {
        bail!("without any mutant the copy fails within {seeds} worlds: mend the engine first");
    }
    let patience = PATIENCE.max(clock.elapsed() * TIMES);
    let mut all = Vec::new();
    for (number, mutant) in mutants.iter().enumerate() {
        if only.is_some_and(|text| !mutant.name.contains(text)) {
            continue;
        }
        let seeds = hunt(&program, number + 1, &mutant.name, Some(patience))?;
        let end = match seeds {
            Some(seeds) => format!("caught within {seeds} worlds"),
            None => "NOT CAUGHT".to_owned(),
        };
        run::say(&format!("{}: {end}", mutant.name));
        all.push(Caught {
            name: mutant.name.clone(),
            seeds,
        });
    }
    report(&all, json)
}

fn report(all: &[Caught], json: bool) -> Result<()> {
    let mut seeds: Vec<u64> = all.iter().filter_map(|one| one.seeds).collect();
    seeds.sort_unstable();
    let median = seeds.get(seeds.len() / 2).copied().unwrap_or_default();
    if json {
        println!("{}", serde_json::to_string(all)?);
    } else {
        println!(
            "mutants: {} planted, {} caught, median {median} worlds",
            all.len(),
            seeds.len()
        );
    }
    if seeds.len() < all.len() {
        let free: Vec<&str> = all
            .iter()
            .filter(|one| one.seeds.is_none())
            .map(|one| one.name.as_str())
            .collect();
        bail!("not caught: {}", free.join("; "));
    }
    Ok(())
}

fn read(root: &Path) -> Result<Vec<Mutant>> {
    let text = std::fs::read_to_string(root.join(LIST)).context(LIST)?;
    let list: List = toml::from_str(&text).context(LIST)?;
    Ok(list.mutant)
}

/// How many worlds it takes until one fails; none where none does.
fn hunt(
    program: &Path,
    number: usize,
    name: &str,
    patience: Option<Duration>,
) -> Result<Option<u64>> {
    let mut command = Command::new(program);
    command
        .args(["--seeds", SEEDS, "--first", "--json"])
        .env("CONCORD_PLANTED", number.to_string());
    let Some(lines) = run::within(name, &mut command, patience)? else {
        return Ok(Some(1));
    };
    let found = lines
        .iter()
        .find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let Some(found) = found else {
        // It took the whole program with it.
        return Ok(Some(1));
    };
    Ok(found["failed"].get(0).and_then(serde_json::Value::as_u64))
}

/// Makes the copy and weaves the mutants into it.
fn plant(root: &Path, tree: &Path, mutants: &[Mutant]) -> Result<()> {
    for folder in FOLDERS {
        let to = tree.join(folder);
        if to.exists() {
            std::fs::remove_dir_all(&to)?;
        }
        copy(&root.join(folder), &to)?;
    }
    std::fs::copy(root.join("Cargo.lock"), tree.join("Cargo.lock"))?;
    std::fs::write(tree.join("Cargo.toml"), workspace_of(root)?)?;
    let mut by_file: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (number, mutant) in mutants.iter().enumerate() {
        by_file
            .entry(&mutant.file)
            .or_default()
            .push((number + 1, mutant));
    }
    for (file, mutants) in by_file {
        let path = tree.join(file);
        let source = std::fs::read_to_string(&path).context(file.to_owned())?;
        std::fs::write(&path, weave(file, &source, &mutants)?)?;
    }
    let core = tree.join("hub/core/src/lib.rs");
    let source = std::fs::read_to_string(&core)?;
    std::fs::write(&core, source + SWITCH)?;
    Ok(())
}

/// What the copy asks whether a mutant is switched on.
const SWITCH: &str = r#"
pub fn planted(number: u32) -> bool {
    static NUMBER: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *NUMBER.get_or_init(|| {
        let text = std::env::var("CONCORD_PLANTED").unwrap_or_default();
        text.parse().unwrap_or(0)
    }) == number
}
"#;

/// Where one or more mutants stand.
struct Place<'a> {
    find: &'a str,
    statement: bool,
    replacements: Vec<(usize, &'a str)>,
}

fn weave(file: &str, source: &str, mutants: &[(usize, &Mutant)]) -> Result<String> {
    let switch = if file.starts_with("hub/core") {
        "crate::planted"
    } else {
        "::concord_core::planted"
    };
    let mut places: BTreeMap<usize, Place<'_>> = BTreeMap::new();
    for (number, mutant) in mutants {
        let at = only_place(file, source, &mutant.find)?;
        let place = places.entry(at).or_insert_with(|| Place {
            find: &mutant.find,
            statement: mutant.statement,
            replacements: Vec::new(),
        });
        place.replacements.push((*number, &mutant.replace));
    }
    let mut woven = String::new();
    let mut done = 0;
    for (at, place) in places {
        if at < done {
            bail!("{file}: two mutants want overlapping places");
        }
        woven.push_str(&source[done..at]);
        let mut branches = String::new();
        for (number, replace) in place.replacements {
            branches.push_str(&format!("if {switch}({number}) {{ {replace} }} else "));
        }
        branches.push_str(&format!("{{ {} }}", place.find));
        if place.statement {
            woven.push_str(&branches);
        } else {
            woven.push_str(&format!("({branches})"));
        }
        done = at + place.find.len();
    }
    woven.push_str(&source[done..]);
    Ok(woven)
}

fn only_place(file: &str, source: &str, find: &str) -> Result<usize> {
    let mut places = source.match_indices(find);
    match (places.next(), places.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => bail!("{file} does not hold `{find}` any more: bring {LIST} up to date"),
        (Some(_), Some(_)) => {
            bail!("{file} holds `{find}` more than once: name more of it in {LIST}")
        }
    }
}

/// The workspace with the copied members only.
fn workspace_of(root: &Path) -> Result<String> {
    let text = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let mut workspace: toml::Table = toml::from_str(&text)?;
    let table = workspace
        .get_mut("workspace")
        .and_then(toml::Value::as_table_mut)
        .context("Cargo.toml names no workspace")?;
    let members = MEMBERS.iter().map(|member| toml::Value::from(*member));
    table.insert("members".into(), toml::Value::Array(members.collect()));
    table.remove("default-members");
    // A switch stands in parentheses wherever it takes an expression's place.
    let lints = table
        .get_mut("lints")
        .and_then(|lints| lints.get_mut("rust"))
        .and_then(toml::Value::as_table_mut)
        .context("Cargo.toml has no lints")?;
    lints.insert("unused_parens".into(), "allow".into());
    Ok(toml::to_string(&workspace)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mutant whose place has gone would be planted nowhere and prove nothing.
    #[test]
    fn every_mutant_has_its_one_place() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mutants = read(root).unwrap();
        assert!(mutants.len() >= 40, "{}", mutants.len());
        for mutant in &mutants {
            let source = std::fs::read_to_string(root.join(&mutant.file)).unwrap();
            only_place(&mutant.file, &source, &mutant.find).unwrap();
        }
    }

    #[test]
    fn two_mutants_of_one_place_are_two_switches() {
        let mutant = |replace: &str| Mutant {
            name: "m".into(),
            file: "f".into(),
            find: "a || b".into(),
            replace: replace.into(),
            statement: false,
        };
        let (one, two) = (mutant("a"), mutant("b"));
        let woven = weave("f", "if a || b { c }", &[(1, &one), (2, &two)]).unwrap();
        assert_eq!(
            woven,
            "if (if ::concord_core::planted(1) { a } else if ::concord_core::planted(2) { b } \
             else { a || b }) { c }"
        );
    }
}
